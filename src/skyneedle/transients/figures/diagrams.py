"""The structure of a network, and confusion matrices: what the cells are, and what stands in them."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from skyneedle.core import architecture, plotting
from skyneedle.core.plotting import Table
from skyneedle.transients.evaluate import rates
from skyneedle.transients.figures.words import Provenance

CLASSES = ("non-artifact", "artifact")  # by label
SYMBOLS = {
    "true_positives": "$T_p$",
    "false_positives": "$F_p$",
    "false_negatives": "$F_n$",
    "true_negatives": "$T_n$",
}
RATES = (  # Eq. 1
    r"$\mathrm{MDR} = F_n / (T_p + F_n)$",
    r"$\mathrm{FPR} = F_p / (F_p + T_n)$",
    r"$\mathrm{TPR} = T_p / (T_p + F_n)$",
)


def fig1(layers: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """The structure of a convolutional network, drawn from Model 1 as it is.

    Args:
        layers: see ``architecture.layers``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 1 and Table 4.
    """
    return architecture.draw(layers, stem, provenance, with_parameters=True)


def cells() -> pd.DataFrame:
    """Which cell a candidate falls in, asked of ``rates.confusion``; columns predicted, true, cell."""
    rows = []
    for predicted in (0, 1):
        for true in (0, 1):
            counts = rates.confusion(np.array([true]), np.array([float(predicted)]))._asdict()
            cell = next(name for name, n in counts.items() if n)
            rows.append({"predicted": CLASSES[predicted], "true": CLASSES[true], "cell": cell})
    return pd.DataFrame(rows)


@plotting.style()
def fig3(stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """What the cells of a confusion matrix are called, and the rates made of them.

    Args:
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 3 and Eq. 1.
    """
    drawn = cells()
    figure = plotting.new(plotting.COLUMN_IN, 2.5)
    axes = figure.subplots()
    words = [
        f"{SYMBOLS[cell]}\n{cell.removesuffix('s').replace('_', ' ')}\n{rate}"
        for cell, rate in zip(drawn["cell"], _rates_of(drawn), strict=True)
    ]
    right = drawn["cell"].isin(["true_positives", "true_negatives"])
    _matrix(axes, drawn, words, np.where(right, 0.85, 0.1))
    axes.set_xlabel("   ".join(RATES), fontsize=6, labelpad=8)
    return plotting.save(figure, stem, drawn.assign(rate=_rates_of(drawn)), provenance)


def _rates_of(drawn: pd.DataFrame) -> list[str]:
    """The rate that counts a cell, as a share of its column."""
    names = {"true_positives": "TPR", "false_positives": "FPR", "false_negatives": "MDR"}
    return [names.get(cell, "1 - FPR") for cell in drawn["cell"]]


@plotting.style()
def fig11(confusion: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """The confusion matrix of Model 1: shares of the true class with their intervals, and counts.

    A missed detection is a non-artifact called an artifact, in share and count alike; the paper prints the
    two counts off the diagonal in each other's place.

    Args:
        confusion: see ``rates.confusion_table``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 11.
    """
    columns = ["predicted", "true", "cell", "n", "share", "low", "high"]
    table = plotting.read(confusion)[columns]
    figure = plotting.new(plotting.COLUMN_IN, 2.3)
    axes = figure.subplots()
    if table["share"].isna().any():
        plotting.panel_without_data(axes, "the testing set has one class only")
        return plotting.save(figure, stem, table[:0], provenance)
    words = [
        f"{100 * row.share:.2f} %\n({100 * row.low:.2f} to {100 * row.high:.2f})\n{row.n:,}"
        for row in table.itertuples()
    ]
    _matrix(axes, table, words, table["share"].to_numpy())
    return plotting.save(figure, stem, table, provenance)


def _matrix(axes: Axes, cells: pd.DataFrame, words: list[str], shade: np.ndarray) -> None:
    """Rows are what was predicted, columns what is true; the shade runs from 0 to 1."""
    across = [CLASSES.index(name) for name in cells["true"]]
    down = [CLASSES.index(name) for name in cells["predicted"]]
    image = np.full((2, 2), np.nan)
    image[down, across] = shade
    axes.imshow(image, cmap="Blues", vmin=0, vmax=1.6, aspect=0.62)
    for x, y, text in zip(across, down, words, strict=True):
        axes.text(x, y, text, ha="center", va="center", fontsize=7.5)
    names = [f"{name} (={label})" for label, name in enumerate(CLASSES)]
    axes.set_xticks([0, 1], names)
    axes.set_yticks([0, 1], names, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.set_title("true label", fontsize=8)
    axes.set_ylabel("predicted label")
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for edge in (axes.axvline, axes.axhline):
        edge(0.5, color="white", linewidth=2)
