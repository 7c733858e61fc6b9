"""Whether the device that a user asks for is there."""

from skyneedle.core.errors import NoDevice


def check_device(device: str) -> None:
    """Raise unless a device that the user asked for is there.

    Args:
        device: "cpu" or "cuda".

    Raises:
        NoDevice: if it is "cuda", and there is none.
    """
    if device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise NoDevice(f"{device} was asked for, but no CUDA device is visible here; use --device cpu.")
