"""Linting and dry runs of every scale and profile."""

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
    ],
)
def test_typos_in_the_configuration_fail_before_the_plan(setting, sentence):
    done = run(*SNAKEMAKE, "--dry-run", "--config", setting, check=False)
    assert done.returncode != 0
    assert sentence in done.stdout
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
