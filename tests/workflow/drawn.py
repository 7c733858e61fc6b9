"""What must hold for the CSV file of any figure, whatever it shows."""

from pathlib import Path

import numpy as np
import pandas as pd

REASONS = ("note", "reason")  # columns that say why numbers of a row are missing
# Columns that tell rows apart and grow by themselves; they do not vary because something was measured.
FEW = 4  # rows; fewer may be equal by chance where little was measured
PLACES = {"id", "row", "column", "place", "panel", "example", "trial", "fold", "seed", "epoch", "n"}


def complaints(path: Path) -> list[str]:
    """What is wrong with the CSV file of a figure; an empty list if nothing is.

    It has rows, or the figure beside it says that there are no data. No number is infinite. A column without
    a single value has a reason in each row. Ends of intervals come in pairs and in order. Where there are
    more than a few rows with values, some number varies that is none of ``PLACES``, or words in a figure of
    words.

    Args:
        path: of the file; the SVG file of the figure lies beside it.
    """
    try:
        table = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return ["it has no columns"]
    if table.empty:
        says_why = "no data" in path.with_suffix(".svg").read_text()
        return [] if says_why else ["it has no rows, and the figure does not say why"]
    numbers = table.select_dtypes("number")
    found = [f"{name} is infinite" for name in numbers if np.isinf(numbers[name]).any()]
    explained = table.reindex(columns=list(REASONS)).notna().any(axis=1)
    found += [
        f"{name} has no value, and not every row says why"
        for name in table
        if table[name].isna().all() and name not in REASONS and not explained.all()
    ]
    for low in (name for name in numbers if name.split("_")[-1] == "low"):
        high = f"{low[: -len('low')]}high"
        if high in numbers:
            found += _interval(table[low], table[high])
    measured = (table if numbers.empty else numbers)[~explained]
    measured = measured.drop(columns=PLACES.intersection(measured))
    if len(measured) >= FEW and measured.nunique().le(1).all():
        found.append(f"nothing varies from row to row: {', '.join(measured)}")
    return found


def _interval(low: pd.Series, high: pd.Series) -> list[str]:
    found = []
    if (low.isna() != high.isna()).any():
        found.append(f"{low.name} and {high.name} are not missing together")
    if (low > high).any():
        found.append(f"{low.name} is above {high.name}")
    return found
