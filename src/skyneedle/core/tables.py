"""Tables and metric files on disk: complete or not there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core.files import appearing
from skyneedle.core.metrics import json_ready


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a tidy table as CSV; NaN and infinities become empty fields."""
    finite = table.replace([float("inf"), float("-inf")], float("nan"))
    with appearing(path) as partial:
        finite.to_csv(partial, index=False, lineterminator="\n")


def write_parquet(table: pd.DataFrame, path: str | Path, attributes: Mapping[str, Any] | None = None) -> None:
    """Write a table as parquet; attributes, anything that JSON can hold, come back as ``table.attrs``."""
    table = table.copy(deep=False)
    table.attrs = dict(attributes or {})
    with appearing(path) as partial:
        table.to_parquet(partial, index=False)


def write_json(content: Mapping[str, Any], path: str | Path) -> None:
    """Write metrics or settings as JSON; what is not finite becomes null."""
    text = json.dumps(json_ready(content), indent=2, allow_nan=False) + "\n"
    with appearing(path) as partial:
        partial.write_text(text)
