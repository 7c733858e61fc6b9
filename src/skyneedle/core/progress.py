"""How far long work has come, on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, what: str, pause_s: float = 20.0) -> Iterator[Item]:
    """A bar on a terminal, elsewhere a line now and then; both on stderr."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what)
        return
    told = time.monotonic()
    for k, item in enumerate(items):
        if time.monotonic() - told > pause_s:
            told = time.monotonic()
            print(f"{what}: {k} of {total} ({100 * k // total} %)", file=sys.stderr, flush=True)
        yield item
