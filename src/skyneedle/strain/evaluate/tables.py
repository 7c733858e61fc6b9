"""Tables and metric files on disk: complete or not there."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core.metrics import json_ready


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a tidy table as CSV; NaN and infinities become empty fields."""
    finite = table.replace([float("inf"), float("-inf")], float("nan"))
    _replace(path, lambda partial: finite.to_csv(partial, index=False, lineterminator="\n"))


def write_parquet(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as parquet."""
    _replace(path, lambda partial: table.to_parquet(partial, index=False))


def write_json(content: Mapping[str, Any], path: str | Path) -> None:
    """Write metrics or settings as JSON; what is not finite becomes null."""
    text = json.dumps(json_ready(content), indent=2, allow_nan=False) + "\n"
    _replace(path, lambda partial: partial.write_text(text))


def _replace(path: str | Path, write: Callable[[Path], Any]) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
