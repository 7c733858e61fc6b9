"""Random streams that depend on what is drawn, never on which worker draws it."""

import zlib

import numpy as np


def generator(root: int, *keys: int | str) -> np.random.Generator:
    """An independent random stream for one thing that is drawn.

    Args:
        root: seed of the experiment.
        *keys: what is drawn, for instance the example id and the name of the quantity; strings are hashed
            with CRC-32.

    Returns:
        A generator that is the same for the same root and keys, whatever was drawn before.
    """
    spawn_key = tuple(zlib.crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys)
    return np.random.default_rng(np.random.SeedSequence(root, spawn_key=spawn_key))
