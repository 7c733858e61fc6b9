"""Copy what is committed from finished results: the networks of the tools, numbers, the picture."""

import errno
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from skyneedle.core import plotting

ROOT = Path(__file__).resolve().parents[1]
MAIN, EVENT = "fcn", "GW150914"
LENSES = ("ou66", "ou200")
TRANSIENTS = "cnn1"  # trained on the labels after the review


def main(scale: str = "laptop") -> None:
    """Fill reference/ from results/<scale>, one experiment after the other; a missing one is named."""
    n_done = 0
    for copy in (strain, lenses, transients):
        try:
            copy(ROOT / "results" / scale, ROOT / "reference")
            n_done += 1
        except FileNotFoundError as error:
            print(f"{copy.__name__} stays as it is: {error.filename} is missing; run it first.")
    if not n_done:
        raise SystemExit(1)


def strain(results: Path, reference: Path) -> None:
    """The network of `skyneedle scan`, its numbers, and the picture."""
    tables = results / f"strain/tables/{MAIN}"
    needed = [tables / name for name in ("by_snr.csv", "events.csv", "events.parquet")]
    _copy(_network(results, "strain", MAIN), reference / "strain", needed)
    overview(*needed, reference / "strain" / "overview.png")


def lenses(results: Path, reference: Path) -> None:
    """The networks of `skyneedle classify`, and their numbers."""
    _copy([pair for name in LENSES for pair in _network(results, "lenses", name)], reference / "lenses")


def transients(results: Path, reference: Path) -> None:
    """The network of `skyneedle score`, and its numbers."""
    _copy(_network(results, "transients", TRANSIENTS, "phase2"), reference / "transients")


def _network(results: Path, experiment: str, name: str, case: str = "") -> list[tuple[Path, str]]:
    """Files of one network (of a case, where there are several), and their names beside those of others."""
    model, metrics = results / experiment / "models" / case / name, results / experiment / "metrics"
    judged = f"{case}_{name}" if case else name
    return [
        (model / "seed0.safetensors", f"{name}.safetensors"),
        (model / "seed0.json", f"{name}.json"),
        (metrics / f"operating_point_{judged}.json", f"operating_point_{name}.json"),
        (metrics / f"{judged}.json", f"metrics_{name}.json"),
    ]


def _copy(pairs: list[tuple[Path, str]], folder: Path, needed: Sequence[Path] = ()) -> None:
    """Copy all files, or none if one of them, or of those needed besides, is missing."""
    for path in (*(source for source, _ in pairs), *needed):
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in pairs:
        shutil.copyfile(source, folder / name)


@plotting.style()
def overview(by_snr: Path, events: Path, traces: Path, path: Path) -> None:
    """The picture of the README: detection ratio over SNR, and one real event."""
    figure = plotting.new(plotting.PAGE_IN, 2.6)
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.2])
    axes = left.subplots()
    table = pd.read_csv(by_snr)
    table = table[(table["tolerance_s"] == 0.05) & (table["n"] > 0)]
    middle = (table["snr_low"] + table["snr_high"]) / 2
    plotting.error_bars(axes, middle, table["value"], table["low"], table["high"], **plotting.series(0))
    axes.set(xlabel="network SNR of the injection", ylabel="detection ratio", ylim=(-0.02, 1.04))
    row = pd.read_csv(events).set_index("event").loc[EVENT]
    trace = pd.read_parquet(traces)
    trace = trace[trace["event"] == EVENT]
    time = trace["gps"] - row["gps_catalogue"]
    near = time.abs() <= 0.5
    panels = right.subplots(3, 1, sharex=True)
    for axes, detector, index in zip(panels, ("H1", "L1"), (0, 1), strict=False):
        axes.plot(time[near], trace.loc[near, detector], linewidth=0.6, color=plotting.PALETTE[index])
        axes.set_ylabel(detector)
    panels[2].plot(time[near], trace.loc[near, "raw"], color=plotting.PALE, linewidth=0.7, label="raw")
    panels[2].plot(time[near], trace.loc[near, "smoothed"], "--", color=plotting.INK, label="smoothed")
    panels[2].axhline(row["threshold"], color=plotting.REFERENCE, linestyle=":", label="threshold")
    panels[2].set(xlabel=f"time after {EVENT} (s)", ylabel="output", ylim=(-0.05, 1.1))
    panels[2].legend(loc="center left")
    figure.savefig(path, dpi=160, metadata={"Software": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
