import itertools

from skyneedle.core import progress as module


def test_lines_come_now_and_then_and_all_items_pass(monkeypatch, capsys):
    clock = itertools.count(0, 10)  # seconds, each time that somebody looks
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    assert list(module.progress("abcdefgh", 8, "stamps", pause_s=25)) == list("abcdefgh")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "stamps: 2 of 8 (25 %)"
    assert all(line.startswith("stamps: ") for line in lines)
    assert 1 < len(lines) < 8


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(module.progress(range(3), 3, "tiles")) == [0, 1, 2]
    assert "tiles: 100%" in capsys.readouterr().err
