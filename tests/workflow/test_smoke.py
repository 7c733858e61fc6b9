"""The whole graph at the smallest scale, and what reruns after a change."""

import csv
import os
import re

import pandas as pd

from tests.workflow.conftest import ROOT, SNAKEMAKE, dry_run, launch, run
from tests.workflow.drawn import complaints

FIGURES = [f"fig{number}" for number in range(1, 9)]


def test_every_figure_of_the_paper_is_there_with_its_numbers(smoke):
    folder = smoke / "figures" / "gebhard2019"
    for figure in FIGURES:
        for ending in ("svg", "pdf", "csv"):
            assert list(folder.glob(f"{figure}_*.{ending}")), f"{figure}.{ending}"


def test_the_numbers_of_every_figure_are_sound(smoke):
    """Of all experiments: what is not there says why, and something varies."""
    files = sorted((smoke / "figures").glob("*/*.csv"))
    assert {path.parent.name for path in files} == {"gebhard2019", "wilde2022", "akhazhanov2018", "ayyar2022"}
    wrong = {f"{path.parent.name}/{path.name}": complaints(path) for path in files}
    assert not {name: found for name, found in wrong.items() if found}


def test_the_simulated_survey_and_its_figures_are_there(smoke):
    sets = sorted(path.name for path in (smoke / "lenses" / "data").iterdir())
    of_transfer = {"hst", "hard", "grade_a", "grade_b", "grade_c", "morphology"}  # the same rule makes them
    assert sorted(set(sets) - of_transfer) == [
        *("arcs", "audit", "known", "rings", "testing", "training", "validation"),
    ]
    folder = smoke / "figures" / "wilde2022"
    drawn = {"svg": set(), "pdf": set(), "csv": set()}
    for path in folder.iterdir():
        drawn[path.suffix[1:]].add(path.stem)
    assert drawn["svg"] == drawn["pdf"] == drawn["csv"]
    papers = {name.split("_")[0] for name in drawn["svg"]} - {"extra"}
    assert papers == {f"fig{number}" for number in range(1, 18)}
    assert len(drawn["svg"]) == 17 + 9
    assert len(pd.read_csv(smoke / "tables" / "wilde2022" / "table1_compound_priors.csv")) == 8
    for table, n_rows in (("table3_ou66", 24), ("table4_ou200", 19)):
        assert len(pd.read_csv(smoke / "tables" / "wilde2022" / f"{table}.csv")) == n_rows


def test_networks_that_find_lenses_are_judged_and_beside_the_paper(smoke):
    tables = smoke / "tables" / "wilde2022"
    rows = {path.stem: len(pd.read_csv(path)) for path in tables.glob("*.csv")}
    assert rows["table2_known_bands"] == 4
    assert (rows["table5_metrics"], rows["table6_recall"]) == (15, 28)
    seventh = pd.read_csv(tables / "table7_known_compounds.csv")
    # Eight networks of our own and OU-T-SNE, four lenses; each with its answer or the reason for none.
    assert len(seventh) == 9 * 4
    assert {"OU-66", "OU-JYH", "OU-T-SNE", "resnet10"} <= set(seventh["model"])
    assert (seventh["reproduced"].notna() | seventh["note"].notna()).all()
    fifth = pd.read_csv(tables / "table5_metrics.csv")
    measured = fifth.dropna(subset="reproduced")
    assert (fifth["reproduced"].notna() | fifth["note"].notna()).all()
    assert len(measured) > 9
    assert (measured["low"] <= measured["high"]).all()
    networks = pd.read_csv(tables / "extra_networks.csv")
    assert {"ou66", "ou_tsne", "flux_size_colour"} <= set(networks["network"])
    assert "training" in set(networks["set"])


def test_transients_are_judged_relabelled_and_drawn(smoke):
    folder = smoke / "figures" / "ayyar2022"
    drawn = {ending: {path.stem for path in folder.glob(f"*.{ending}")} for ending in ("svg", "pdf", "csv")}
    assert drawn["svg"] == drawn["pdf"] == drawn["csv"]
    papers = {name.split("_")[0] for name in drawn["svg"]} - {"extra"}
    assert papers == {f"fig{number}" for number in range(1, 14)}
    assert len(drawn["svg"]) == 13 + 7
    made = smoke / "transients"
    splits = pd.read_parquet(made / "splits" / "phase2.parquet")
    assert splits.groupby("group")["split"].nunique().max() == 1
    labels = pd.read_parquet(made / "labels" / "relabelled.parquet")
    assert set(labels["id"]) == set(splits["id"])
    assert (labels.loc[labels["label"] != labels["label_given"], "flipped_by"] != "").all()


def test_tables_of_transients_have_every_number_printed(smoke):
    tables = {path.stem: pd.read_csv(path) for path in (smoke / "tables" / "ayyar2022").glob("table*.csv")}
    rows = {name.split("_")[0]: len(table) for name, table in tables.items()}
    assert rows == {"table1": 12, "table2": 18, "table3": 26, "table4": 44, "table5": 18}
    for table in tables.values():
        assert (table["reproduced"].notna() | table["note"].notna()).all()
    fourth = tables["table4_architectures"]
    assert (fourth["published"] == fourth["reproduced"]).all()
    learned = tables["table2_categories"].set_index("model")["note"]
    assert learned["Model 3"].str.contains("ours learned from 64 of the").all()
    methods = pd.read_csv(smoke / "tables" / "ayyar2022" / "extra_methods.csv")
    own = {"cnn1_two_images", "cnn1_last_epoch", "forest", "forest_pixels", "forest_by_id", "peak_snr"}
    assert own | {"cnn1", "cnn2", "cnn3", "cnn4", "position", "template"} == set(methods["method"])
    real = pd.read_csv(smoke / "tables" / "ayyar2022" / "extra_real_stamps.csv")
    # Three networks on ten stamps, and an alert; or the reason why there are none.
    assert real["score"].notna().sum() == 31 or real["note"].str.startswith("not ").all()


def test_pretrained_networks_are_judged_and_drawn(smoke):
    folder = smoke / "figures" / "akhazhanov2018"
    drawn = {ending: {path.stem for path in folder.glob(f"*.{ending}")} for ending in ("svg", "pdf", "csv")}
    assert drawn["svg"] == drawn["pdf"] == drawn["csv"]
    thesis = {name.split("_")[0] for name in drawn["svg"]} - {"extra"}
    assert thesis == {"fig2-1", "fig3-1", *(f"fig4-{k}" for k in range(1, 6)), "fig5-1", "fig5-2"}
    ours = {"cross_validation", "grades", "leak", "provenance", "roc"}
    assert {f"extra_{name}" for name in ours} <= drawn["svg"]
    made = smoke / "transfer"
    folds = pd.read_parquet(made / "splits" / "folds.parquet")
    assert folds.groupby("parent_id")["fold"].nunique().max() == 1
    scores = {path.parent.name: pd.read_parquet(path) for path in made.glob("scores/*/hst.parquet")}
    assert set(scores["resnet"]["id"]) == set(folds["id"])
    assert set(scores["lensflow"]["fold"]) == {0}
    assert {"gmm", "kpca_trees", "kpca_mlp"} < set(scores)
    kept = sum(path.stat().st_size for path in made.glob("models/resnet/*.safetensors"))
    assert kept < 7 * 100_000  # heads, no trunks


def test_tables_of_transfer_have_every_cell_or_the_reason(smoke):
    folder = smoke / "tables" / "akhazhanov2018"
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    first, second = tables["table5-1_cross_validation"], tables["table5-2_grades"]
    assert (first["auc"].notna() | first["note"].notna()).all()
    modes = first.groupby("model")[["mode", "stem"]].apply(lambda rows: set(map(tuple, rows.to_numpy())))
    for model in ("Xception", "Inception", "ResNet", "NasNet", "VGG16", "VGG19"):
        assert len(modes[model]) >= 4, model
    measured = first.dropna(subset="auc_low")
    assert len(measured) > 5
    assert (measured["auc_low"] <= measured["auc_high"]).all()
    assert second["published"].notna().sum() >= 18
    assert (second["reproduced"].notna() | second["note"].notna()).all()
    assert len(tables["extra_folds"]) == 3 * 7 + 4 + 3 * 7  # heads, networks on one fold, classical methods
    scoreboard = pd.read_csv(smoke / "scoreboard.csv")
    leaks = scoreboard[(scoreboard["item"] == "leak") & scoreboard["reproduced"].notna()]
    assert len(leaks) == 6
    third = scoreboard[(scoreboard["paper"] == "akhazhanov2018") & (scoreboard["item"] == "Table 3-1")]
    assert (third["published"].astype(float) == third["reproduced"]).all()


def test_the_scoreboard_has_every_published_row(smoke):
    with open(ROOT / "config" / "published.tsv", newline="") as file:
        published = list(csv.DictReader(file, delimiter="\t"))
    scoreboard = pd.read_csv(smoke / "scoreboard.csv", keep_default_na=False)
    rows = list(zip(scoreboard["paper"], scoreboard["item"], scoreboard["quantity"], strict=True))
    for row in published:
        assert (row["paper"], row["item"], row["quantity"]) in rows
    silent = scoreboard[(scoreboard["reproduced"] == "") & (scoreboard["note"] == "")]
    assert silent.empty, silent
    assert set(scoreboard["scale"]) == {"smoke"}


def test_a_second_run_has_nothing_to_do(smoke, smoke_config):
    assert dry_run(*smoke_config) == {}


def test_touching_every_file_reruns_nothing(house, smoke_config):
    for path in run("git", "ls-files").stdout.splitlines():
        if (house / path).is_file():
            os.utime(house / path)
    assert dry_run(*smoke_config, cwd=house) == {}


def test_editing_a_comment_reruns_nothing(house, smoke_config):
    for path in (
        "src/skyneedle/core/store.py",
        "src/skyneedle/strain/simulate/examples.py",
        "scripts/strain/train.py",
    ):
        with open(house / path, "a") as file:
            file.write("\n# a comment\n")
    assert dry_run(*smoke_config, cwd=house) == {}


def test_editing_a_shared_function_reruns_what_uses_it(house, smoke_config):
    path = house / "src/skyneedle/core/plotting.py"
    path.write_text(path.read_text() + "\n\ndef added():\n    return 1\n")
    jobs = dry_run(*smoke_config, cwd=house)
    assert any(name.startswith("figure") for name in jobs)
    assert not {"simulate_strain", "train_strain", "evaluate_strain"} & set(jobs)


def test_one_networks_learning_rate_reruns_its_training_and_what_follows(house, smoke_config):
    config = house / "config" / "smoke.yaml"
    text = config.read_text()
    head, name, tail = text.partition("- name: fcn8\n")
    assert name
    tail = tail.replace("max_examples: 16", "max_examples: 16, learning_rate: 0.002", 1)
    config.write_text(head + name + tail)
    jobs = dry_run(*smoke_config, cwd=house)
    assert jobs["train_strain"] == 1
    assert jobs["evaluate_strain"] == 1
    assert "simulate_strain" not in jobs


def test_the_report_builds(smoke, smoke_config, tmp_path):
    report = tmp_path / "report.html"
    run(*SNAKEMAKE, "--configfile", "config/smoke.yaml", *smoke_config, "--report", str(report))
    text = report.read_text()
    assert len(text) > 1_000_000
    for figure in FIGURES:
        assert re.search(rf"{figure}_\w+", text)


def test_a_network_of_ones_own_appears_everywhere(house, smoke_mirror, smoke_config):
    """The worked example of the README, word for word."""
    readme = (ROOT / "README.md").read_text()
    (house / "my_network.py").write_text(
        re.search(r"```python\n(# my_network.py\n.*?)```", readme, re.DOTALL)[1]
    )
    entry = re.search(r"```yaml\n(    - name: small\n.*?)```", readme, re.DOTALL)[1]
    config = house / "config" / "smoke.yaml"
    config.write_text(config.read_text().replace("  networks:\n", f"  networks:\n{entry}", 1))
    jobs = dry_run(*smoke_config, cwd=house)
    assert jobs["train_strain"] == jobs["predict_strain"] == jobs["evaluate_strain"] == 1
    assert not {"simulate_strain", "interpret_strain", "events_strain", "classifier_strain"} & set(jobs)
    launch("--scale", "smoke", *smoke_mirror, cwd=house, timeout=600)
    results = house / "results" / "smoke"
    assert (results / "strain" / "models" / "small" / "seed0.safetensors").is_file()
    figures = results / "figures" / "gebhard2019"
    for figure in ("extra_networks", "extra_learning_curves"):
        assert "small" in set(pd.read_csv(figures / f"{figure}.csv")["network"]), figure
    scoreboard = pd.read_csv(results / "scoreboard.csv")
    assert (
        scoreboard["quantity"].str.contains("small").any() or scoreboard["item"].str.contains("small").any()
    )
