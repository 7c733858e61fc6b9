"""Pieces of work done by several processes, with results in order: output never depends on how many."""

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


def in_order(
    function: Callable[..., Result], pieces: Sequence[Any], workers: int, *arguments: Any
) -> Iterator[Result]:
    """Apply a function to pieces of work, here or by a pool.

    Args:
        function: of a module, called with one piece and the further arguments.
        pieces: what to work on.
        workers: processes; with one, or one piece, all is done here.
        *arguments: the same for all pieces.

    Yields:
        Results in the order of the pieces.
    """
    if workers <= 1 or len(pieces) <= 1:
        for piece in pieces:
            yield function(piece, *arguments)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(pieces)), mp_context=context, initializer=_die_with_parent
    ) as pool:
        with _main_hidden():  # all workers start at the first submission
            futures = [pool.submit(function, piece, *arguments) for piece in pieces]
        try:
            for place, future in enumerate(futures):
                yield future.result()
                futures[place] = None  # type: ignore[call-overload]  # lets the result go
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep new workers from importing the main module: a rule script has no guard and would run again."""
    main = sys.modules["__main__"]
    hidden: dict[str, Any] = {
        name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)
    }
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


def _die_with_parent() -> None:
    """Workers end with the process that started them, even when that is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
