"""What every figure must hold to: nothing of it is cut off at the edge of its page."""

import pytest

from skyneedle.core import plotting

CUT_IN = 0.02  # inches that may stick out: less than the height of a full stop


@pytest.fixture(autouse=True)
def nothing_sticks_out(monkeypatch):
    save = plotting.save

    def checked(figure, *args, **kwargs):
        written = save(figure, *args, **kwargs)
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        margins = box.x0, box.y0, width - box.x1, height - box.y1
        assert min(margins) > -CUT_IN, f"left, bottom, right and top margins are {margins} inches"
        return written

    monkeypatch.setattr(plotting, "save", checked)
