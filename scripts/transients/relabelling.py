"""Judge what new labels change, in training and in testing."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import categories, comparison

with runtime.rule(snakemake) as job:
    asked, made = snakemake.input, snakemake.output
    options = {"n_bootstrap": snakemake.params.n_bootstrap, "provenance": job.provenance}
    cases = {
        "old_old": (asked.phase1, asked.split1, None),
        "old_new": (asked.phase1, asked.split1, asked.relabelled),
        "new_new": (asked.phase2, asked.split2, None),
    }
    categories.write_cases(cases, made.cases, made.cases_metrics, **options)
    scores = {
        name: {"given": list(asked[f"{name}_phase2_given"]), "relabelled": list(asked[f"{name}_phase2"])}
        for name in snakemake.params.methods
    }
    labels = {"given": asked.given, "relabelled": asked.relabelled}
    out = made.crossed, made.crossed_metrics
    comparison.write_crossed(scores, asked.split2, labels, *out, truth=asked.truth, **options)
