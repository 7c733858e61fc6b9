"""Scores of made-up methods, in the forms in which trainings write them."""

import numpy as np
import pandas as pd

from skyneedle.core.metrics import probability

N_FOLDS = 7


def entry(name, source=None, **more):
    """Settings of one network, filled in as the rules do it."""
    settings = {"weights": "galaxies", "stem": "fixed", "mode": "frozen", "folds": N_FOLDS}
    return {"name": name, "source": source or name, "options": {}, "training": {}} | settings | more


ENTRIES = [
    entry("xception"),
    entry("inception"),
    entry("resnet"),
    entry("nasnet", weights="random"),
    entry("resnet_random", "resnet", weights="random"),
    entry("resnet_full", "resnet", mode="full", folds=1, training={"max_examples": 200}),
    entry("resnet_scratch", "resnet", weights="random", mode="scratch", folds=1),
    entry("lensflow", weights="random"),
    {"name": "gmm", "source": "gmm"},
    {"name": "kpca_trees", "source": "kpca_trees"},
]
STRENGTH = {"xception": 2.4, "inception": 2.0, "resnet": 1.6, "lensflow": 2.8, "kpca_trees": 1.0, "gmm": 0.5}


def out_of_fold(strength=1.5, n_parents=84, seed=0, folds=N_FOLDS):
    """Out-of-fold scores of pairs of stamps with one parent each."""
    rng = np.random.default_rng(seed)
    parents = np.repeat(np.arange(n_parents), 2)
    label = np.where(np.arange(len(parents)) % 4 < 2, parents % 2, np.arange(len(parents)) % 2)
    logit = strength * (label - 0.5) + rng.normal(size=len(label))
    table = pd.DataFrame(
        {"id": np.arange(len(label)), "label": label, "parent_id": parents, "fold": parents % N_FOLDS}
    )
    table = table.assign(kind="made", score=probability(logit), logit=logit)
    return table[table["fold"] < folds].reset_index(drop=True)


def others(strength=1.5, seed=0, n=12, real=True):
    """Scores of the sets that are in no fold, by the networks of all folds."""
    rng = np.random.default_rng(seed)
    rows = []
    sets = {
        "hard": (0.5, n),
        "grade_a": (1.6, n),
        "grade_b": (0.5, n),
        "grade_c": (0.2, n),
        "real": (0.3, 15),
    }
    for start, (name, (pull, size)) in enumerate(sets.items()):
        if name == "real" and not real:
            continue
        label = np.arange(size) % 3 == 0 if name == "real" else np.arange(size) % 2
        label = np.ones(size) if name.startswith("grade") else np.asarray(label, float)
        of_stamp = strength * pull * (2 * label - 1) + rng.normal(size=size)
        for fold in range(N_FOLDS):
            logit = of_stamp + 0.3 * rng.normal(size=size)
            rows.append(
                pd.DataFrame(
                    {"set": name, "id": 1000 * start + np.arange(size), "label": label, "fold": fold}
                    | {"parent_id": 1000 * start + np.arange(size) // (2 if name == "hard" else 1)}
                    | {"name": [f"object {k}" for k in range(size)] if name == "real" else ""}
                    | {"kind": np.where(label == 1, "lens", "galaxy")}
                    | {"score": probability(logit), "logit": logit}
                )
            )
    return pd.concat(rows, ignore_index=True)


def leak(n_parents=56, copies=4, memory=2.5, signal=0.8, seed=0):
    """Copies of objects under both protocols: what is remembered of one helps where copies are divided."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n_parents) % 2)
    rows = []
    for labels in ("true", "shuffled"):
        label = truth if labels == "true" else rng.permutation(truth)
        pull = signal * (2 * truth - 1) + rng.normal(size=n_parents)
        for protocol in ("thesis", "grouped"):
            remembered = memory * (2 * label - 1) if protocol == "thesis" else 0
            parents = np.repeat(np.arange(n_parents), copies)
            logit = (pull + remembered)[parents] + 0.5 * rng.normal(size=n_parents * copies)
            fold = rng.permutation(len(parents)) % N_FOLDS if protocol == "thesis" else parents // 2 % N_FOLDS
            rows.append(
                pd.DataFrame(
                    {"protocol": protocol, "labels": labels, "id": parents, "parent_id": parents}
                    | {"copy": np.tile(np.arange(copies), n_parents), "label": label[parents], "fold": fold}
                    | {"score": probability(logit), "logit": logit}
                )
            )
    return pd.concat(rows, ignore_index=True)


def provenance(n=56, seed=0):
    """Two sources that differ: a network that was trained on their mixture has learned the difference."""
    rng = np.random.default_rng(seed)
    pulls = {
        "source": (0, 3),
        "mixed_apparent": (0.4, 2.5),
        "mixed_first": (0.4, 0),
        "mixed_second": (0.4, 0),
    }
    rows = []
    for case, (signal, difference) in (pulls | {"within_first": (1.2, 0), "within_second": (0.8, 0)}).items():
        ids = np.arange(n) + (500 if case.endswith("second") else 0)
        label = np.arange(n) // 7 % 2
        logit = (signal + difference) * (label - 0.5) + rng.normal(size=n)
        table = pd.DataFrame(
            {"case": case, "id": ids, "parent_id": ids, "label": label, "fold": ids % N_FOLDS}
        )
        rows.append(table.assign(score=probability(logit), logit=logit))
    return pd.concat(rows, ignore_index=True)
