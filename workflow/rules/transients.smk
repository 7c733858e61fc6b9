# Real and bogus detections (ayyar2022): simulate | fetch -> pack -> split -> train -> judge labels -> review -> train
# again.

TRANSIENTS = config["transients"]
TRANSIENT_SURVEYS = list(TRANSIENTS["surveys"])
TRANSIENT_NETWORKS = {item["name"]: item for item in TRANSIENTS["networks"]}
# What is trained on which labels; each case has networks of its own.
TRANSIENT_CASES = {
    "phase1": {"survey": "des", "split": "phase1", "labels": "given"},
    "phase2": {"survey": "des", "split": "phase2", "labels": "relabelled"},
    "phase2_given": {"survey": "des", "split": "phase2", "labels": "given"},
}
MAIN_TRANSIENT = TRANSIENTS["labels"]["main"]
AUTOSCAN_TARS = [f"stamps_{number}.tar" for number in TRANSIENTS["images"]["tars"]]
SIMULATED_SURVEYS = [
    name for name in TRANSIENT_SURVEYS if name == "ongoing" or not from_autoscan()
]
# Why there is none; empty where there is.
NO_TRUTH = "no truth: the labels are real" if from_autoscan() else ""
NO_NEW_LABELS = (
    "no new labels: people have to review the suspects first, see transients.labels.log"
    if from_autoscan() and not TRANSIENTS["labels"]["log"]
    else ""
)


wildcard_constraints:
    survey="|".join(TRANSIENT_SURVEYS),
    case="|".join(TRANSIENT_CASES),
    seed=r"\d+",


# --- data


rule simulate_transients:
    output:
        tar="<results>/transients/archive/{survey}/stamps_{shard}.tar",
        features="<results>/transients/archive/{survey}/features_{shard}.csv",
        hosts="<results>/transients/archive/{survey}/hosts_{shard}.csv",
        truth="<results>/transients/truth/{survey}/{shard}.parquet",
    log:
        "<logs>/simulate_transients/{survey}_{shard}.log",
    benchmark:
        "<benchmarks>/simulate_transients/{survey}_{shard}.tsv"
    wildcard_constraints:
        survey="|".join(SIMULATED_SURVEYS),
        shard=r"\d{3}",
    # Before trainings of one thread, among which two idle cores would never be found.
    priority: 50
    conda:
        "../../envs/skyneedle.yaml"
    threads: 2
    params:
        cfg=lambda wildcards: TRANSIENTS["simulate"]
        | TRANSIENTS["surveys"][wildcards.survey].get("simulate", {}),
        set=lambda wildcards: TRANSIENTS["surveys"][wildcards.survey],
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        code=code("transients/simulate.py"),
    script:
        "../../scripts/transients/simulate.py"


rule pack_transients:
    input:
        tar="<results>/transients/archive/{survey}/stamps_{shard}.tar",
        features="<results>/transients/archive/{survey}/features_{shard}.csv",
        hosts="<results>/transients/archive/{survey}/hosts_{shard}.csv",
    output:
        h5="<results>/transients/data/{survey}/{shard}.h5",
    log:
        "<logs>/pack_transients/{survey}_{shard}.log",
    benchmark:
        "<benchmarks>/pack_transients/{survey}_{shard}.tsv"
    wildcard_constraints:
        survey="|".join(SIMULATED_SURVEYS),
        shard=r"\d{3}",
    priority: 50
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        recipe=TRANSIENTS["recipe"],
        code=code("transients/pack.py"),
    script:
        "../../scripts/transients/pack.py"


if from_autoscan():

    rule fetch_autoscan_transients:
        output:
            status="<results>/transients/archive/des/status.json",
        log:
            "<logs>/fetch_autoscan_transients.log",
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        params:
            tars=AUTOSCAN_TARS,
            max_gb=TRANSIENTS["images"]["max_gb"],
            mirrors=config["mirrors"],
            network=config["network"],
            folder="resources/transients/autoscan",
            manifest="resources/manifest.tsv",
            datasets="config/datasets.tsv",
            code=code("transients/fetch_autoscan.py"),
        script:
            "../../scripts/transients/fetch_autoscan.py"

    rule pack_autoscan_transients:
        input:
            status="<results>/transients/archive/des/status.json",
        output:
            h5="<results>/transients/data/des/{shard}.h5",
        log:
            "<logs>/pack_autoscan_transients/{shard}.log",
        benchmark:
            "<benchmarks>/pack_autoscan_transients/{shard}.tsv"
        wildcard_constraints:
            shard=r"\d{3}",
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        params:
            tar=lambda wildcards: AUTOSCAN_TARS[int(wildcards.shard)],
            recipe=TRANSIENTS["recipe"],
            code=code("transients/pack_autoscan.py"),
        script:
            "../../scripts/transients/pack_autoscan.py"


rule split_transients:
    input:
        lambda wildcards: triplets("ongoing" if wildcards.split == "ongoing" else "des"),
    output:
        "<results>/transients/splits/{split}.parquet",
    log:
        "<logs>/split_transients/{split}.log",
    wildcard_constraints:
        split="|".join(TRANSIENTS["splits"]),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cfg=lambda wildcards: TRANSIENTS["splits"][wildcards.split],
        by="id" if TRANSIENTS["recipe"] == "faithful" else "group",
        code=code("transients/split.py"),
    script:
        "../../scripts/transients/split.py"


rule given_labels_transients:
    input:
        triplets("des"),
    output:
        "<results>/transients/labels/given.parquet",
    log:
        "<logs>/given_labels_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("transients/given.py"),
    script:
        "../../scripts/transients/given.py"


# --- classifiers


rule train_transients:
    input:
        shards=triplets("des"),
        split=lambda wildcards: transient_split(wildcards.case),
        labels=lambda wildcards: transient_labels(wildcards.case),
    output:
        weights="<results>/transients/models/{case}/{network}/seed{seed}.safetensors",
        last="<results>/transients/models/{case}/{network}/seed{seed}.last.safetensors",
        card="<results>/transients/models/{case}/{network}/seed{seed}.json",
        history="<results>/transients/models/{case}/{network}/seed{seed}.history.csv",
        timing="<results>/transients/models/{case}/{network}/seed{seed}.history.timing.csv",
    log:
        "<logs>/train_transients/{case}_{network}_{seed}.log",
    benchmark:
        "<benchmarks>/train_transients/{case}_{network}_{seed}.tsv"
    wildcard_constraints:
        network="|".join(TRANSIENT_NETWORKS),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        cfg=lambda wildcards: transient_network(wildcards.network),
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        own=lambda wildcards: own_file("transients", wildcards.network),
        scale=config["scale"],
        code=code("transients/train.py"),
    script:
        "../../scripts/transients/train.py"


rule predict_transients:
    input:
        shards=triplets("des"),
        split=lambda wildcards: transient_split(wildcards.case),
        labels=lambda wildcards: transient_labels(wildcards.case),
        weights="<results>/transients/models/{case}/{network}/seed{seed}.safetensors",
        card="<results>/transients/models/{case}/{network}/seed{seed}.json",
    output:
        "<results>/transients/scores/{case}/{network}/seed{seed}.parquet",
    log:
        "<logs>/predict_transients/{case}_{network}_{seed}.log",
    wildcard_constraints:
        network="|".join(TRANSIENT_NETWORKS),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        # The paper's rule for suspects wants the predictions of Model 1 for all data, others are only judged.
        sets=lambda wildcards: (
            None if wildcards.network == MAIN_TRANSIENT else ["validation", "testing"]
        ),
        recipe=TRANSIENTS["recipe"],
        code=code("transients/predict.py"),
    script:
        "../../scripts/transients/predict.py"


rule features_transients:
    input:
        lambda wildcards: triplets(wildcards.survey),
    output:
        "<results>/transients/features/{survey}.parquet",
    log:
        "<logs>/features_transients/{survey}.log",
    benchmark:
        "<benchmarks>/features_transients/{survey}.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        # faithful: those that the survey published, measured on fluxes though its stamps are 8-bit.
        pixels="catalogue" if TRANSIENTS["recipe"] == "faithful" else "stamps",
        code=code("transients/features.py"),
    script:
        "../../scripts/transients/features.py"


rule forest_transients:
    input:
        features="<results>/transients/features/des.parquet",
        split=lambda wildcards: transient_split(wildcards.case),
        labels=lambda wildcards: transient_labels(wildcards.case),
    output:
        weights="<results>/transients/models/{case}/forest/seed{seed}.safetensors",
        card="<results>/transients/models/{case}/forest/seed{seed}.json",
        importances="<results>/transients/models/{case}/forest/seed{seed}.importances.csv",
        scores="<results>/transients/scores/{case}/forest/seed{seed}.parquet",
    log:
        "<logs>/forest_transients/{case}_{seed}.log",
    benchmark:
        "<benchmarks>/forest_transients/{case}_{seed}.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        code=code("transients/forest.py"),
    script:
        "../../scripts/transients/forest.py"
