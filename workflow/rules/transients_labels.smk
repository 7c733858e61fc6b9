# Labels of transients: whom classifiers contradict, what reviewers say, and what becomes of the labels.

SUSPECT_RULES = ["out_of_fold", "cleanlab_prune_by_noise_rate"]
# faithful: the suspects that Model 1 finds in all data, half of which it was trained on.
if TRANSIENTS["recipe"] == "faithful":
    REVIEWED = "paper"
elif TRANSIENTS["labels"]["forest_suspects"]:
    REVIEWED = "with_forest"
else:
    REVIEWED = "out_of_fold"
PHASE1_SCORES = f"<results>/transients/scores/phase1/{MAIN_TRANSIENT}/seed0.parquet"
OUT_OF_FOLD = f"<results>/transients/folds/{MAIN_TRANSIENT}.parquet"


rule folds_transients:
    input:
        shards=triplets("des"),
        split="<results>/transients/splits/phase1.parquet",  # for its groups
        labels="<results>/transients/labels/given.parquet",
    output:
        OUT_OF_FOLD,
    log:
        "<logs>/folds_transients.log",
    benchmark:
        "<benchmarks>/folds_transients.tsv"
    # A long chain: it starts early.
    priority: 20
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        cfg=transient_network(MAIN_TRANSIENT),
        n_folds=TRANSIENTS["labels"]["n_folds"],
        n_passes=TRANSIENTS["labels"]["n_passes"],
        epochs=TRANSIENTS["labels"]["fold_epochs"],
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        scale=config["scale"],
        code=code("transients/folds.py"),
    script:
        "../../scripts/transients/folds.py"


rule suspects_transients:
    input:
        scores=lambda wildcards: (
            PHASE1_SCORES if wildcards.rule == "paper" else OUT_OF_FOLD
        ),
        folds=lambda wildcards: [] if wildcards.rule == "paper" else OUT_OF_FOLD,
    output:
        "<results>/transients/suspects/{rule}.parquet",
    log:
        "<logs>/suspects_transients/{rule}.log",
    wildcard_constraints:
        rule="|".join(["paper", *SUSPECT_RULES]),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        rule=lambda wildcards: wildcards.rule,
        code=code("transients/suspects.py"),
    script:
        "../../scripts/transients/suspects.py"


rule forest_folds_transients:
    input:
        features="<results>/transients/features/des.parquet",
        folds=OUT_OF_FOLD,
        labels="<results>/transients/labels/given.parquet",
        found="<results>/transients/suspects/out_of_fold.parquet",
    output:
        scores="<results>/transients/folds/forest.parquet",
        out="<results>/transients/suspects/with_forest.parquet",
    log:
        "<logs>/forest_folds_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        code=code("transients/forest_folds.py"),
    script:
        "../../scripts/transients/forest_folds.py"


rule deck_transients:
    input:
        suspects=[f"<results>/transients/suspects/{REVIEWED}.parquet"],
        given="<results>/transients/labels/given.parquet",
    output:
        "<results>/transients/review/deck.parquet",
    log:
        "<logs>/deck_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        # The published tool showed nothing but suspects.
        controls=(
            0.0
            if TRANSIENTS["recipe"] == "faithful"
            else TRANSIENTS["labels"]["controls"]
        ),
        seed=config["seed"],
        code=code("transients/deck.py"),
    script:
        "../../scripts/transients/deck.py"


rule relabel_transients:
    input:
        given="<results>/transients/labels/given.parquet",
        log=transient_review,
    output:
        labels="<results>/transients/labels/relabelled.parquet",
        summary="<results>/transients/metrics/relabelling.json",
    log:
        "<logs>/relabel_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        seed=config["seed"],
        code=code("transients/relabel.py"),
    script:
        "../../scripts/transients/relabel.py"


if NO_NEW_LABELS:
    FIGURES.append(f"<results>/transients/suspects/{REVIEWED}.parquet")
