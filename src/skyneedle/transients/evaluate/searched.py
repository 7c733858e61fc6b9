"""Numbers of an architecture search that stand beside what its best network achieves on the testing set."""

import json
from pathlib import Path

import pandas as pd

Number = float | int


def numbers(trials: str | Path, best: str | Path) -> dict[str, Number]:
    """How much was searched, and what the best network is.

    Args:
        trials: CSV of ``search.run``.
        best: JSON of ``search.run``.

    Returns:
        n_trials (trained), n_pruned, n_skipped (too large to be trained), and of the best of them its number
        ``best_trial``, ``best_n_parameters``, ``best_multiply_adds``, ``best_learning_rate``, and
        ``best_loss`` and ``best_auc`` on the validation set, which chose it; ``best_is_published`` is 1 if
        none of the others was better than the published networks.
    """
    told = json.loads(Path(best).read_text())
    row = pd.read_csv(trials).set_index("trial").loc[told["trial"]]
    return {
        "n_trials": told["n_trained"],
        "n_pruned": told["n_pruned"],
        "n_skipped": told["n_skipped"],
        "best_trial": told["trial"],
        "best_n_parameters": int(row["n_parameters"]),
        "best_multiply_adds": int(row["multiply_adds"]),
        "best_learning_rate": float(row["learning_rate"]),
        "best_loss": told["loss"],
        "best_auc": told["auc"],
        "best_is_published": int(told["published"] is not None),
    }
