"""Catalogued events: GWTC-1, what else was found in the same runs, and the strain files that contain them."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from skyneedle.core.download import NOT_DELIVERED, is_address, write_status
from skyneedle.core.errors import BadSetting, SourceUnavailable
from skyneedle.strain.fetch.archive import ARCHIVE, event_urls
from skyneedle.strain.fetch.download import download
from skyneedle.strain.fetch.names import StrainFileName, best_common, in_folders, parse_name


@dataclass(frozen=True)
class Event:
    """A catalogued merger: name, GPS time (s, at the centre of the Earth), observing detectors, kind."""

    name: str
    gps: float
    detectors: tuple[str, ...] = ("H1", "L1")
    kind: str = "BBH"


# The eleven events of GWTC-1 (Abbott et al. 2019, arXiv:1811.12907) with the GPS times of the event portal of
# gwosc.org, rounded to 0.1 s there, as many public programs repeat them. Each agrees to 0.06 s with the table
# 3-OGC_top.txt of github.com/gwastro/3-ogc (Nitz et al. 2021, arXiv:2105.09151), an independent search of the
# same data; its column of observing detectors is used here.
GWTC1 = (
    Event("GW150914", 1126259462.4),
    Event("GW151012", 1128678900.4),
    Event("GW151226", 1135136350.6),
    Event("GW170104", 1167559936.6),
    Event("GW170608", 1180922494.5),
    Event("GW170729", 1185389807.3),
    Event("GW170809", 1186302519.8, ("H1", "L1", "V1")),
    Event("GW170814", 1186741861.5, ("H1", "L1", "V1")),
    Event("GW170817", 1187008882.4, ("H1", "L1", "V1"), "BNS"),
    Event("GW170818", 1187058327.1, ("H1", "L1", "V1")),
    Event("GW170823", 1187529256.5),
)
NAMES = tuple(event.name for event in GWTC1)

# Further candidates of O1 and O2 from 3-OGC_top.txt (GW...) and 3-OGC_sub17.txt of the same repository: not
# events of the paper, only kept out of the background.
CANDIDATES = (
    Event("GW170121_212536", 1169069154.576),
    Event("GW170202_135657", 1170079035.733),
    Event("GW170304_163753", 1172680691.366),
    Event("GW170403_230611", 1175295989.232),
    Event("GW170727_010430", 1185152688.033),
    Event("151011_192749", 1128626886.604),
    Event("151205_195525", 1133380542.409),
    Event("170425_055334", 1177134832.191),
    Event("170704_202003", 1183234821.620),
    Event("170722_065503", 1184741721.316, kind="BNS"),
)

# The portal's 32-s files begin 15 s before the event's GPS second (seen for ten of the eleven).
PORTAL_LEAD_S = 15


def find(name: str) -> Event:
    """The GWTC-1 event of that name.

    Raises:
        BadSetting: if there is none.
    """
    for event in GWTC1:
        if event.name == name:
            return event
    raise BadSetting(f"event {name!r}: not one of GWTC-1; choose among {', '.join(NAMES)}")


def portal_names(event: Event, detectors: Sequence[str]) -> list[StrainFileName]:
    """Names of the 32-s files of the event portal, for mirrors that are addresses and cannot be listed."""
    start = int(event.gps) - PORTAL_LEAD_S
    names = (parse_name(f"{d[0]}-{d}_GWOSC_4KHZ_R1-{start}-32.hdf5") for d in detectors)
    return [name for name in names if name]


def fetch_event(
    name: str,
    mirrors: Sequence[str | os.PathLike],
    network: bool,
    destination: str | os.PathLike,
    *,
    status_path: str | os.PathLike | None = None,
    detectors: Sequence[str] = ("H1", "L1"),
    context_s: float = 8.0,
    duration: int = 32,
    manifest: str | os.PathLike | None = None,
    datasets: str | os.PathLike | None = None,
    timeout_s: float = 30.0,
    retries: int = 4,
    backoff_s: float = 1.0,
    host: str = ARCHIVE,
) -> dict:
    """Bring the strain of one event in, from local mirrors first; an event that nobody has is not an error.

    Args:
        name: one of `NAMES`.
        mirrors: folders (searched for files that cover the event, longer ones preferred) and base addresses.
        network: whether addresses and the archive may be asked.
        destination: folder for the files.
        status_path: JSON file to write the answer to; None writes none.
        detectors: all of these are needed.
        context_s: strain needed on each side of the event, in s.
        duration: length of the files to ask the archive for, in s (32 or 4096).
        manifest, datasets, timeout_s, retries, backoff_s: as for `download`.
        host: address of the archive.

    Returns:
        event, gps, status ("fetched" or "missing"), reason, mirrors (places tried), and, by detector, path,
        sha256 and bytes.

    Raises:
        BadSetting: if the name is unknown.
    """
    event = find(name)
    answer: dict = {"event": name, "gps": event.gps, "status": "missing", "reason": ""}
    answer |= {"mirrors": [str(m) for m in mirrors], "path": {}, "sha256": {}, "bytes": {}}
    span = (event.gps - context_s, event.gps + context_s)
    local = in_folders(m for m in mirrors if not is_address(str(m)))
    chosen = best_common(local, detectors, *span)
    urls: dict[str, str] = {}
    notes = []
    if len(chosen) < len(detectors) and network:
        listed, note = _ask_archive(event, host, duration, timeout_s)
        notes += [note] if note else []
        answer["mirrors"].append(host)
        files = listed or (portal_names(event, detectors) if any(is_address(str(m)) for m in mirrors) else [])
        chosen |= {d: f for d, f in best_common(files, detectors, *span).items() if d not in chosen}
        urls = {f.detector: f.source for f in chosen.values() if is_address(f.source)}
    for detector in detectors:
        if detector not in chosen:
            notes.append(f"no file of {detector} covers GPS {span[0]:.1f} to {span[1]:.1f} in any mirror")
            continue
        try:
            status = download(
                chosen[detector].name,
                destination,
                mirrors,
                [urls[detector]] if detector in urls else [],
                timeout_s=timeout_s,
                retries=retries,
                network=network,
                manifest=manifest,
                datasets=datasets,
                backoff_s=backoff_s,
            )
        except NOT_DELIVERED as error:
            notes.append(str(error))
            continue
        for key in ("path", "sha256", "bytes"):
            answer[key][detector] = asdict(status)[key]
    if len(answer["path"]) == len(detectors):
        answer["status"] = "fetched"
    else:
        if not network:
            notes.append("network is switched off")
        answer["reason"] = f"{name}: {'; '.join(notes)}"
    return write_status(status_path, answer) if status_path is not None else answer


def _ask_archive(
    event: Event, host: str, duration: int, timeout_s: float
) -> tuple[list[StrainFileName], str]:
    try:
        urls = event_urls(event.name, duration, host, timeout_s)
    except SourceUnavailable as error:
        return [], str(error)
    return [name for url in urls if (name := parse_name(url))], ""


def times(events: Sequence[Event] = GWTC1 + CANDIDATES) -> list[float]:
    """GPS times (s) of everything that is kept out of the background."""
    return sorted(event.gps for event in events)
