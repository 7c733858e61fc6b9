"""Figures of how networks are judged; each takes tables and writes SVG, PDF and the CSV of what is drawn."""

from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core import plotting
from skyneedle.core.plotting import PALETTE, Table
from skyneedle.lenses.figures import images
from skyneedle.lenses.figures.selection import Provenance, label


@plotting.style()
def fig3(tiles: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """The four known compound lenses in the band that stands for VIS; what is missing says why.

    Args:
        tiles: see ``evaluate.known.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 3 and Table 2.
    """
    table = plotting.read(tiles)
    figure = plotting.new(plotting.PAGE_IN, 2.1)
    drawn = []
    for axes, row in zip(figure.subplots(1, len(table)), table.itertuples(index=False), strict=True):
        plotting.blank(axes)
        limits = {"low": np.nan, "high": np.nan}
        if row.reason:
            plotting.panel_without_data(axes, row.reason)
        else:
            limits = images._log_tile(axes, row)
        said = f"\nlens; {row.scores}" if row.scores else ""
        axes.set_title(f"{row.name} ({row.filter}){said}", fontsize=6, pad=2)
        drawn.append(
            {
                "name": row.name,
                "filter": row.filter,
                "label": row.label,
                "scores": row.scores,
                "reason": row.reason,
            }
            | limits
        )
    return plotting.save(figure, stem, pd.DataFrame(drawn), provenance)


@plotting.style()
def fig6(curves: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """ROC curves on the training and the testing set, with the area and its interval.

    Args:
        curves: see ``evaluate.curves.roc``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 6.
    """
    table = plotting.read(curves)
    words = {"training": "training set", "testing": "testing set", "evaluation": "evaluation set"}
    sets = [name for name in words if name in set(table["set"])]
    methods = list(dict.fromkeys(table["method"]))
    # Below the square panels, a row for their keys: a line for each method, one for chance, and a title.
    panels_in, keys_in = 3.7, 0.15 * (len(methods) + 2)
    figure = plotting.new(plotting.PAGE_IN, panels_in + keys_in)
    panels, keys = figure.subplots(2, len(sets), squeeze=False, height_ratios=(panels_in, keys_in))
    for axes, key, which in zip(panels, keys, sets, strict=True):
        for i, method in enumerate(methods):
            one = table[(table["method"] == method) & (table["set"] == which)]
            if not len(one):
                continue
            area, low, high = one[["auroc", "low", "high"]].iloc[0]
            axes.plot(
                one["false_positive_rate"],
                one["true_positive_rate"],
                color=PALETTE[i % len(PALETTE)],
                linestyle=plotting.LINES[i % len(plotting.LINES)],
                label=f"{label(method)}: {area:.3f} ({low:.3f} to {high:.3f})",
            )
        axes.plot([0, 1], [0, 1], color=plotting.PALE, linewidth=0.7, label="chance: 0.5")
        axes.set(xlabel="false positive rate", title=words[which], xlim=(0, 1), ylim=(0, 1.005))
        axes.set_box_aspect(1)
        key.axis("off")
        key.legend(*axes.get_legend_handles_labels(), loc="center", title="AUROC (68 %)", title_fontsize=6.5)
    panels[0].set_ylabel("true positive rate")
    return plotting.save(figure, stem, table, provenance)


@plotting.style()
def fig9(embedding: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """The plane of OU-T-SNE: lenses, non-lenses and the four groups, and where the testing set falls.

    Args:
        embedding: see ``evaluate.ensemble.write_scores``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 9.
    """
    table = plotting.read(embedding)
    table = table[table["set"].isin(["training", "testing"])]
    columns = ["set", "id", "label", "x", "y", "value", "group"]
    figure = plotting.new(plotting.PAGE_IN, 4.1)
    for axes, which in zip(figure.subplots(1, 2), ("training", "testing"), strict=True):
        one = table[table["set"] == which]
        for truth, word, colour, marker in ((0, "non-lens", PALETTE[3], "x"), (1, "lens", PALETTE[0], "o")):
            here = one[one["label"] == truth]
            axes.scatter(
                here["x"],
                here["y"],
                s=3,
                color=colour,
                marker=marker,
                linewidths=0.4,
                alpha=0.6,
                label=f"{word} ({len(here)})",
                rasterized=len(one) > 2000,
            )
        axes.set(title=f"{which} set", xticks=[], yticks=[])
        axes.set_box_aspect(1)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, markerscale=2)
    training = table[table["set"] == "training"]
    for group, members in training[training["group"] > 0].groupby("group"):
        figure.axes[0].text(
            members["x"].mean(),
            members["y"].mean(),
            str(group),
            ha="center",
            va="center",
            fontsize=9,
            weight="bold",
            bbox={"boxstyle": "circle", "facecolor": "white", "edgecolor": plotting.INK, "linewidth": 0.8},
        )
    return plotting.save(figure, stem, table[columns], provenance)


@plotting.style()
def fig10(tiles: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Images in the middle of each of the four groups of Fig. 9, one row a group.

    Args:
        tiles: see ``evaluate.ensemble.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 10.
    """
    table = plotting.read(tiles)
    figure = plotting.new(plotting.PAGE_IN, 5.2)
    grid = figure.subplots(4, images.COLUMNS, squeeze=False)
    drawn = []
    for line in range(4):
        rows = list(table[table["panel"] == f"group {line + 1}"].itertuples(index=False))
        part = images._fill(grid[line : line + 1], rows, images._log_tile, f"this group has {len(rows)}")
        drawn += [tile | {"row": line} for tile in part]
        grid[line, 0].set_ylabel(f"group {line + 1}", fontsize=7)
    return plotting.save(figure, stem, pd.DataFrame(drawn, columns=images.TILE_COLUMNS), provenance)
