"""Questions to the archive (gwosc.org) through its own client, each answered within a bounded time."""

import functools

import requests

from skyneedle.core.errors import SourceUnavailable

ARCHIVE = "https://gwosc.org"
CATALOGUE = "GWTC-1-confident"


@functools.cache
def _unreachable(host: str, timeout_s: float) -> str:
    """Why the host does not answer, empty if it does.

    The client itself tries ten times for ten seconds each, for every question: behind a firewall that
    swallows packets, asking for eleven events would take half an hour.
    """
    try:
        requests.head(host, timeout=timeout_s, allow_redirects=False)
    except requests.RequestException as error:
        return f"{type(error).__name__}"
    return ""


def _ask(question, *arguments, host: str, timeout_s: float, **options):
    why = _unreachable(host, timeout_s)
    if why:
        raise SourceUnavailable(f"{host} does not answer ({why})")
    import tenacity

    try:
        return question(*arguments, host=host, **options)
    # KeyError and ValueError: an answer that is not the JSON that the client expects.
    except (requests.RequestException, tenacity.RetryError, KeyError, ValueError) as error:
        name = f"{question.__module__}.{question.__name__}"
        raise SourceUnavailable(f"{host}: {name}{arguments} got no usable answer ({error!r})") from None


def event_urls(name: str, duration: int = 32, host: str = ARCHIVE, timeout_s: float = 30.0) -> list[str]:
    """Addresses of an event's 4-kHz HDF5 files, all detectors.

    Raises:
        SourceUnavailable: if the archive does not answer or does not know the event.
    """
    from gwosc.locate import get_event_urls

    return _ask(
        get_event_urls,
        name,
        catalog=CATALOGUE,
        duration=duration,
        format="hdf5",
        host=host,
        timeout_s=timeout_s,
    )


def event_gps(name: str, host: str = ARCHIVE, timeout_s: float = 30.0) -> float:
    """GPS time (s) of an event as the archive has it now.

    Raises:
        SourceUnavailable: if the archive does not answer or does not know the event.
    """
    from gwosc.datasets import event_gps as question

    return float(_ask(question, name, catalog=CATALOGUE, host=host, timeout_s=timeout_s))


def run_urls(
    run: str, detector: str, start: int, end: int, host: str = ARCHIVE, timeout_s: float = 30.0
) -> list[str]:
    """Addresses of a run's 4096-s, 4-kHz HDF5 files of one detector that touch a GPS interval.

    Raises:
        SourceUnavailable: if the archive does not answer.
    """
    from gwosc.locate import get_run_urls

    return _ask(get_run_urls, run, detector, start, end, format="hdf5", host=host, timeout_s=timeout_s)


def segments(
    flag: str, start: int, end: int, host: str = ARCHIVE, timeout_s: float = 30.0
) -> list[tuple[int, int]]:
    """Half-open GPS intervals in which a quality flag such as H1_CBC_CAT3 is on.

    Raises:
        SourceUnavailable: if the archive does not answer or does not know the flag.
    """
    from gwosc.timeline import get_segments

    found = _ask(get_segments, flag, start, end, host=host, timeout_s=timeout_s)
    return [(int(first), int(last)) for first, last in found]
