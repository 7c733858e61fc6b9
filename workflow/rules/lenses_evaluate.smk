# How networks that find lenses are judged: beside an ensemble and a baseline, on compound lenses, and under stress.

JUDGING = LENSES["evaluate"]
# In the order of the paper's seven-element vector. Without all of them there is no OU-T-SNE.
SEVEN = ["ou_j", "ou_y", "ou_h", "ou_jyh", "ou_vis", "ou66", "ou200"]
ENSEMBLE = ["ou_tsne"] if set(SEVEN) <= set(LENS_NETWORKS) else []
BASELINE = ["flux_size_colour"]
LENS_METHODS = [*LENS_NETWORKS, *ENSEMBLE, *BASELINE]
LENS_METRIC = "<results>/lenses/metrics"
LENS_TABLE = "<results>/lenses/tables"
EVALUATION = ["evaluation"] if "evaluation" in JUDGED_SETS else []
COMPARED_SETS = [
    *("testing", "arcs", "rings", "training", *EVALUATION),
    *(["audit"] if "audit" in JUDGED_SETS else []),
]
WITHOUT = [] if KINDLESS else JUDGING["without"]


for _name in [
    *JUDGING["shown"],
    *(pair[f"trained_{how}"] for pair in WITHOUT for how in ("with", "without")),
]:
    if _name not in LENS_NETWORKS:
        raise WorkflowError(
            f"lenses.evaluate: no network is named '{_name}'; there is {', '.join(LENS_NETWORKS)}."
        )


# --- methods that are no networks


rule baseline_lenses:
    input:
        **{name: shards("lenses", name) for name in JUDGED_SETS},
    output:
        **{
            name: f"<results>/lenses/scores/flux_size_colour/{name}.parquet"
            for name in JUDGED_SETS
        },
    log:
        "<logs>/baseline_lenses.log",
    benchmark:
        "<benchmarks>/baseline_lenses.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("lenses/baseline.py"),
    script:
        "../../scripts/lenses/baseline.py"


if ENSEMBLE:

    rule ensemble_lenses:
        input:
            **{name: shards("lenses", name) for name in JUDGED_SETS},
            **{f"{name}_scores": lens_scores(SEVEN, name) for name in JUDGED_SETS},
            asked=f"{LENS_TABLE}/known_compounds.csv",
            real="<results>/lenses/data/known/000.h5",
        output:
            **{
                name: f"<results>/lenses/scores/ou_tsne/{name}.parquet"
                for name in JUDGED_SETS
            },
            embedding=f"{LENS_TABLE}/embedding.parquet",
            pictures=f"{LENS_TABLE}/groups.parquet",
            cells=f"{LENS_METRIC}/ou_tsne_cells.json",
            known=f"{LENS_METRIC}/known_compounds_ou_tsne.json",
        log:
            "<logs>/ensemble_lenses.log",
        benchmark:
            "<benchmarks>/ensemble_lenses.tsv"
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        params:
            sets=JUDGED_SETS,
            seven=SEVEN,
            recipe=LENSES["recipe"],
            seed=config["seed"],
            code=code("lenses/ensemble.py"),
        script:
            "../../scripts/lenses/ensemble.py"


rule evaluate_lens_method:
    input:
        **{name: shards("lenses", name) for name in JUDGED_SETS},
        **{
            f"{name}_scores": f"<results>/lenses/scores/{{method}}/{name}.parquet"
            for name in JUDGED_SETS
        },
    output:
        point=f"{LENS_METRIC}/operating_point_{{method}}.json",
        metrics=f"{LENS_METRIC}/{{method}}.json",
    log:
        "<logs>/evaluate_lenses/{method}.log",
    wildcard_constraints:
        method="|".join([*ENSEMBLE, *BASELINE]),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        sets=JUDGED_SETS,
        cfg={name: JUDGING[name] for name in ("beta", "n_bootstrap")},
        recipe=LENSES["recipe"],
        code=code("lenses/evaluate.py"),
    script:
        "../../scripts/lenses/evaluate.py"


# --- all methods


rule compare_lenses:
    input:
        **{name: shards("lenses", name) for name in COMPARED_SETS},
        **{f"{name}_scores": lens_scores(LENS_METHODS, name) for name in COMPARED_SETS},
        points=expand(
            f"{LENS_METRIC}/operating_point_{{method}}.json", method=LENS_METHODS
        ),
        metrics=expand(f"{LENS_METRIC}/{{method}}.json", method=LENS_METHODS),
    output:
        curves=f"{LENS_TABLE}/roc.parquet",
        completeness=f"{LENS_TABLE}/completeness.csv",
        impostors=f"{LENS_TABLE}/impostors.csv",
        without=f"{LENS_TABLE}/unseen_impostors.csv",
        table=f"{LENS_TABLE}/matched_compounds.csv",
        matched=f"{LENS_METRIC}/matched_compounds.json",
        summary=f"{LENS_METRIC}/lenses_summary.json",
        margins=f"{LENS_METRIC}/lenses_margins.json",
    log:
        "<logs>/compare_lenses.log",
    benchmark:
        "<benchmarks>/compare_lenses.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        sets=COMPARED_SETS,
        curves=["training", *EVALUATION, "testing"],
        methods=LENS_METHODS,
        complete=[*COMPLETE, *ENSEMBLE, *BASELINE],
        seven=SEVEN,
        cfg={name: JUDGING[name] for name in ("n_bootstrap", "n_bins")}
        | {"without": WITHOUT, "impostors": told("testing")},
        code=code("lenses/compare.py"),
    script:
        "../../scripts/lenses/compare.py"


# --- real compound lenses, and tests of what networks lean on


rule fetch_known_lenses:
    output:
        h5="<results>/lenses/data/known/000.h5",
        status="<results>/lenses/archive/known.json",
    log:
        "<logs>/fetch_known_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        mirrors=config["mirrors"],
        network=config["network"],
        folder="resources/lenses/known",
        manifest="resources/manifest.tsv",
        datasets="config/datasets.tsv",
        recipe=LENSES["recipe"],
        code=code("lenses/fetch_known.py"),
    script:
        "../../scripts/lenses/fetch_known.py"


LENS_WEIGHTS = expand(
    "<results>/lenses/models/{network}/seed0.safetensors", network=COMPLETE
)
LENS_CARDS = expand("<results>/lenses/models/{network}/seed0.json", network=COMPLETE)


rule known_lenses:
    input:
        known="<results>/lenses/data/known/000.h5",
        weights=LENS_WEIGHTS,
        cards=LENS_CARDS,
    output:
        table=f"{LENS_TABLE}/known_compounds.csv",
        pictures=f"{LENS_TABLE}/known_compounds.parquet",
        metrics=f"{LENS_METRIC}/known_compounds.json",
    log:
        "<logs>/known_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        networks=list(COMPLETE),
        code=code("lenses/known.py"),
    script:
        "../../scripts/lenses/known.py"


rule colour_stress_lenses:
    input:
        testing=shards("lenses", told("testing")),
        weights=LENS_WEIGHTS,
        cards=LENS_CARDS,
        points=expand(
            f"{LENS_METRIC}/operating_point_{{network}}.json", network=COMPLETE
        ),
    output:
        table=f"{LENS_TABLE}/colour_stress.csv",
        metrics=f"{LENS_METRIC}/colour_stress.json",
    log:
        "<logs>/colour_stress_lenses.log",
    benchmark:
        "<benchmarks>/colour_stress_lenses.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        networks=list(COMPLETE),
        cfg=JUDGING["colour_stress"],
        n_bootstrap=JUDGING["n_bootstrap"],
        code=code("lenses/colour_stress.py"),
    script:
        "../../scripts/lenses/colour_stress.py"


rule orientation_lenses:
    output:
        table=f"{LENS_TABLE}/psf_orientation.csv",
        pictures=f"{LENS_TABLE}/psf_orientation.parquet",
        metrics=f"{LENS_METRIC}/psf_orientation.json",
    log:
        "<logs>/orientation_lenses.log",
    benchmark:
        "<benchmarks>/orientation_lenses.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cfg=JUDGING["orientation"],
        seed=config["seed"],
        code=code("lenses/orientation.py"),
    script:
        "../../scripts/lenses/orientation.py"


METRICS += [
    *expand(f"{LENS_METRIC}/{{method}}.json", method=[*ENSEMBLE, *BASELINE]),
    *(
        [rules.ensemble_lenses.output.cells, rules.ensemble_lenses.output.known]
        if ENSEMBLE
        else []
    ),
    rules.compare_lenses.output.matched,
    rules.compare_lenses.output.summary,
    rules.compare_lenses.output.margins,
    rules.known_lenses.output.metrics,
    rules.colour_stress_lenses.output.metrics,
    rules.orientation_lenses.output.metrics,
]


# --- figures and tables: name -> the tables it draws, and what else it is told

LENSES_DRAWN |= {
    "fig3_known_compounds": {"tiles": rules.known_lenses.output.pictures},
    "extra_colour_stress": {"table": rules.colour_stress_lenses.output.table},
    "extra_psf_orientation": {
        "table": rules.orientation_lenses.output.table,
        "tiles": rules.orientation_lenses.output.pictures,
    },
    "fig6_roc": {"curves": f"{LENS_TABLE}/roc.parquet"},
    "extra_completeness": {"cells": f"{LENS_TABLE}/completeness.csv"},
    "extra_false_positives": {"by_kind": f"{LENS_TABLE}/impostors.csv"},
    "extra_unseen_impostors": {"without": f"{LENS_TABLE}/unseen_impostors.csv"},
    "extra_matched_compounds": {"table": f"{LENS_TABLE}/matched_compounds.csv"},
}
# Images of the data carry the score of the first network that is shown.
for _figure, _sets in {
    "fig1_training_images": ["training"],
    "fig2_compound_images": ["arcs", "rings"],
    "extra_impostors": [told("training")],
}.items():
    if JUDGING["shown"]:
        LENSES_DRAWN[_figure] = GALLERY | {
            "scores": [
                path
                for _set in _sets
                for path in lens_scores(JUDGING["shown"][:1], _set)
            ]
        }
if ENSEMBLE:
    LENSES_DRAWN |= {
        "fig9_embedding": {"embedding": f"{LENS_TABLE}/embedding.parquet"},
        "fig10_groups": {"tiles": f"{LENS_TABLE}/groups.parquet"},
    }


rule tables_lenses:
    input:
        published="config/published.tsv",
        metrics=[
            *expand(f"{LENS_METRIC}/{{method}}.json", method=LENS_METHODS),
            rules.known_lenses.output.metrics,
            *([rules.ensemble_lenses.output.known] if ENSEMBLE else []),
        ],
        known="<results>/lenses/data/known/000.h5",
    output:
        **{
            name: report(
                f"<results>/tables/wilde2022/{slug}.csv",
                caption=f"../report/wilde2022_{name}.rst",
                category="wilde2022",
                subcategory="Tables",
            )
            for name, slug in {
                "table2": "table2_known_bands",
                "table5": "table5_metrics",
                "table6": "table6_recall",
                "table7": "table7_known_compounds",
                "networks": "extra_networks",
            }.items()
        },
    log:
        "<logs>/tables_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    params:
        sets=COMPARED_SETS,
        scale=config["scale"],
        code=code("lenses/tables.py"),
    script:
        "../../scripts/lenses/tables.py"


FIGURES += rules.tables_lenses.output
