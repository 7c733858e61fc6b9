"""Linting and dry runs of every scale and profile."""

import re
from itertools import pairwise

import pytest

from tests.workflow.conftest import ROOT, SNAKEMAKE, dry_run, run


def test_snakemake_lint_has_nothing_to_say():
    run(*SNAKEMAKE, "--lint")


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_every_scale_plans_under_every_profile(scale, profile, tmp_path):
    # An empty folder of results, so that the plan is whole whatever was run before.
    jobs = dry_run("--workflow-profile", str(ROOT / "profiles" / profile), "--forceall", scale=scale)
    assert jobs["all"] == 1
    assert sum(jobs.values()) > 30
    assert {"simulate_strain", "train_strain", "evaluate_strain", "scoreboard"} <= set(jobs)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("strain={'recipe': 'fixed'}", "fixed"),
        ("sead=1", "sead"),
        ("strain={'simulate': {'sorce': 'gwosc'}}", "sorce"),
        (
            "transfer={'networks': [{'name': 'resnet', 'source': 'resnet', 'weights': 'galaxy'}]}",
            "weights 'galaxy' of 'resnet' are neither galaxies, random, imagenet nor a file",
        ),
    ],
)
def test_typos_in_the_configuration_fail_before_the_plan(setting, sentence):
    done = run(*SNAKEMAKE, "--dry-run", "--config", setting, check=False)
    assert done.returncode != 0
    assert sentence in done.stdout
    assert "job count" not in done.stdout


def test_sets_that_share_ids_are_refused_before_the_plan(tmp_path):
    overlay = tmp_path / "more.yaml"
    overlay.write_text("lenses: {sets: {training: {n_examples: 200002}}}\n")
    done = run(*SNAKEMAKE, "--dry-run", "--configfile", str(overlay), check=False)
    assert done.returncode != 0
    assert "Sets 'training' and 'validation' of simulated lenses both have the id 200000" in done.stdout
    assert "job count" not in done.stdout


def test_scales_never_share_a_file():
    plans = {}
    for scale in ("smoke", "laptop", "paper"):
        configfile = [] if scale == "laptop" else ["--configfile", f"config/{scale}.yaml"]
        done = run(
            *SNAKEMAKE, "--dry-run", "--forceall", "--quiet", "rules", "--detailed-summary", *configfile
        )
        plans[scale] = {
            line.split("\t")[0] for line in done.stdout.splitlines() if line.startswith("results/")
        }
        assert plans[scale], done.stdout[-2000:]
    assert not plans["smoke"] & plans["laptop"]
    assert not plans["paper"] & plans["laptop"]


def test_the_truth_of_transients_is_read_by_rules_that_score_or_stand_in_for_people_alone():
    options = ["--configfile", "config/smoke.yaml", "--config", "experiments=['transients']"]
    said = run(*SNAKEMAKE, "--dry-run", "--forceall", *options).stdout
    jobs = re.findall(r"^rule (\w+):\n    input: (.*)$", said, re.MULTILINE)
    assert {"train_transients", "folds_transients", "search_transients"} <= {name for name, _ in jobs}
    readers = {name.removesuffix("_transients") for name, files in jobs if "/transients/truth/" in files}
    judges = {
        "anchoring",
        "baseline",
        "compare",
        "curves",
        "design",
        "gallery",
        "judge_pixel_modes",
        "judge_search",
    }
    judges |= {"judge_transients_phase1", "judge_transients_phase2", "methods", "noise", "relabelling"}
    judges |= {"score_suspects", "strata"}
    assert readers == judges | {"review", "votes", "noise_labels"}  # people, and who plants wrong labels


def arrows(mermaid: str) -> set[tuple[str, str]]:
    """Pairs of rules that an arrow joins; rules of many forms, by their last word, are one."""
    plain = re.sub(r"\[.*?\]", "", mermaid)
    found = set()
    for line in plain.splitlines():
        groups = [[one.strip() for one in group.split("&")] for group in line.split("-->")]
        for before, after in pairwise(groups):
            found |= {(a, b) for a in before for b in after}
    return found


def test_every_arrow_of_the_graph_in_the_readme_is_one_of_the_workflow():
    shown = arrows(re.search(r"```mermaid\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1])
    target = "results/smoke/scoreboard.csv"
    said = run(
        *SNAKEMAKE, "--configfile", "config/smoke.yaml", "--forceall", "--rulegraph", "mermaid-js", target
    )
    names = {
        key: re.sub(r"_(phase)?\d+$", "", name) for key, name in re.findall(r"(id\d+)\[(.*?)\]", said.stdout)
    }
    follows: dict[str, set[str]] = {}
    for before, after in re.findall(r"(id\d+) --> (id\d+)", said.stdout):
        follows.setdefault(names[before], set()).add(names[after])

    def reached(rule: str) -> set[str]:
        found, new = set(), {rule}
        while new:
            new = {name for one in new for name in follows.get(one, ())} - found
            found |= new
        return found

    assert len(shown) > 30
    assert {pair for pair in shown if pair[1] not in reached(pair[0])} == set()
    assert {name.rpartition("_")[2] for pair in shown for name in pair} >= {
        *("strain", "lenses", "transfer", "transients"),
    }
