"""What this run really did, for the scoreboard's rows on data, splits, search and observers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import tables
from skyneedle.core.store import DataSet
from skyneedle.transients import networks, search
from skyneedle.transients.evaluate import survey
from skyneedle.transients.simulate import settings
from skyneedle.transients.truth import read_truth

INJECTED = "supernova"  # the kind of non-artifacts that the paper's survey has alone


def write(
    out: str | Path,
    shards: Sequence[str | Path],
    truth: Sequence[str | Path],
    splits: Mapping[str, str | Path],
    *,
    sources: Sequence[str],
    ongoing: Mapping[str, Any],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write what is counted in data and splits, or read off the code and the configuration.

    Args:
        out: JSON to write: n_samples, n_channels, stamp_pixels, share_injected_non_artifacts, n_networks,
            search_kernel_low, search_kernel_high, search_width_low, search_width_high, n_observers,
            least_margin, real_bogus_threshold, and ``<split>_share_<set>``; each with value and definition.
        shards: of the first survey.
        truth: of the simulator, for the same survey; none for real data.
        splits: parquet with id and split, by the name of the split.
        sources: of the configured networks.
        ongoing: what the configuration changes about the ongoing survey.
        provenance: stored in the file.

    Source: Ayyar et al. 2022, Secs. 3.1, 4.1, 4.2, 4.5 and 4.6.
    """
    data = DataSet(shards)
    found: dict[str, tuple[float, str]] = {
        "n_samples": (data.table["id"].nunique(), "candidates, counted"),
        "n_channels": (data.shape("stamps")[1], "images of a candidate on disk"),
        "stamp_pixels": (data.shape("stamps")[2], "pixels along a side of the images on disk"),
        "n_networks": (len(set(sources) & set(networks.NAMES)), "published networks in the configuration"),
        "search_kernel_low": (search.KERNELS[0], "least side of kernels in the search, in pixels"),
        "search_kernel_high": (search.KERNELS[1], "largest side of kernels in the search, in pixels"),
        "search_width_low": (search.WIDTHS[0], "least number of kernels of a layer in the search"),
        "search_width_high": (search.WIDTHS[1], "largest number of kernels of a layer in the search"),
        "n_observers": (settings.profile("ongoing", ongoing).votes["observers"], "simulated observers"),
        "least_margin": (survey.LEAST_MARGIN, "votes of the majority minus those of the minority, setting"),
        "real_bogus_threshold": (survey.REAL_BOGUS, "setting; the score here is one minus P(artifact)"),
    }
    for name, path in splits.items():
        reached = pd.read_parquet(path, columns=["split"])["split"].value_counts(normalize=True)
        found |= {f"{name}_share_{part}": (share, "counted") for part, share in reached.sort_index().items()}
    content: dict[str, Any] = {
        key: {"value": value, "definition": words} for key, (value, words) in found.items()
    }
    content["share_injected_non_artifacts"] = _share_injected(truth)
    tables.write_json(content | {"provenance": dict(provenance or {})}, out)


def _share_injected(truth: Sequence[str | Path]) -> dict[str, Any]:
    words = "of the candidates that truly are no artifacts, those that are simulated supernovae"
    if not truth:
        return {"value": None, "reason": "no truth: the labels are real", "definition": words}
    known = read_truth(truth)
    value = float((known.loc[known["label_true"] == 0, "kind"] == INJECTED).mean())
    return {"value": value, "definition": words}
