# Studies of transients beside the paper's main line: the ongoing survey, a search for architectures.

ONGOING = TRANSIENTS["ongoing"]
MAIN_NETWORK = transient_network(MAIN_TRANSIENT)
ONGOING_SPLIT = "<results>/transients/splits/ongoing.parquet"
ONGOING_SCORES = "<results>/transients/scores/ongoing"
RETRAINED = f"<results>/transients/models/ongoing/{MAIN_TRANSIENT}/seed0"
SEARCH = TRANSIENTS["search"]
SEARCH_FOLDER = "<results>/transients/search"


# --- the ongoing survey (Sec. 4.6)


rule votes_transients:
    input:
        triplets("ongoing", "truth", "parquet"),
    output:
        votes="<results>/transients/votes/ongoing.parquet",
        labels="<results>/transients/labels/majority.parquet",
    log:
        "<logs>/votes_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        # Of the simulation, whose given labels are the majority of the same votes.
        cfg=TRANSIENTS["simulate"]
        | TRANSIENTS["surveys"]["ongoing"].get("simulate", {}),
        seed=config["seed"],
        code=code("transients/votes.py"),
    script:
        "../../scripts/transients/votes.py"


rule retrain_transients:
    input:
        shards=triplets("ongoing"),
        split=ONGOING_SPLIT,
        labels="<results>/transients/labels/majority.parquet",
        weights=f"<results>/transients/models/phase2/{MAIN_TRANSIENT}/seed0.safetensors",
        card=f"<results>/transients/models/phase2/{MAIN_TRANSIENT}/seed0.json",
    output:
        weights=f"{RETRAINED}.safetensors",
        last=f"{RETRAINED}.last.safetensors",
        card=f"{RETRAINED}.json",
        history=f"{RETRAINED}.history.csv",
        timing=f"{RETRAINED}.history.timing.csv",
        as_is=f"{ONGOING_SCORES}/as_is.parquet",
        retrained=f"{ONGOING_SCORES}/retrained.parquet",
    log:
        "<logs>/retrain_transients.log",
    benchmark:
        "<benchmarks>/retrain_transients.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        cfg=MAIN_NETWORK | {"training": MAIN_NETWORK["training"] | ONGOING["training"]},
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        own=own_file("transients", MAIN_TRANSIENT),
        scale=config["scale"],
        code=code("transients/retrain.py"),
    script:
        "../../scripts/transients/retrain.py"


rule survey_transients:
    input:
        as_is=f"{ONGOING_SCORES}/as_is.parquet",
        retrained=f"{ONGOING_SCORES}/retrained.parquet",
        votes="<results>/transients/votes/ongoing.parquet",
        split=ONGOING_SPLIT,
        features="<results>/transients/features/ongoing.parquet",
    output:
        curves=f"{TRANSIENT_TABLE}/survey_curves.parquet",
        histogram=f"{TRANSIENT_TABLE}/survey_histogram.csv",
        metrics=f"{TRANSIENT_METRIC}/survey.json",
    log:
        "<logs>/survey_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        code=code("transients/survey.py"),
    script:
        "../../scripts/transients/survey.py"


# --- search for an architecture (Sec. 4.1)


rule search_transients:
    input:
        shards=triplets("des"),
        split=transient_split("phase2"),
        labels=transient_labels("phase2"),
    output:
        trials=f"{TRANSIENT_TABLE}/search.csv",
        best=f"{SEARCH_FOLDER}/best.json",
        weights=f"{SEARCH_FOLDER}/seed0.safetensors",
        last=f"{SEARCH_FOLDER}/seed0.last.safetensors",
        card=f"{SEARCH_FOLDER}/seed0.json",
        history=f"{SEARCH_FOLDER}/seed0.history.csv",
        timing=f"{SEARCH_FOLDER}/seed0.history.timing.csv",
        scores=f"{SEARCH_FOLDER}/seed0.parquet",
    log:
        "<logs>/search_transients.log",
    benchmark:
        "<benchmarks>/search_transients.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        search={name: value for name, value in SEARCH.items() if name != "best"}
        | {"training": TRANSIENTS["training"] | SEARCH["training"]},
        training=TRANSIENTS["training"] | SEARCH["best"],
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        scale=config["scale"],
        code=code("transients/search.py"),
    script:
        "../../scripts/transients/search.py"


rule judge_search_transients:
    input:
        **TRANSIENT_VERSIONS,
        trials=f"{TRANSIENT_TABLE}/search.csv",
        best=f"{SEARCH_FOLDER}/best.json",
        scores=f"{SEARCH_FOLDER}/seed0.parquet",
        split=transient_split("phase2"),
        truth=transient_truth(),
    output:
        metrics=f"{TRANSIENT_METRIC}/search.json",
        point=f"{TRANSIENT_METRIC}/operating_point_search.json",
    log:
        "<logs>/judge_search_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cfg=TRANSIENTS["evaluate"],
        code=code("transients/judge_search.py"),
    script:
        "../../scripts/transients/judge_search.py"


measure(
    [f"{TRANSIENT_METRIC}/{name}.json" for name in ["survey", "search"]], NO_NEW_LABELS
)
measure(
    [
        f"{TRANSIENT_METRIC}/{name}.json"
        for name in ["suspects", "label_noise", "anchoring"]
    ],
    NO_TRUTH,
)
