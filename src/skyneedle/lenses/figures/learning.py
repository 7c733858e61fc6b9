"""Figures 4 and 5 of wilde2022: how its networks learned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from skyneedle.core import plotting

SPLITS = {"train": "training", "validation": "validation"}


@plotting.style()
def fig4(
    histories: Sequence[str | Path], stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Accuracy on training and validation data in the course of training.

    Args:
        histories: ``<network>/history.csv`` of each network.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 4.
    """
    return _learning(histories, "accuracy", stem, provenance)


@plotting.style()
def fig5(
    histories: Sequence[str | Path], stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Loss on training and validation data in the course of training.

    Args:
        histories: ``<network>/history.csv`` of each network.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 5.
    """
    return _learning(histories, "loss", stem, provenance)


def _learning(
    histories: Sequence[str | Path], quantity: str, stem: str | Path, provenance: Any
) -> list[Path]:
    tables = {Path(path).parent.name: plotting.read(path) for path in _list(histories)}
    n_columns = min(4, len(tables))
    n_rows = -(-len(tables) // n_columns)
    figure = plotting.new(plotting.PAGE_IN, 0.5 + 1.5 * n_rows)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    drawn = []
    for axes, (name, table) in zip(grid.ravel(), tables.items(), strict=False):
        axes.set_title(name)
        drawn += _learning_panel(axes, name, table, quantity)
    for axes in grid.ravel()[len(tables) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(quantity)
    for column in range(n_columns):
        grid[(len(tables) - 1 - column) // n_columns, column].set_xlabel("epoch")
    handles = [
        Line2D([], [], **_curve(index) | {"marker": ""}, label=word)
        for index, word in enumerate(SPLITS.values())
    ]
    handles.append(
        Line2D([], [], color=plotting.INK, marker="o", linestyle="none", markersize=4, label="weights kept")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    columns = ["network", "split", "epoch", quantity, "is_kept"]
    return plotting.save(figure, stem, pd.DataFrame(drawn, columns=columns), provenance)


def _learning_panel(axes: Axes, name: str, table: pd.DataFrame, quantity: str) -> list[dict[str, Any]]:
    if quantity not in table or table.empty:
        plotting.panel_without_data(axes, f"its history has no {quantity}", name)
        return []
    validation = table[table["split"] == "validation"]
    best = int(validation.loc[validation["loss"].idxmin(), "epoch"])
    drawn = []
    for index, split in enumerate(SPLITS):
        here = table[table["split"] == split].dropna(subset=[quantity])
        # One epoch makes no line: a small marker shows it all the same.
        marker = "." if len(here) == 1 else ""
        axes.plot(here["epoch"], here[quantity], **_curve(index) | {"marker": marker})
        kept = here[here["epoch"] == best]
        axes.plot(kept["epoch"], kept[quantity], color=_curve(index)["color"], marker="o", markersize=4)
        drawn += [
            {
                "network": name,
                "split": split,
                "epoch": row.epoch,
                quantity: getattr(row, quantity),
                "is_kept": row.epoch == best,
            }
            for row in here.itertuples()
        ]
    axes.set_xlim(0.5, table["epoch"].max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn


def _curve(index: int) -> dict[str, Any]:
    return {"color": plotting.PALETTE[index], "linestyle": ("--", "-")[index], "linewidth": 1.0}


def _list(paths: Any) -> list[Any]:
    """Snakemake gives one path of a list of one."""
    return [paths] if isinstance(paths, (str, Path)) else list(paths)
