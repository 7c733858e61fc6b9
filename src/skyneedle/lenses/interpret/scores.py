"""Attribution maps against the truth: does a map point at the lensed light of the source?

The truth is a mask in VIS: the pixels in which the noise-free, blurred image of the source is brighter than
one standard deviation of the sky, as in ``labels.image_truth``. Nothing here imports torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from skyneedle.core import metrics, scoreboard, tables
from skyneedle.core.errors import GridMismatch
from skyneedle.core.files import appearing
from skyneedle.core.seeds import generator

MEASURES = ("hit_rate", "iou")
CENTRAL_SIGMA = 1 / 10  # of the central Gaussian, as a share of the side: 2 arcsec
NO_NETWORK = "no network"
TITLE = "Which attribution can be believed"
WORDS = """\
Maps of lenses of the audit set against the pixels in VIS where the noise-free lensed source is brighter than
one standard deviation of the sky. Hit rate: the largest pixel of the map lies there. Intersection over union:
with as many of the largest pixels as the source has. Intervals are 68 %, by redrawing images. A method can be
believed if, in both measures, it beats the brightness of the image and its own maps of the same network with
random weights, each with the lower end of the interval of the difference above 0. The random weights are one
draw, so the intervals do not hold what another draw would change."""
MARGIN_OVER = ("brightness", "random_weights")
SUMMARY_COLUMNS = (
    *("network", "method", "n"),
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    *(f"{measure}_of_random_weights{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    *(
        f"{measure}_over_{other}{end}"
        for other in MARGIN_OVER
        for measure in MEASURES
        for end in ("", "_low", "_high")
    ),
    "likeness_to_random_weights",
    "verdict",
)


# --- one map


def source_mask(source: np.ndarray, sky_sigma: float) -> np.ndarray:
    """Pixels in which the noise-free source exceeds one standard deviation of the sky; boolean."""
    return np.asarray(source) > sky_sigma


def hit(values: np.ndarray, mask: np.ndarray) -> float:
    """Whether the largest value of a map lies in the mask: 1 or 0, or the share of several largest ones.

    Raises:
        GridMismatch: if map and mask differ in shape, or the mask is empty.

    Source: Zhang et al. 2018, IJCV 126, 1084 (pointing game), without its tolerance.
    """
    _check(values, mask)
    return float(mask[values == values.max()].mean())


def overlap(values: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of the mask with as many of the largest pixels of a map as the mask has.

    No threshold is chosen. Of pixels with equal values at the limit an equal share of each counts, so that a
    constant map has what a random one has on average.

    Raises:
        GridMismatch: as of ``hit``.
    """
    _check(values, mask)
    area = int(mask.sum())
    limit = np.partition(values.ravel(), -area)[-area]
    above, at_limit = values > limit, values == limit
    share = (area - above.sum()) / at_limit.sum()
    common = mask[above].sum() + share * mask[at_limit].sum()
    return float(common / (2 * area - common))


def _check(values: np.ndarray, mask: np.ndarray) -> None:
    if values.shape != mask.shape or not mask.any():
        raise GridMismatch(
            f"A map of shape {values.shape} and a mask of shape {mask.shape} with {int(mask.sum())} pixels: "
            "both need the same shape, and the mask a pixel."
        )


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation of two maps; NaN if one is constant.

    Source: Adebayo et al. 2018, NeurIPS, p. 9525.
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(stats.spearmanr(first, second, axis=None).statistic)


def references(vis: np.ndarray, example_id: int, seed: int) -> dict[str, np.ndarray]:
    """Maps that know nothing of a network: noise, a blob in the middle, and the image itself.

    Args:
        vis: as recorded, shape (n, n).
        example_id: on which the noise depends.
        seed: root seed.

    Returns:
        By name, each of shape (n, n).
    """
    n = vis.shape[0]
    along = (np.arange(n) - (n - 1) / 2) / (CENTRAL_SIGMA * n)
    return {
        "random map": generator(seed, int(example_id), "random map").random(vis.shape),
        "central Gaussian": np.exp(-0.5 * (along[:, None] ** 2 + along[None, :] ** 2)),
        "brightness": np.asarray(vis, float),
    }


# --- all of them


def summarise(judged: pd.DataFrame, n_bootstrap: int = 1000) -> pd.DataFrame:
    """Means with intervals for each method of each network, and whether it can be believed.

    Args:
        judged: one row for each map, columns network (``NO_NETWORK`` for references), method, weights
            ("trained", "random", "none"), id, parent_id, hit, iou, likeness (of random weights to trained).
        n_bootstrap: redraws of images, those of one parent together.

    Returns:
        Columns of ``SUMMARY_COLUMNS``: hit rate and mean intersection over union, the same of the method's
        maps on random weights, and margins over these and over brightness, measured on the same images; then
        references. A method can be believed if all four margins have their lower end above zero.
    """
    plain = judged[judged["network"] == NO_NETWORK]
    rows = []
    for (network, method), table in judged.groupby(["network", "method"], sort=False):
        by_weights = {name: part.set_index("id") for name, part in table.groupby("weights")}
        own = by_weights.get("trained", by_weights.get("none"))
        if own is None:
            continue
        others = {"random_weights": by_weights.get("random")}
        if network != NO_NETWORK:
            others["brightness"] = plain[plain["method"] == "brightness"].set_index("id")
        rows.append({"network": network, "method": method, "n": len(own)} | _row(own, others, n_bootstrap))
        rows[-1]["verdict"] = verdict(rows[-1]) if network != NO_NETWORK else "reference"
    summary = pd.DataFrame(rows).reindex(columns=list(SUMMARY_COLUMNS))
    # The references of no network come last.
    return summary.sort_values("verdict", key=lambda v: v == "reference", kind="stable", ignore_index=True)


def _row(own: pd.DataFrame, others: Mapping[str, pd.DataFrame | None], n_bootstrap: int) -> dict[str, float]:
    parents = own["parent_id"].to_numpy()
    row: dict[str, float] = {}
    for measure, column in zip(MEASURES, ("hit", "iou"), strict=True):
        mean = metrics.weighted_share(own[column].to_numpy())
        row |= _ends(measure, metrics.bootstrap(mean, parents, n_bootstrap))
        for name, other in others.items():
            if other is None:
                continue
            theirs = metrics.weighted_share(other.loc[own.index, column].to_numpy())
            margin = metrics.paired_difference(mean, theirs, parents, n_bootstrap)
            row |= _ends(f"{measure}_over_{name}", margin)
            if name == "random_weights":
                row |= _ends(f"{measure}_of_{name}", metrics.bootstrap(theirs, parents, n_bootstrap))
    random = others.get("random_weights")
    row["likeness_to_random_weights"] = float("nan") if random is None else random["likeness"].mean()
    return row


def _ends(name: str, found: Mapping[str, float]) -> dict[str, float]:
    return {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}


def verdict(row: Mapping[str, float]) -> str:
    """In words, whether a method beats brightness and its own maps of a network that has learned nothing."""
    words = {"hit_rate": "hit rate", "iou": "intersection over union"}
    failed = {
        other: [words[m] for m in MEASURES if not row[f"{m}_over_{other}_low"] > 0] for other in MARGIN_OVER
    }
    said = []
    if failed["brightness"]:
        said.append(f"does not beat brightness in {' and '.join(failed['brightness'])}")
    if failed["random_weights"]:
        said.append(f"no better than with random weights in {' and '.join(failed['random_weights'])}")
    return "; ".join(said) or "can be believed"


def judge(
    maps: Mapping[str, np.ndarray], mask: np.ndarray, others: Mapping[str, np.ndarray] | None = None
) -> list[dict[str, float | str]]:
    """Hit, overlap and likeness of the maps of one image.

    Args:
        maps: by method, shape (n, n), larger where the evidence for a lens is.
        mask: of the source, boolean, likewise.
        others: the same methods on trained weights, for the likeness.

    Returns:
        One row a method: method, hit, iou, likeness (NaN without ``others``).
    """
    return [
        {
            "method": name,
            "hit": hit(values, mask),
            "iou": overlap(values, mask),
            "likeness": likeness(values, others[name]) if others is not None else float("nan"),
        }
        for name, values in maps.items()
    ]


# --- the table


def write(
    judged: Sequence[str | Path], csv: str | Path, markdown: str | Path, n_bootstrap: int = 1000
) -> None:
    """Write the summary of the maps of all networks.

    Args:
        judged: parquet tables of single maps, see ``summarise``, one a network; references stand in each.
        csv: all numbers.
        markdown: what one reads.
        n_bootstrap: redraws of images.
    """
    table = pd.concat([pd.read_parquet(path) for path in judged], ignore_index=True)
    table = table.drop_duplicates(["network", "method", "weights", "id"])
    summary = summarise(table, n_bootstrap)
    tables.write_csv(summary, csv)
    text = f"# {TITLE}\n\n{WORDS}\n\n{scoreboard.to_markdown(readable(summary))}"
    with appearing(markdown) as partial:
        partial.write_text(text)


def readable(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with an interval in one cell, the margins that the verdict rests on among them."""
    cells = {"network": summary["network"], "method": summary["method"], "images": summary["n"].astype(str)}
    for measure, words in (("hit_rate", "hit rate"), ("iou", "intersection over union")):
        margins = {
            f"{words} over {other.replace('_', ' ')}": f"{measure}_over_{other}" for other in MARGIN_OVER
        }
        for name, column in ({words: measure} | margins).items():
            cells[name] = [
                "" if np.isnan(value) else f"{value:.3f} ({low:.3f} to {high:.3f})"
                for value, low, high in summary[[column, f"{column}_low", f"{column}_high"]].to_numpy(float)
            ]
    return pd.DataFrame(cells | {"verdict": summary["verdict"]})
