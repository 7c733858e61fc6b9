"""Tables of a made-up survey, by the functions that make the real ones."""

import numpy as np
import pandas as pd

from skyneedle.transients.evaluate import categories, comparison, noise, rates, strata, survey
from skyneedle.transients.evaluate.scored import Scored
from skyneedle.transients.labels import score

METHODS = {"cnn1": 1.0, "cnn2": 0.95, "cnn3": 0.9, "cnn4": 1.0, "forest": 0.75, "peak_snr": 0.02}
ARTIFACTS = ("dipole", "psf_mismatch", "cosmic_ray", "saturated", "bad_column", "trail", "edge", "noise_peak")
REALS = ("supernova", "moving", "variable")


def truth(n=2000, seed=0):
    """A survey with planted errors in the labels, as the simulator writes it."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(n) % 2
    error = np.full(n, "", object)
    error[(label == 1) & (rng.random(n) < 0.03)] = "fake_on_defect"
    error[(label == 0) & (rng.random(n) < 0.012)] = "real_among_artifacts"
    hostless = rng.random(n) < 0.06
    return pd.DataFrame(
        {
            "id": 7_000_000_000 + np.arange(n),
            "label_true": label,
            "label_given": np.where(error != "", 1 - label, label),
            "kind": np.where(label == 1, rng.choice(ARTIFACTS, n), rng.choice(REALS, n, p=(0.8, 0.1, 0.1))),
            "error": error,
            "snr": 5 + rng.pareto(2, n) * 5,
            "host_sb": np.where(hostless, np.nan, rng.normal(22.8, 1.2, n)),
            "hostless": hostless,
            "host_id": np.where(hostless, -1, np.arange(n) // 3),
            "group": np.arange(n) // 12,
        }
    )


def scored(known, label="label_given", strength=1.0, seed=1):
    """Scores drawn from beta distributions that follow the truth, worse where the SNR is low."""
    rng = np.random.default_rng(seed)
    sharp = strength * (0.8 + 2 * np.log10(known["snr"] / 4))
    right = rng.beta(0.12 + 0.05 / sharp, 0.9 + 1.5 * sharp)
    scores = np.where(known["label_true"] == 1, 1 - right, right)
    return Scored(*(known[name].to_numpy() for name in ("id", label)), scores, known["group"].to_numpy())


def curves(known, methods=METHODS):
    """As of ``rates.write_curves``."""
    found = []
    for seed, (name, strength) in enumerate(methods.items()):
        for version, column in (("given", "label_given"), ("relabelled", "label_true")):
            part = scored(known, column, strength, seed)
            area = rates.ranking(part.labels, part.scores).auroc()
            found.append(
                rates.curve(part.labels, part.scores, 400).assign(method=name, labels=version, auc=area)
            )
    return pd.concat(found, ignore_index=True)


def crossed(known, methods=("cnn1", "forest")):
    """As of ``comparison.write_crossed``."""
    rows = []
    for method in methods:
        for trained, worse in (("given", 0.85), ("relabelled", 1.0)):
            for judged, column in (
                ("given", "label_given"),
                ("relabelled", "label_true"),
                ("truth", "label_true"),
            ):
                parts = [scored(known, column, worse * METHODS[method], seed) for seed in range(3)]
                for metric, entry in comparison.of_seeds(parts, 100, np.random.default_rng(0)).items():
                    names = {"method": method, "trained_with": trained, "judged_by": judged, "metric": metric}
                    rows.append(names | entry)
    return pd.DataFrame(rows)


def histogram(known):
    """As the histograms of ``categories.write``."""
    parts = {name: categories.histogram(scored(known, strength=value)) for name, value in METHODS.items()}
    return categories._stacked(parts)


def confusion(known):
    """As of ``rates.confusion_table``."""
    return rates.confusion_table(scored(known))


def ongoing(n=2000, seed=3):
    """Curves and histogram as of ``survey.write``: eleven bogus to one real."""
    known = truth(n, seed)
    rng = np.random.default_rng(seed)
    known = known[(known["label_true"] == 1) | (rng.random(n) < 0.09)]
    parts = {"as_is": scored(known, strength=0.15), "retrained": scored(known, strength=0.7)}
    first = pd.concat([survey.curves(part).assign(network=name) for name, part in parts.items()])
    second = pd.concat([survey.histogram(part).assign(network=name) for name, part in parts.items()])
    return first.reset_index(drop=True), second.reset_index(drop=True)


def learning(networks=("cnn1", "cnn4"), seeds=3, epochs=12, quantities=("accuracy", "loss")):
    """As of ``printed.learning_curves``."""
    rng = np.random.default_rng(0)
    rows = []
    for network in networks:
        for seed in range(seeds):
            for epoch in range(1, epochs + 1):
                for split, gap in (("train", 0.0), ("validation", 0.004 * epoch)):
                    loss = 0.08 + 0.4 / epoch + gap + 0.01 * rng.random()
                    for quantity, value in (
                        ("accuracy", 1 - loss / 3),
                        ("loss", loss),
                        ("learning_rate", 1e-3),
                    ):
                        if quantity in (*quantities, "learning_rate"):
                            rows.append((network, seed, epoch, split, quantity, value))
    return pd.DataFrame(rows, columns=["network", "seed", "epoch", "split", "quantity", "value"])


def suspects(known):
    """As of ``labels.score.write``."""
    rng = np.random.default_rng(5)
    wrong = (known["error"] != "").to_numpy()
    rows = []
    for rule, sample, recall, false in (
        ("paper", "one_network", 0.7, 0.002),
        ("paper", "in_sample", 0.55, 0.002),
        ("paper", "out_of_sample", 0.88, 0.003),
        ("out_of_fold", "out_of_fold", 0.9, 0.012),
        ("out_of_fold", "out_of_fold_same", 0.9, 0.012),
        ("cleanlab_confident_learning", "out_of_fold", 0.88, 0.006),
    ):
        flagged = np.where(wrong, rng.random(len(known)) < recall, rng.random(len(known)) < false)
        rows += score.rows(known["id"][flagged], known["id"], known, rule=rule, sample=sample)
    return pd.DataFrame(rows, columns=list(score.COLUMNS))


def noise_sweep(known):
    """As of ``evaluate.noise.write``."""
    rows = []
    for method, loss in (("cnn1", 2), ("forest", 5)):
        for shape in ("structured", "uniform"):
            worse = loss * (1 if shape == "uniform" else 1.6)
            parts = {
                share: [
                    scored(known, "label_true", METHODS[method] / (1 + worse * share), seed)
                    for seed in (0, 1)
                ]
                for share in (0.0, 0.02, 0.05, 0.1)
            }
            for share, entries in noise.sweep(parts, 50).items():
                names = {"method": method, "shape": shape, "share": share, "n_seeds": 2}
                rows += [names | {"metric": metric, **entry} for metric, entry in entries.items()]
    return pd.DataFrame(rows)


def strata_table(known):
    """As of ``evaluate.strata.write``."""
    parts = {
        name: scored(known, "label_true", METHODS[name], seed) for seed, name in enumerate(("cnn1", "forest"))
    }
    found = [strata.table(part, 0.5, known).assign(method=name) for name, part in parts.items()]
    return pd.concat(found, ignore_index=True)


def importances(seed=0):
    """As of ``forest.train``."""
    names = ["GFLUX", "MAGDIFF", "SPREAD_MODEL", "N2SIG5", "N3SIG5", "AMP", "SCALE", "L1", "MAG_REF_missing"]
    names += ["FLUX_RATIO", "ELLIPTICITY", "SNR", "COLMEDS", "LACOSMIC", "BAND", "CCDID", "MAG", "FLAGS"]
    weights = np.random.default_rng(seed).dirichlet(np.linspace(4, 0.3, len(names)))
    return pd.DataFrame({"feature": names, "importance": weights})


def trials(n=30):
    """As of ``search.run``: the published networks first."""
    rng = np.random.default_rng(0)
    size = np.append([265165, 414205, 851605, 953785], (10 ** rng.uniform(4, 6.3, n)).astype(int))
    state = np.where(rng.random(n + 4) < 0.3, "pruned", "complete")
    state[:4], state[-2:] = "complete", "skipped"
    loss = 0.06 + 0.05 * rng.random(n + 4) + 4 / np.sqrt(size)
    return pd.DataFrame(
        {
            "trial": range(n + 4),
            "network": ["cnn1", "cnn2", "cnn3", "cnn4", *["searched"] * n],
            "state": state,
            "n_parameters": size,
            "multiply_adds": (size * rng.uniform(50, 500, n + 4)).astype(int),
            "epochs": 4,
            "loss": np.where(state == "skipped", np.nan, loss),
            "auc": np.where(state == "complete", 1 - loss / 10, np.nan),
        }
    )
