# Skyneedle: every figure and table of the studies it regenerates, from one graph of jobs.
# Where a run writes depends on its scale alone, so scales live side by side and never trigger each other.

import sys
from pathlib import Path

from snakemake.utils import min_version, validate

min_version("9.20")

sys.path.insert(
    0, str(Path(workflow.basedir) / "src")
)  # the graph needs fingerprints even before installation


configfile: "config/config.yaml"


validate(config, "workflow/schemas/config.schema.yaml", set_default=False)


pathvars:
    results=f"results/{config['scale']}",
    logs=f"logs/{config['scale']}",
    benchmarks=f"results/{config['scale']}/benchmarks",


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


if "strain" in config["experiments"]:

    include: "workflow/rules/strain.smk"


if {"lenses", "transfer"} & set(config["experiments"]):

    include: "workflow/rules/lenses_data.smk"


if "lenses" in config["experiments"]:

    include: "workflow/rules/lenses.smk"
    include: "workflow/rules/lenses_networks.smk"
    include: "workflow/rules/lenses_attribution.smk"
    include: "workflow/rules/lenses_dreams.smk"
    include: "workflow/rules/lenses_evaluate.smk"
    include: "workflow/rules/lenses_figures.smk"


if "transfer" in config["experiments"]:

    include: "workflow/rules/transfer.smk"
    include: "workflow/rules/transfer_networks.smk"
    include: "workflow/rules/transfer_train.smk"
    include: "workflow/rules/transfer_evaluate.smk"


if "transients" in config["experiments"]:

    include: "workflow/rules/transients.smk"
    include: "workflow/rules/transients_labels.smk"
    include: "workflow/rules/transients_evaluate.smk"
    include: "workflow/rules/transients_studies.smk"

    if not from_autoscan():

        include: "workflow/rules/transients_simulated.smk"
    include: "workflow/rules/transients_tables.smk"
    include: "workflow/rules/transients_figures.smk"


include: "workflow/rules/scoreboard.smk"


rule all:
    default_target: True
    input:
        figures(),
        "<results>/scoreboard.csv",
