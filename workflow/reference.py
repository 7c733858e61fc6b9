"""Copy what is committed from finished results: the network of `skyneedle scan`, numbers, the picture."""

import shutil
import sys
from pathlib import Path

import pandas as pd

from skyneedle.core import plotting

ROOT = Path(__file__).resolve().parents[1]
MAIN, EVENT = "fcn", "GW150914"


def main(scale: str = "laptop") -> None:
    """Fill reference/strain from results/<scale>."""
    results, reference = ROOT / "results" / scale, ROOT / "reference" / "strain"
    reference.mkdir(parents=True, exist_ok=True)
    for ending in ("safetensors", "json"):
        shutil.copyfile(results / f"strain/models/{MAIN}/seed0.{ending}", reference / f"{MAIN}.{ending}")
    for name in (f"operating_point_{MAIN}.json", f"{MAIN}.json"):
        target = name if name.startswith("operating") else f"metrics_{name}"
        shutil.copyfile(results / "strain/metrics" / name, reference / target)
    tables = results / f"strain/tables/{MAIN}"
    overview(
        tables / "by_snr.csv", tables / "events.csv", tables / "events.parquet", reference / "overview.png"
    )


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
