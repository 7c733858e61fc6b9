import pytest

from skyneedle.core.device import check_device
from skyneedle.core.errors import NoDevice


def test_a_device_that_is_not_there(monkeypatch):
    check_device("cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(NoDevice, match="use --device cpu"):
        check_device("cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    check_device("cuda")
