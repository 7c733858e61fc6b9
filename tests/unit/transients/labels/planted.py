"""A small survey with planted label errors, and scores of a good network on it."""

import numpy as np
import pandas as pd

REAL = ("supernova", "moving", "variable")
ARTIFACTS = ("dipole", "ring", "cosmic_ray", "saturated", "bad_column", "trail", "edge", "hot_pixel")


def truth(n=4000, seed=0):
    """As the simulator writes it: half artifacts, about 1.2 % and 0.4 % of the labels wrong."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(n) % 2
    kind = np.where(label == 1, rng.choice(ARTIFACTS, n), rng.choice(REAL, n))
    error = np.full(n, "", dtype=object)
    error[(label == 1) & (rng.random(n) < 0.04) & np.isin(kind, ("saturated", "bad_column"))] = (
        "fake_on_defect"
    )
    error[(label == 0) & (rng.random(n) < 0.01)] = "real_among_artifacts"
    given = np.where(error != "", 1 - label, label)
    return pd.DataFrame(
        {
            "id": 7_000_000_000 + rng.permutation(n),
            "label_true": label,
            "label_given": given,
            "kind": kind,
            "error": error,
            "snr": rng.uniform(5, 40, n),
            "host_id": np.where(rng.random(n) < 0.06, -1, np.arange(n) // 3),
        }
    )


def scores(known, remembered=0.0, seed=1):
    """Scores that follow the truth, but for a share whose given label was learned by heart."""
    rng = np.random.default_rng(seed)
    follows = np.where(rng.random(len(known)) < remembered, known["label_given"], known["label_true"])
    logit = (2 * follows - 1) * rng.gamma(6, 1, len(known))
    score = 1 / (1 + np.exp(-logit))
    return pd.DataFrame({"id": known["id"], "label": known["label_given"], "score": score, "logit": logit})
