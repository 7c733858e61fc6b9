"""Every figure of akhazhanov2018 by its name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skyneedle.transfer.figures import architectures, leaks, results

FIGURES: dict[str, Callable[..., list[Path]]] = {
    "fig3-1_deeplens": architectures.fig3_1,
    "fig4-1_network": architectures.fig4_1,
    "fig4-2_vgg16": architectures.fig4_2,
    "fig4-3_inception": architectures.fig4_3,
    "fig4-4_residual_block": architectures.fig4_4,
    "fig4-5_nasnet": architectures.fig4_5,
    "extra_cross_validation": results.extra_cross_validation,
    "extra_grades": results.extra_grades,
    "extra_leak": leaks.extra_leak,
    "extra_provenance": leaks.extra_provenance,
    "extra_roc": results.extra_roc,
}


def draw(name: str, files: Mapping[str, Any], stem: str | Path, provenance: Mapping[str, Any]) -> None:
    """Draw one figure.

    Args:
        name: a key of ``FIGURES``.
        files: its tables by name, and what no table holds.
        stem: of the files to write.
        provenance: for their metadata.
    """
    FIGURES[name](**files, stem=stem, provenance=provenance)
