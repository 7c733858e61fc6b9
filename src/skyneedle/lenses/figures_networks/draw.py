"""Every figure of the networks of wilde2022 by its name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skyneedle.lenses.figures_networks import architectures, dreams, learning

FIGURES: dict[str, Callable[..., list[Path]]] = {
    "fig4_accuracy": learning.fig4,
    "fig5_loss": learning.fig5,
    "fig7_ou66": architectures.fig7,
    "fig8_ou200": architectures.fig8,
    "fig14_kernels_ou66": dreams.fig14,
    "fig15_kernels_ou200": dreams.fig15,
    "fig16_dreams": dreams.fig16,
}


def draw(name: str, files: Mapping[str, Any], stem: str | Path, provenance: Mapping[str, Any]) -> None:
    """Draw one figure.

    Args:
        name: a key of ``FIGURES``.
        files: its tables by name.
        stem: of the files to write.
        provenance: for their metadata.
    """
    FIGURES[name](**files, stem=stem, provenance=provenance)
