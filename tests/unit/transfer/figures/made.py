"""Tables of made-up methods, by the functions that make the real ones."""

import json

from skyneedle.transfer.evaluate import judge, printed
from tests.conftest import ROOT
from tests.unit.transfer.evaluate import made

NETWORKS = ("resnet", "inception")


def tables(folder, entries=made.ENTRIES, n_bootstrap=40):
    """The arguments of every figure, written to a folder as the rules do it."""
    for name, table in (("leak", made.leak), ("provenance", made.provenance)):
        for seed, network in enumerate(NETWORKS):
            table(seed=seed).to_parquet(folder / f"{name}_{network}.parquet")
    for seed, entry in enumerate(entries):
        strength = made.STRENGTH.get(entry["name"], 0.2)
        made.out_of_fold(strength, seed=seed, folds=entry.get("folds", 7)).to_parquet(
            folder / f"{entry['name']}.parquet"
        )
        made.others(strength, seed=seed).to_parquet(folder / f"{entry['name']}_others.parquet")
    (folder / "real.json").write_text(json.dumps({"status": "fetched"}))
    names = [entry["name"] for entry in entries]
    given = {
        name: [folder / f"{name}_{network}.parquet" for network in NETWORKS]
        for name in ("leak", "provenance")
    }
    given |= {"scores": [folder / f"{name}.parquet" for name in names], "status": folder / "real.json"}
    given |= {"others": [folder / f"{name}_others.parquet" for name in names]}
    out = {
        name: folder / f"{name}.csv"
        for name in (
            "methods_table",
            "folds",
            "grades_table",
            "leak_table",
            "provenance_table",
            "reality_table",
        )
    }
    out |= {name: folder / f"{name}.parquet" for name in ("roc", "candidates")}
    out |= {"answers": folder / "answers.csv"}
    metric_files = ("table", "modes", "grades", "leak", "provenance", "reality")
    out |= {name: folder / f"transfer_{name}.json" for name in metric_files}
    out |= {"methods": [folder / f"transfer_{name}.json" for name in names]}
    judge.write(
        entries,
        given,
        out,
        leaked=NETWORKS,
        n_folds=made.N_FOLDS,
        n_bootstrap=n_bootstrap,
        origin={"commit": "a"},
    )
    counts = {
        f"{name}_{key}": {"value": n} for name in names for key, n in (("total", 2e7), ("trained", 8e3))
    }
    (folder / "architectures.json").write_text(json.dumps(counts))
    files = {"published": ROOT / "config" / "published.tsv", "architectures": folder / "architectures.json"}
    files |= {name: out[f"{name}_table"] for name in ("methods", "grades", "reality")}
    files |= {"folds": out["folds"], "answers": out["answers"]}
    stems = {name: folder / f"printed_{name}" for name in ("cross_validation", "grades", "folds", "reality")}
    printed.write_tables(files, "smoke", stems)
    return {
        "extra_cross_validation": {
            "folds": out["folds"],
            "methods": out["methods_table"],
            "printed": f"{stems['cross_validation']}.csv",
        },
        "extra_grades": {
            "grades": out["grades_table"],
            "candidates": out["candidates"],
            "printed": f"{stems['grades']}.csv",
        },
        "extra_leak": {"leak": out["leak_table"]},
        "extra_provenance": {"cases": out["provenance_table"]},
        "extra_roc": {"roc": out["roc"], "methods": out["methods_table"]},
    }
