"""One continuous stretch with injections: what the snippets of a test set cannot show."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.core.errors import DetectorMismatch, GridMismatch, OneClassOnly, StrainHasGap
from skyneedle.core.tables import write_csv, write_parquet
from skyneedle.strain.evaluate import baseline, postprocess
from skyneedle.strain.evaluate.match import TOLERANCE_S, coincident, match
from skyneedle.strain.evaluate.postprocess import FINE, Grid
from skyneedle.strain.preprocess import OUTPUT_OFFSET, RECEPTIVE_FIELD, SAMPLE_RATE, stream

Pieces = Iterable[tuple[float, np.ndarray]]


class Scorer(NamedTuple):
    """A search method as a function from conditioned strain to logits, and what these are about.

    Attributes:
        run: from (detector, n) to logits, shape (n_outputs,).
        receptive_field: input samples that one output sees.
        grid: which input samples the outputs are about.
    """

    run: Callable[[np.ndarray], np.ndarray]
    receptive_field: int = RECEPTIVE_FIELD
    grid: Grid = FINE


class Series(NamedTuple):
    """Outputs over one stretch without gaps.

    Attributes:
        gps_start: time of the first output, in s.
        logits: shape (n,).
        grid: of the outputs.
        strain: conditioned strain at 2048 Hz over the same time, (detector, n * step), if it was kept.
        strain_gps: time of its first sample, in s.
    """

    gps_start: float
    logits: np.ndarray
    grid: Grid = FINE
    strain: np.ndarray | None = None
    strain_gps: float = float("nan")


def network_scorer(model: str | Path, device: str = "cpu", precision: str = "auto") -> Scorer:
    """A trained network, ready for streams; the only place here that needs torch.

    Args:
        model: ``.json`` or ``.safetensors`` of a trained network.
        device: "cpu" or "cuda:0".
        precision: see `skyneedle.core.inference.choose_precision`.
    """
    from skyneedle.core import inference

    network, card = inference.load(model)
    prepared = inference.prepare(network, device, precision)
    scale = card["normalisation"]
    step, offset, field = (
        int(getattr(prepared, key)) for key in ("step", "output_offset", "receptive_field")
    )
    return Scorer(lambda piece: inference.slide(prepared, piece, scale), field, Grid(step, offset))


def baseline_scorer(card: Mapping[str, Any]) -> Scorer:
    """The excess-power baseline, ready for streams."""
    return Scorer(lambda piece: baseline.logits(piece, card))


def apply_to_stream(
    scorer: Scorer, pieces: Pieces, gps_start: float = 0.0, keep_strain: bool = False
) -> Series:
    """Run a search method over the pieces of a stretch and join what it says.

    Args:
        scorer: see `network_scorer` and `baseline_scorer`.
        pieces: from `preprocess.stream`: time of the first output of the fully convolutional network in s
            after ``gps_start``, and conditioned strain. Other networks are read out over the same time.
        gps_start: GPS time of the stretch, in s.
        keep_strain: keep the conditioned strain too.

    Raises:
        StrainHasGap: if the pieces do not join.
        GridMismatch: if the network gives another number of outputs than it should, or sees more than a piece
            holds.
    """
    step, offset = scorer.grid
    skipped = -(-(OUTPUT_OFFSET - offset) // step)  # outputs about samples before those that the piece is for
    shift = offset + skipped * step - OUTPUT_OFFSET
    starts, logits, strain, expected = [], [], [], 0
    for time, piece in pieces:
        out = np.asarray(scorer.run(piece)).reshape(-1)
        n_all = (piece.shape[-1] - scorer.receptive_field) // step + 1
        n_judged = piece.shape[-1] - RECEPTIVE_FIELD + 1
        n_kept = -(-(n_judged - shift) // step)
        if skipped < 0 or len(out) != n_all or skipped + n_kept > n_all:
            raise GridMismatch(
                f"{piece.shape[-1]} samples gave {len(out)} outputs, expected {n_all}, of which {n_kept} "
                f"from {skipped} on are wanted; a network may see no more than {RECEPTIVE_FIELD} samples."
            )
        starts.append(time + shift / SAMPLE_RATE)
        if abs((starts[-1] - starts[0]) * scorer.grid.rate - expected) > 1e-3:
            raise StrainHasGap(f"Pieces do not join at {time} s; evaluate stretches with a gap one by one.")
        logits.append(out[skipped : skipped + n_kept])
        expected += n_kept
        if keep_strain:
            strain.append(piece[:, OUTPUT_OFFSET : OUTPUT_OFFSET + n_judged])
    if not starts:
        raise StrainHasGap("There is no piece of strain to evaluate; is the stretch shorter than one window?")
    first = gps_start + starts[0]
    kept = np.concatenate(strain, 1) if keep_strain else None
    return Series(first, np.concatenate(logits), scorer.grid, kept, first - shift / SAMPLE_RATE)


def judged_span(series: Series, window: int, recipe: str) -> tuple[float, float]:
    """GPS times between which a series can have candidates, in s; the length is the exposure."""
    width = series.grid.width(window)
    n = postprocess.evaluated_outputs(len(series.logits), width, recipe)
    start = series.gps_start + postprocess.first_output(width, recipe) / series.grid.rate
    return start, start + n / series.grid.rate


def evaluate_stream(
    series: Sequence[Series],
    injections: pd.DataFrame,
    network: str,
    point: Mapping[str, Any],
    recipe: str,
    tolerance_s: float = TOLERANCE_S,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Triggers of a stretch (or several) against its injections, by the rule that holds for examples.

    Args:
        series: outputs, one item for each stretch without gaps, in order of time.
        injections: with column ``gps_h1`` (s) and, where there is one, ``snr``.
        network: name in the table.
        point: operating point with ``threshold`` and ``window``.
        recipe: "corrected" or "faithful".
        tolerance_s: of a coincidence.

    Returns:
        A row: network, threshold, window, tolerance_s, injections, detected, n_outside (injections where
        nothing was judged, which are left out), detection_ratio, detection_low, detection_high,
        false_positives, exposure_s, value, low, high (s per false positive); and the triggers with detected
        and offset_s (to the nearest event).

    Raises:
        OneClassOnly: if no injection lies in the time that was judged.
    """
    threshold, window = float(point["threshold"]), int(point["window"])
    event = np.sort(injections["gps_h1"].to_numpy(float))
    triggers, exposure, judged = [], 0.0, np.zeros(len(event), bool)
    for part in series:
        start, end = judged_span(part, window, recipe)
        here = (event >= start) & (event < end)
        judged |= here
        exposure += end - start
        found = postprocess.triggers_from_logits(
            part.logits, part.gps_start, threshold, window, recipe, grid=part.grid
        )
        triggers.append(_against(found, event[here], start, tolerance_s, recipe))
    if not judged.any():
        raise OneClassOnly(
            f"None of the {len(event)} injections lies in the {exposure:.1f} s that were judged."
        )
    table = pd.concat(triggers, ignore_index=True)
    n_found, n_false = int(table["detected"].sum()), int((~table["detected"]).sum())
    rate = metrics.poisson_rate(n_false, exposure)
    row = {"network": network, "threshold": threshold, "window": window, "tolerance_s": tolerance_s}
    row |= {"injections": int(judged.sum()), "detected": n_found, "n_outside": int((~judged).sum())}
    share, time = metrics.binomial(n_found, int(judged.sum())), metrics.inverse(rate)
    row |= {"detection_ratio": share["value"], "detection_low": share["low"], "detection_high": share["high"]}
    row |= {"false_positives": n_false, "exposure_s": exposure}
    return row | {key: time[key] for key in ("value", "low", "high")}, table


def score_streams(
    stretches: Sequence[tuple[float, np.ndarray]],
    injections: pd.DataFrame,
    scorers: Mapping[str, Scorer],
    points: Mapping[str, Mapping[str, Any]],
    recipe: str,
    tolerance_s: float = TOLERANCE_S,
) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Several search methods on the same continuous strain.

    Args:
        stretches: GPS start in s and raw strain (detector, n) at 4096 Hz, one item for each stretch without
            gaps.
        injections: see `evaluate_stream`.
        scorers: by name, the order of the table.
        points: operating point of each.
        recipe: "corrected" or "faithful".
        tolerance_s: of a coincidence.

    Returns:
        What `evaluate_stream` returns, for each.
    """
    out = []
    for name, scorer in scorers.items():
        series = [apply_to_stream(scorer, stream(strain, recipe), start) for start, strain in stretches]
        out.append(evaluate_stream(series, injections, name, points[name], recipe, tolerance_s))
    return out


def read_stretch(
    folder: str | Path, detectors: Sequence[str], read: Callable[[str], Any], join: Callable[[Any], Any]
) -> tuple[np.ndarray, float, pd.DataFrame]:
    """A continuous stretch on disk.

    Args:
        folder: with strain files that the archive's rule names (``H-H1_...``) and ``injections.csv``.
        detectors: wanted, in this order.
        read: reads a strain file (`skyneedle.strain.fetch`).
        join: joins consecutive ones.

    Returns:
        Raw strain (detector, n) at 4096 Hz, its GPS start in s, and the injections with column gps_h1.

    Raises:
        StrainHasGap: if the detectors do not cover the same time.
        DetectorMismatch: if a detector has no file.
    """
    parts = []
    for detector in detectors:
        files = sorted(Path(folder).glob(f"{detector[0]}-{detector}_*.hdf5"))
        if not files:
            raise DetectorMismatch(f"{folder}: no strain file of {detector}.")
        parts.append(join([read(str(path)) for path in files]))
    if any(
        part.gps_start != parts[0].gps_start or len(part.values) != len(parts[0].values) for part in parts
    ):
        raise StrainHasGap(f"{folder}: the detectors' files do not cover the same time; give equal ones.")
    strain = np.stack([part.values for part in parts])
    return strain, float(parts[0].gps_start), pd.read_csv(Path(folder) / "injections.csv")


def score_stretch(
    network: str,
    stretch: tuple[np.ndarray, float, pd.DataFrame],
    scorer: Scorer,
    point: str | Path,
    recipe: str,
    csv: str | Path,
    triggers: str | Path,
) -> None:
    """One search method on a stretch: writes its row and its triggers.

    Args:
        network: name in the table.
        stretch: from `read_stretch`, in the network's order of detectors.
        scorer: see `scorer_of`.
        point: JSON of the operating point.
        recipe: "corrected" or "faithful".
        csv, triggers: files to write.
    """
    strain, gps_start, injections = stretch
    points = {network: json.loads(Path(point).read_text())}
    results = score_streams([(gps_start, strain)], injections, {network: scorer}, points, recipe)
    streams_to_files(results, csv, [triggers])


def scorer_of(model: str | Path, device: str = "cpu") -> tuple[Scorer, list[str], dict[str, Any]]:
    """A search method from its files: the scorer, its detectors in order, and its scale of the input.

    Args:
        model: weights of a trained network, or the card of the baseline.
        device: "cpu" or "cuda:0".
    """
    card = json.loads(Path(model).with_suffix(".json").read_text())
    if card.get("network") == baseline.NAME:
        return baseline_scorer(card), card["detectors"], {}
    return network_scorer(model, device), card["normalisation"]["detectors"], card["normalisation"]


def streams_to_files(
    results: Sequence[tuple[dict[str, Any], pd.DataFrame]],
    csv: str | Path,
    triggers: Sequence[str | Path] = (),
) -> None:
    """Write what `score_streams` returns: the rows as one table, the triggers of each as parquet."""
    write_csv(pd.DataFrame([row for row, _ in results]), csv)
    for (_, table), path in zip(results, triggers, strict=bool(triggers)):
        write_parquet(table, path)


def _against(
    found: pd.DataFrame, event: np.ndarray, origin: float, tolerance_s: float, recipe: str
) -> pd.DataFrame:
    # In samples after the start, rounded to a thousandth: GPS times in float64 are good to 0.1 microseconds
    # only.
    centre = np.round((found["gps"].to_numpy() - origin) * SAMPLE_RATE, 3)
    target = np.round((event - origin) * SAMPLE_RATE, 3)
    true = match(centre, target, lambda gap: coincident(gap, tolerance_s, recipe))
    offset = np.full(len(centre), np.nan)
    if len(target) and len(centre):
        offset = centre - target[np.abs(centre[:, None] - target).argmin(axis=1)]
    return found.assign(detected=true >= 0, offset_s=offset / SAMPLE_RATE)
