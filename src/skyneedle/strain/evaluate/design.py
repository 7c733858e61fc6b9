"""What this run really did, for the scoreboard's rows on data, network and settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.core.store import DataSet
from skyneedle.core.tables import write_json
from skyneedle.strain import preprocess
from skyneedle.strain.evaluate.match import TOLERANCE_S
from skyneedle.strain.evaluate.postprocess import DEFAULT_THRESHOLD, DEFAULT_WINDOW

SNR_BINS = 30  # of Fig. 4


def write_design(
    sets: Mapping[str, Sequence[str | Path]],
    receptive_field: str | Path,
    network: Mapping[str, Any],
    simulate: Mapping[str, Any],
    interpret: Mapping[str, Any],
    path: str | Path,
) -> None:
    """Write ``design.json``: sizes are counted in the data, the receptive field is that measured.

    Args:
        sets: shards of training, validation and testing.
        receptive_field: table of the measured receptive fields: layer, receptive_field.
        network: settings of the main network.
        simulate: settings of the simulation.
        interpret: settings of the preimages.
        path: file to write.
    """
    data = {name: DataSet(files) for name, files in sets.items()}
    tables = {name: one.table for name, one in data.items()}
    positives = sum(int((table["label"] == 1).sum()) for table in tables.values())
    total = sum(len(table) for table in tables.values())
    fields = pd.read_csv(receptive_field).set_index("layer")["receptive_field"]
    testing = tables["testing"]
    values: dict[str, tuple[float | None, str]] = {
        **{
            key: (len(tables[name]), f"examples of the {name} set, counted")
            for key, name in (("n_train", "training"), ("n_validation", "validation"), ("n_test", "testing"))
        },
        "n_shared_examples": (
            _shared(list(tables.values())),
            "16-s windows of two sets that overlap, counted",
        ),
        "positives_over_negatives": (positives / (total - positives), "over all three sets, counted"),
        "examples_per_snr_bin": (
            int((testing["label"] == 1).sum()) / SNR_BINS,
            f"mean over {SNR_BINS} bins of the testing set",
        ),
        "sample_rate_hz": (data["testing"].attributes["sample_rate"], "of the data set"),
        "highpass_hz": (preprocess.HIGHPASS_HZ, "of the conditioning"),
        "example_length_s": (
            data["testing"].shape("strain")[-1] / preprocess.SAMPLE_RATE,
            "of the examples on disk",
        ),
        "mass_low": (simulate["mass_range_msun"][0], "setting"),
        "mass_high": (simulate["mass_range_msun"][1], "setting"),
        "spin_high": (simulate["spin_range"][1], "setting"),
        "snr_low": (simulate["snr_range"][0], "setting"),
        "snr_high": (simulate["snr_range"][1], "setting"),
        "blocks": (len(fields) - 1, "convolutional blocks found in the network"),
        "channels": (network["options"].get("channels"), "setting of the main network"),
        "receptive_field_s": (fields.max() / preprocess.SAMPLE_RATE, "measured by gradients"),
        # The paper's figure counts the input as the first layer.
        "receptive_field_layer4": (fields.get(3), "measured by gradients; the input is layer 1"),
        "learning_rate": (network["training"]["learning_rate"], "setting of the main network"),
        "n_epochs": (network["training"]["epochs"], "setting of the main network"),
        "smoothing_window": (DEFAULT_WINDOW, "default of the evaluation"),
        "threshold": (DEFAULT_THRESHOLD, "default of the evaluation"),
        "label_width_s": (network["targets"].get("label_width_s", 0.2), "setting of the main network"),
        "tolerance_s": (TOLERANCE_S, "default of the evaluation"),
        "preimage_length_s": (3.0, "setting"),
        "preimage_target_length_s": (2049 / preprocess.SAMPLE_RATE, "setting"),
        "preimage_target_width_s": (205 / preprocess.SAMPLE_RATE, "setting"),
        "preimage_steps": (interpret["steps"], "setting"),
        "preimage_learning_rate": (0.3, "setting"),
    }
    missing = {"reason": "the main network has no such setting"}
    write_json(
        {
            key: metrics.interval(value, value, value, 1)
            | {"definition": definition}
            | ({} if value is not None else missing)
            for key, (value, definition) in values.items()
        },
        path,
    )


def _shared(tables: Sequence[pd.DataFrame]) -> int:
    """Pairs of neighbouring windows from different sets that share strain."""
    starts = np.concatenate([table["window_gps"].to_numpy() for table in tables])
    owner = np.concatenate([np.full(len(table), index) for index, table in enumerate(tables)])
    order = np.argsort(starts, kind="stable")
    close = np.diff(starts[order]) < preprocess.WINDOW_S
    return int((close & (np.diff(owner[order]) != 0)).sum())
