"""Figures 7 and 8 of wilde2022: how its networks are built, drawn from the modules."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skyneedle.core import architecture
from skyneedle.core.plotting import Table


def fig7(layers: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """The architecture of OU-66.

    Args:
        layers: see ``architecture.layers``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 7.
    """
    return architecture.draw(layers, stem, provenance)


def fig8(layers: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """The architecture of OU-200.

    Args:
        layers: see ``architecture.layers``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 8.
    """
    return architecture.draw(layers, stem, provenance)
