"""Networks held against each other: one number for each claim of the paper that compares two things."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.core.errors import OneClassOnly
from skyneedle.core.store import DataSet
from skyneedle.core.tables import write_csv, write_json
from skyneedle.strain import preprocess
from skyneedle.strain.evaluate import baseline, classifier, postprocess, score, streams

POSITIONS_S = tuple(np.arange(0.05, 1.0, 0.1).round(2))
MOST_EXAMPLES = 120  # for the response over positions: 10 windows each


def classifier_tables(
    models: Sequence[str | Path],
    shares: Sequence[float],
    main: str | Path,
    testing: Sequence[str | Path],
    stretch: tuple[np.ndarray, float, pd.DataFrame],
    trained_s: Sequence[float],
    recipe: str,
    device: str = "cpu",
) -> dict[str, pd.DataFrame]:
    """The three arguments of Sec. III against a classifier, measured.

    Args:
        models: weights of classifiers that differ in the share of positives in training.
        shares: those shares.
        main: weights of the fully convolutional network.
        testing: shards of the testing set.
        stretch: a continuous stretch of H1 and L1, see ``streams.read_stretch``.
        trained_s: range of places of the merger in the training windows, in s.
        recipe: "corrected" or "faithful".
        device: "cpu" or "cuda:0".

    Returns:
        Tables share (Sec. III A), counting (III C) and position (III D) of ``evaluate.classifier``.

    Raises:
        OneClassOnly: if the testing set has no signal whose windows fit.
    """
    from skyneedle.core import inference  # torch is paid for here alone

    data = DataSet(testing)
    loaded = [inference.load(path) for path in models]
    prepared = [(inference.prepare(network, device), card["normalisation"]) for network, card in loaded]
    length = int(prepared[0][0].receptive_field)
    pieces, labels, parents = _pieces(data, length, float(np.mean(trained_s)))
    runs = [
        (
            share,
            postprocess.probability(inference.apply(network, pieces, scale, batch_size=256)[:, 0]),
            labels,
        )
        for share, (network, scale) in zip(shares, prepared, strict=True)
    ]
    middle = len(models) // 2
    strain, gps_start, injections = stretch
    series = streams.apply_to_stream(
        streams.network_scorer(models[middle], device), preprocess.stream(strain, recipe), gps_start
    )
    first = series.gps_start - series.grid.offset / preprocess.SAMPLE_RATE
    start_s = first + np.arange(len(series.logits)) / series.grid.rate
    return {
        "share": classifier.output_against_share(runs, groups=parents),
        "counting": classifier.windows_and_counting(
            postprocess.probability(series.logits),
            start_s - first,
            injections["gps_h1"].to_numpy() - first,
            trained_position_s=float(np.mean(trained_s)),
        ),
        "position": _responses(data, prepared[middle], inference.load(main), device),
    }


def _pieces(data: DataSet, length: int, position_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of a test set, with the merger where training had it, or without: windows, labels, parents."""
    channels = baseline.channels_of(data, ("H1", "L1"))
    events, parents = (data.table[name].to_numpy() for name in ("event_index", "parent"))
    windows, labels, groups = [], [], []
    for rows, block in data.blocks("strain", 64):
        for strain, event, parent in zip(block[:, channels], events[rows], parents[rows], strict=True):
            if event >= 0:
                starts = [int(event - position_s * preprocess.SAMPLE_RATE)]
            else:
                starts = list(range(0, strain.shape[-1] - length + 1, 2 * length))
            for start in starts:
                if 0 <= start <= strain.shape[-1] - length:
                    windows.append(strain[:, start : start + length])
                    labels.append(event >= 0)
                    groups.append(parent)
    return np.stack(windows), np.array(labels, dtype=int), np.array(groups)


def _responses(
    data: DataSet, small: tuple[Any, Mapping[str, Any]], main: tuple[Any, Mapping[str, Any]], device: str
) -> pd.DataFrame:
    """Response of classifier and fully convolutional network to the same signals at several places."""
    from skyneedle.core import inference

    second = preprocess.SAMPLE_RATE
    events = data.table["event_index"].to_numpy()
    # The longer pieces of the fully convolutional network have to fit on both sides.
    fits = (events >= preprocess.OUTPUT_OFFSET + second) & (events < data.shape("strain")[-1] - 2 * second)
    rows = np.flatnonzero(fits)[:MOST_EXAMPLES]
    if not len(rows):
        raise OneClassOnly(f"{data.shards[0].parent}: no signal whose windows fit; raise n_examples.")
    strain, event = data.read("strain", rows)[:, baseline.channels_of(data, ("H1", "L1"))], events[rows]
    responses = {}
    length = second + preprocess.RECEPTIVE_FIELD - 1  # one second of outputs
    fcn = (inference.prepare(main[0], device), main[1]["normalisation"])
    plans = {"classifier": (small, second, 0), "fcn": (fcn, length, preprocess.OUTPUT_OFFSET)}
    for name, ((network, scale), n, offset) in plans.items():
        columns = []
        for position in POSITIONS_S:
            windows = classifier.windows_at_positions(strain, event - offset, np.array([position]), n)[:, 0]
            logits = inference.apply(network, windows, scale, batch_size=32)
            columns.append(postprocess.probability(logits).max(axis=-1))
        responses[name] = np.stack(columns, axis=1)
    return classifier.response_by_position(responses, np.array(POSITIONS_S))


def write_comparisons(
    triggers: Mapping[str, str | Path],
    testing: Sequence[str | Path],
    tables: Mapping[str, str | Path],
    compare: Mapping[str, Sequence[str]],
    networks: Sequence[Mapping[str, Any]],
    main: str,
    trained_s: Sequence[float],
    differences: str | Path,
    speed: str | Path,
    seed: int,
) -> None:
    """Write the metric files ``differences.json`` and ``speed.json``.

    Args:
        triggers: trigger table of each network on the testing set.
        testing: shards of that set.
        tables: share, counting and position of ``classifier_tables``.
        compare: which networks are held against each other, see the configuration.
        networks: settings of all trained networks.
        main: the network that stands for the paper's.
        trained_s: range of places of the merger in the classifier's training, in s.
        differences, speed: files to write.
        seed: of the bootstrap.
    """
    data = DataSet(testing)
    pairs = {
        "curriculum_minus_plain": compare["curriculum"],
        "width_64_minus_8": _widths(compare["width"], networks),
        "main_minus_excess_power": (main, "excess_power"),
    }
    found: dict[str, Any] = {}
    for key, (one, other) in pairs.items():
        frames = [pd.read_parquet(triggers[name]) for name in (one, other)]
        definition = f"detection ratio of {one} minus that of {other} on the same injections"
        found[key] = score.margin(frames[0], frames[1], data, seed) | {"definition": definition}
    share, counting, position = (pd.read_csv(tables[name]) for name in ("share", "counting", "position"))
    position = position[position["network"] == "classifier"]
    found |= classifier.differences(share, counting, position, (trained_s[0], trained_s[1]))
    write_json(found, differences)
    write_json(operations(next(item for item in networks if item["name"] == main)), speed)


def _widths(names: Sequence[str], networks: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The networks of 64 and of 8 channels, or else the widest and the narrowest."""
    channels = {
        item["name"]: item["options"].get("channels", 0) for item in networks if item["name"] in names
    }
    wide = next(
        (name for name, n in channels.items() if n == 64), max(channels, key=lambda name: channels[name])
    )
    return wide, min(channels, key=lambda name: channels[name])


def operations(network: Mapping[str, Any]) -> dict[str, Any]:
    """Multiplications of the fully convolutional network, counted: they depend on no machine.

    Args:
        network: source and options of the network.

    Returns:
        Metric entries detectors_3_over_1 and sliding_window_over_fcn (Gebhard et al. 2019, Sec. V A).
    """
    options = {key: network["options"][key] for key in ("channels", "n_blocks") if key in network["options"]}
    if network["source"] != "fcn":
        reason = "the main network is not the fully convolutional one"
        empty = {"value": None, "low": None, "high": None, "n": 0, "definition": "", "reason": reason}
        return {"detectors_3_over_1": empty, "sliding_window_over_fcn": empty}
    n = preprocess.N_CROP
    three, one = (_products(n, detectors=detectors, **options) for detectors in (3, 1))
    window = _products(preprocess.RECEPTIVE_FIELD, detectors=2, **options)
    each = _products(n, detectors=2, **options) / preprocess.n_outputs(n)
    exact = {
        "detectors_3_over_1": (three / one, "multiplications for 8 s of three detectors over one"),
        "sliding_window_over_fcn": (
            window / each,
            "multiplications an output: one receptive field at a time over a whole crop at once",
        ),
    }
    return {
        key: metrics.interval(value, value, value, 1) | {"definition": definition}
        for key, (value, definition) in exact.items()
    }


def _products(n_inputs: int, detectors: int, channels: int = 512, n_blocks: int = 12) -> float:
    total, length = float(detectors * channels * n_inputs), n_inputs
    for block in range(n_blocks):
        length -= 2**block
        total += 2.0 * channels * channels * length
    return total + channels * length


def write_tables(tables: Mapping[str, pd.DataFrame], files: Mapping[str, str | Path]) -> None:
    """Write tables by name."""
    for name, path in files.items():
        write_csv(tables[name], path)
