# How classifiers of transients are judged: by given labels, by labels after the review, and by the truth.

TRANSIENT_METRIC = "<results>/transients/metrics"
TRANSIENT_TABLE = "<results>/transients/tables"
PROBES = ["position", "template", "snr"]  # what should tell nothing, or little
TRAINED_AGAIN = {
    name: item.get("seeds", 1) for name, item in TRANSIENT_NETWORKS.items()
}
TRAINED_AGAIN["forest"] = TRAINED_AGAIN[MAIN_TRANSIENT]
# In every case: the methods, and with how many trainings each.
TRANSIENT_METHODS = {
    "phase1": {name: 1 for name in TRAINED_AGAIN},
    "phase2": TRAINED_AGAIN,
    "phase2_given": {name: TRAINED_AGAIN[name] for name in [MAIN_TRANSIENT, "forest"]},
}
TRANSIENT_VERSIONS = {"given": "<results>/transients/labels/given.parquet"}
if not NO_NEW_LABELS:
    TRANSIENT_VERSIONS["relabelled"] = "<results>/transients/labels/relabelled.parquet"
# Weights that the recipe does not judge by.
EPOCH = "best" if TRANSIENTS["recipe"] == "faithful" else "last"
OTHER_EPOCH = f"{MAIN_TRANSIENT}_{EPOCH}_epoch"
EVERY_SET_BY_ID = TRANSIENTS["recipe"] == "faithful"
PURE = [MAIN_TRANSIENT, "forest", "peak_snr"]  # of which the scoreboard has purities
# What stands in the table of all methods: name and scores of each training.
TABLED = [
    (name, path)
    for name in TRANSIENT_METHODS["phase2"]
    for path in all_transient_scores("phase2", name)
] + [
    (name, transient_scores("phase2", name))
    for name in [OTHER_EPOCH, "forest_pixels", "peak_snr", "position", "template"]
]


rule baseline_transients:
    input:
        shards=triplets("des"),
        split=lambda wildcards: transient_split(wildcards.case),
        labels=lambda wildcards: transient_labels(wildcards.case),
        # Not for the scores: for how far probes get where a template cannot know of the artifacts.
        truth=transient_truth(),
    output:
        **{
            name: f"<results>/transients/scores/{{case}}/{name}/seed0.parquet"
            for name in ["peak_snr", *PROBES]
        },
        metrics=f"{TRANSIENT_METRIC}/{{case}}_probes.json",
    log:
        "<logs>/baseline_transients/{case}.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        code=code("transients/baseline.py"),
    script:
        "../../scripts/transients/baseline.py"


for _case in ["phase1", "phase2"]:

    rule:
        name:
            f"judge_transients_{_case}"
        input:
            **TRANSIENT_VERSIONS,
            scores=[transient_scores(_case, name) for name in judged_methods(_case)],
            cards=network_cards(_case),
            split=transient_split(_case),
            truth=transient_truth(),
        output:
            metrics=expand(
                f"{TRANSIENT_METRIC}/{_case}_{{name}}.json", name=judged_methods(_case)
            ),
            points=expand(
                f"{TRANSIENT_METRIC}/operating_point_{_case}_{{name}}.json",
                name=judged_methods(_case),
            ),
        log:
            f"<logs>/judge_transients_{_case}.log",
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        params:
            cfg=TRANSIENTS["evaluate"],
            code=code("transients/judge.py"),
        script:
            "../../scripts/transients/judge.py"

    measure(
        expand(
            f"{TRANSIENT_METRIC}/{_case}_{{name}}.json", name=judged_methods(_case)
        ),
        NO_NEW_LABELS if _case == "phase2" else "",
    )


rule curves_transients:
    input:
        **TRANSIENT_VERSIONS,
        scores=lambda wildcards: [
            transient_scores(wildcards.case, name)
            for name in judged_methods(wildcards.case)
        ],
        split=lambda wildcards: transient_split(wildcards.case),
        truth=transient_truth(),
    output:
        curves=f"{TRANSIENT_TABLE}/{{case}}_curves.parquet",
        confusion=f"{TRANSIENT_TABLE}/{{case}}_confusion.csv",
    log:
        "<logs>/curves_transients/{case}.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        methods=lambda wildcards: judged_methods(wildcards.case),
        main=MAIN_TRANSIENT,
        code=code("transients/curves.py"),
    script:
        "../../scripts/transients/curves.py"


rule compare_transients:
    input:
        **TRANSIENT_VERSIONS,
        first=lambda wildcards: all_transient_scores(wildcards.case, MAIN_TRANSIENT),
        second=lambda wildcards: all_transient_scores(wildcards.case, "forest"),
        cards=lambda wildcards: transient_cards(wildcards.case),
        split=lambda wildcards: transient_split(wildcards.case),
        truth=transient_truth(),
    output:
        f"{TRANSIENT_METRIC}/{{case}}_comparison.json",
    log:
        "<logs>/compare_transients/{case}.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        names=[MAIN_TRANSIENT, "forest"],
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        code=code("transients/compare.py"),
    script:
        "../../scripts/transients/compare.py"


rule categories_transients:
    input:
        scores=[
            transient_scores("phase1", name) for name in TRANSIENT_METHODS["phase1"]
        ],
        cards=network_cards("phase1"),
        split=transient_split("phase1"),
    output:
        categories=f"{TRANSIENT_TABLE}/phase1_categories.csv",
        agreement=f"{TRANSIENT_TABLE}/phase1_agreement.csv",
        histogram=f"{TRANSIENT_TABLE}/phase1_histogram.csv",
        metrics=f"{TRANSIENT_METRIC}/phase1_categories.json",
    log:
        "<logs>/categories_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        methods=list(TRANSIENT_METHODS["phase1"]),
        main=MAIN_TRANSIENT,
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        code=code("transients/categories.py"),
    script:
        "../../scripts/transients/categories.py"


rule relabelling_transients:
    input:
        **{
            f"{name}_{case}": all_transient_scores(case, name)
            for name in [MAIN_TRANSIENT, "forest"]
            for case in ["phase2_given", "phase2"]
        },
        **TRANSIENT_VERSIONS,
        phase1=transient_scores("phase1", MAIN_TRANSIENT),
        phase2=transient_scores("phase2", MAIN_TRANSIENT),
        split1=transient_split("phase1"),
        split2=transient_split("phase2"),
        truth=transient_truth(),
    output:
        cases=f"{TRANSIENT_TABLE}/cases.csv",
        cases_metrics=f"{TRANSIENT_METRIC}/cases.json",
        crossed=f"{TRANSIENT_TABLE}/crossed.csv",
        crossed_metrics=f"{TRANSIENT_METRIC}/crossed.json",
    log:
        "<logs>/relabelling_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        methods=[MAIN_TRANSIENT, "forest"],
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        code=code("transients/relabelling.py"),
    script:
        "../../scripts/transients/relabelling.py"


rule ablations_transients:
    input:
        features="<results>/transients/features/des.parquet",
        split=transient_split("phase2"),
        labels=transient_labels("phase2"),
    output:
        pixels=transient_scores("phase2", "forest_pixels"),
        by_id=transient_scores("phase2", "forest_by_id"),
        by_id_split="<results>/transients/splits/phase2_by_id.parquet",
    log:
        "<logs>/ablations_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        code=code("transients/ablations.py"),
    script:
        "../../scripts/transients/ablations.py"


rule predict_other_epoch_transients:
    input:
        **{
            what: f"<results>/transients/models/phase2/{MAIN_TRANSIENT}/seed0{ending}"
            for what, ending in {
                "weights": ".safetensors",
                "last": ".last.safetensors",
                "card": ".json",
            }.items()
        },
        shards=triplets("des"),
        split=transient_split("phase2"),
        labels=transient_labels("phase2"),
    output:
        transient_scores("phase2", OTHER_EPOCH),
    log:
        "<logs>/predict_other_epoch_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        epoch=EPOCH,
        code=code("transients/predict_other_epoch.py"),
    script:
        "../../scripts/transients/predict_other_epoch.py"


rule methods_transients:
    input:
        scores=[path for _, path in TABLED],
        cards=network_cards("phase2"),
        split=transient_split("phase2"),
        labels=transient_labels("phase2"),
        truth=transient_truth(),
        by_id=[] if EVERY_SET_BY_ID else rules.ablations_transients.output.by_id,
        by_id_split=(
            [] if EVERY_SET_BY_ID else rules.ablations_transients.output.by_id_split
        ),
        probes=f"{TRANSIENT_METRIC}/phase2_probes.json",
        judged=[f"{TRANSIENT_METRIC}/phase2_{name}.json" for name in PURE],
    output:
        csv=report(
            "<results>/tables/ayyar2022/extra_methods.csv",
            caption="../report/ayyar2022_extra_methods.rst",
            category="ayyar2022",
            subcategory="Ours",
        ),
        md="<results>/tables/ayyar2022/extra_methods.md",
        metrics=f"{TRANSIENT_METRIC}/methods.json",
    log:
        "<logs>/methods_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        methods=[name for name, _ in TABLED],
        judged=PURE,
        main=MAIN_TRANSIENT,
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        code=code("transients/methods.py"),
    script:
        "../../scripts/transients/methods.py"


rule learning_transients:
    input:
        [
            f"<results>/transients/models/phase2/{name}/seed{number}.history.csv"
            for name, item in TRANSIENT_NETWORKS.items()
            for number in range(item.get("seeds", 1))
        ],
    output:
        f"{TRANSIENT_TABLE}/learning_curves.csv",
    log:
        "<logs>/learning_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        networks=[
            name
            for name, item in TRANSIENT_NETWORKS.items()
            for number in range(item.get("seeds", 1))
        ],
        code=code("transients/learning.py"),
    script:
        "../../scripts/transients/learning.py"


rule gallery_transients:
    input:
        shards=triplets("des"),
        truth=transient_truth(),
        relabelled=TRANSIENT_VERSIONS.get("relabelled", []),
    output:
        f"{TRANSIENT_TABLE}/gallery.parquet",
    log:
        "<logs>/gallery_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("transients/gallery.py"),
    script:
        "../../scripts/transients/gallery.py"


measure(
    [
        f"{TRANSIENT_METRIC}/phase1_{name}.json"
        for name in ["probes", "comparison", "categories"]
    ]
)
measure(
    [
        f"{TRANSIENT_METRIC}/{name}.json"
        for name in ["phase2_comparison", "methods", "cases", "crossed", "relabelling"]
    ],
    NO_NEW_LABELS,
)
if not NO_NEW_LABELS:
    FIGURES.append(rules.methods_transients.output.csv)
