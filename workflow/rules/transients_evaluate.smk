# How classifiers of transients are judged: by given labels, by labels after the review, and by the truth.

TRANSIENT_METRIC = "<results>/transients/metrics"
TRANSIENT_TABLE = "<results>/transients/tables"
BASELINES = ["peak_snr"]
SEEDS = {name: item.get("seeds", 1) for name, item in TRANSIENT_NETWORKS.items()}
SEEDS["forest"] = SEEDS[MAIN_TRANSIENT]
# In every case: the methods, and with how many trainings each.
TRANSIENT_METHODS = {
    "phase1": {name: 1 for name in [*TRANSIENT_NETWORKS, "forest", *BASELINES]},
    "phase2": {name: SEEDS.get(name, 1) for name in [*SEEDS, *BASELINES]},
    "phase2_given": {name: SEEDS[name] for name in [MAIN_TRANSIENT, "forest"]},
}
TRANSIENT_JUDGED = {
    "given": "<results>/transients/labels/given.parquet",
    "relabelled": "<results>/transients/labels/relabelled.parquet",
}


def transient_scores(case, method, number=0):
    return f"<results>/transients/scores/{case}/{method}/seed{number}.parquet"


def all_transient_scores(case, method):
    return [
        transient_scores(case, method, number)
        for number in range(TRANSIENT_METHODS[case][method])
    ]


rule peak_snr_transients:
    input:
        shards=triplets("des"),
        labels=lambda wildcards: transient_labels(wildcards.case),
    output:
        "<results>/transients/scores/{case}/peak_snr/seed0.parquet",
    log:
        "<logs>/peak_snr_transients/{case}.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("transients/peak_snr.py"),
    script:
        "../../scripts/transients/peak_snr.py"


rule judge_transients:
    input:
        scores=lambda wildcards: [
            transient_scores(wildcards.case, method)
            for method in TRANSIENT_METHODS[wildcards.case]
        ],
        split=lambda wildcards: transient_split(wildcards.case),
        truth=triplets("des", "truth", "parquet"),
        **TRANSIENT_JUDGED,
    output:
        done=f"{TRANSIENT_TABLE}/{{case}}_judged.csv",
    log:
        "<logs>/judge_transients/{case}.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        methods=lambda wildcards: list(TRANSIENT_METHODS[wildcards.case]),
        cfg=TRANSIENTS["evaluate"],
        code=code("transients/judge.py"),
    script:
        "../../scripts/transients/judge.py"
