"""What reviewers are shown: the suspects, and among them controls that nobody suspects.

Controls are drawn at random with a known chance, so that they tell how many wrong labels are left among what
was not suspected; and as reviewers cannot tell them from suspects, who marks everything as wrong shows.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core import seeds, tables
from skyneedle.core.errors import BadLabels, BadSetting

SUSPECT, CONTROL = "suspect", "control"
COLUMNS = ("id", "role", "probability", "label")
SHARE = 0.15
MOST_SHARE = 0.5


def write(
    out: str | Path, suspects: Sequence[str | Path], given: str | Path, *, share: float = SHARE, seed: int
) -> None:
    """Write the deck of one or several lists of suspects; see ``build``.

    Args:
        out: parquet to write.
        suspects: parquets with the column id.
        given: parquet with id and label: given labels of all examples that may be controls.
        share: of controls in the deck.
        seed: of the draw.
    """
    ids = pd.concat([pd.read_parquet(path, columns=["id"]) for path in suspects])["id"].unique()
    tables.write_parquet(build(ids, pd.read_parquet(given), share=share, seed=seed), out)


def build(
    suspects: Sequence[int] | np.ndarray, given: pd.DataFrame, *, share: float, seed: int
) -> pd.DataFrame:
    """Suspects and controls.

    Args:
        suspects: ids, each once.
        given: columns id and label, of all examples.
        share: of controls in the deck, 0 to 0.5; fewer where there are not so many others.
        seed: of the draw.

    Returns:
        Columns id, role (``suspect`` or ``control``), probability (the chance with which an example of its
        role was drawn) and label (as given), by id.

    Raises:
        BadSetting: if the share cannot be.
        BadLabels: if a suspect has no label, or ids stand twice.
    """
    if not 0 <= share <= MOST_SHARE:
        raise BadSetting(f"The share of controls is {share}; expected 0 to {MOST_SHARE}.")
    if given["id"].duplicated().any() or len(np.unique(suspects)) != len(suspects):
        raise BadLabels("Ids stand twice among the suspects or the given labels; each example is shown once.")
    is_suspect = given["id"].isin(suspects).to_numpy()
    if is_suspect.sum() != len(suspects):
        raise BadLabels(
            f"{len(suspects) - int(is_suspect.sum())} of {len(suspects)} suspects are not among the examples "
            "with a label; give the data that the suspects come from."
        )
    others = np.sort(given.loc[~is_suspect, "id"].to_numpy(np.int64))
    n_controls = min(round(len(suspects) * share / (1 - share)), len(others))
    controls = seeds.generator(seed, "controls").choice(others, n_controls, replace=False)
    chosen = np.isin(given["id"].to_numpy(), controls)
    table = given.loc[is_suspect | chosen, ["id", "label"]].astype({"id": np.int64, "label": np.int8})
    table["role"] = np.where(table["id"].isin(controls), CONTROL, SUSPECT)
    chance = n_controls / len(others) if len(others) else 0.0
    table["probability"] = np.where(table["role"] == CONTROL, chance, 1.0)
    return table[list(COLUMNS)].sort_values("id", ignore_index=True)


def order(ids: Sequence[int] | np.ndarray, reviewer: str, seed: int) -> np.ndarray:
    """The ids of a deck in a random order of the reviewer's own, the same each time."""
    return seeds.generator(seed, "order", reviewer).permutation(np.sort(np.asarray(ids, np.int64)))
