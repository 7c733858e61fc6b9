# Networks that find strong lenses (wilde2022): train -> predict -> evaluate, on the sets of lenses.smk.

# A catalogue of real images tells no kinds of impostors, so none can be left out of them.
KINDLESS = {"training", "validation"} & set(REAL_SETS)
LENS_NETWORKS = {
    item["name"]: item
    for item in LENSES["networks"]
    if not (KINDLESS and item.get("without"))
}
# A network without a kind of impostor is held against its like, and not shown where all networks are.
COMPLETE = [name for name, item in LENS_NETWORKS.items() if not item.get("without")]
LENS_SETS = list(LENSES["sets"])
# Audit images have the layers that attribution is held against; networks are judged on them only where no
# other set tells the kinds of its impostors.
JUDGED_SETS = [
    name for name in LENS_SETS if name != "audit" or told("testing") == "audit"
]


rule train_lenses:
    input:
        training=shards("lenses", "training"),
        validation=shards("lenses", "validation"),
    output:
        weights="<results>/lenses/models/{network}/seed0.safetensors",
        last="<results>/lenses/models/{network}/seed0.last.safetensors",
        card="<results>/lenses/models/{network}/seed0.json",
        history="<results>/lenses/models/{network}/history.csv",
        timing="<results>/lenses/models/{network}/history.timing.csv",
    log:
        "<logs>/train_lenses/{network}.log",
    benchmark:
        "<benchmarks>/train_lenses/{network}.tsv"
    wildcard_constraints:
        network="|".join(LENS_NETWORKS),
    # The networks for 200 pixels are the longest chains of the graph; they start first.
    priority: lambda wildcards: 40 if "200" in wildcards.network else 0
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        cfg=lambda wildcards: lens_network(wildcards.network),
        recipe=LENSES["recipe"],
        seed=config["seed"],
        own=lambda wildcards: own_file("lenses", wildcards.network),
        scale=config["scale"],
        code=code("lenses/train.py"),
    script:
        "../../scripts/lenses/train.py"


rule predict_lenses:
    input:
        **{name: shards("lenses", name) for name in LENS_SETS},
        weights="<results>/lenses/models/{network}/seed0.safetensors",
        card="<results>/lenses/models/{network}/seed0.json",
    output:
        **{
            name: f"<results>/lenses/scores/{{network}}/{name}.parquet"
            for name in LENS_SETS
        },
    log:
        "<logs>/predict_lenses/{network}.log",
    benchmark:
        "<benchmarks>/predict_lenses/{network}.tsv"
    wildcard_constraints:
        network="|".join(LENS_NETWORKS),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        code=code("lenses/predict.py"),
    script:
        "../../scripts/lenses/predict.py"


rule evaluate_lenses:
    input:
        **{name: shards("lenses", name) for name in JUDGED_SETS},
        **{
            f"{name}_scores": f"<results>/lenses/scores/{{network}}/{name}.parquet"
            for name in JUDGED_SETS
        },
        card="<results>/lenses/models/{network}/seed0.json",
    output:
        point="<results>/lenses/metrics/operating_point_{network}.json",
        metrics="<results>/lenses/metrics/{network}.json",
    log:
        "<logs>/evaluate_lenses/{network}.log",
    wildcard_constraints:
        network="|".join(LENS_NETWORKS),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        sets=JUDGED_SETS,
        cfg={name: LENSES["evaluate"][name] for name in ("beta", "n_bootstrap")},
        recipe=LENSES["recipe"],
        code=code("lenses/evaluate.py"),
    script:
        "../../scripts/lenses/evaluate.py"


METRICS += expand("<results>/lenses/metrics/{network}.json", network=LENS_NETWORKS)
