# Cross-validation of transfer: heads on embeddings, whole networks, classical methods, and the leaks.

CLASSICAL = ["gmm", "kpca_trees", "kpca_mlp"]
FOLDS = "<results>/transfer/splits/folds.parquet"
JUDGED = "<results>/transfer/scores/{network}"
KEPT = "<results>/transfer/models/{network}"
LEAK_NETWORKS = leak_networks()

# Heads of frozen trunks, one rule for each number of folds: so many models it writes.
for _n, _names in by_folds(EMBEDDED).items():

    rule:
        name:
            f"crossvalidate_heads_transfer_{_n}"
        input:
            **{
                name: f"<results>/transfer/embeddings/{{network}}/{name}.h5"
                for name in [*STAMP_SETS, "real"]
            },
            folds=FOLDS,
        output:
            weights=[f"{KEPT}/fold{k}.safetensors" for k in range(_n)],
            cards=[f"{KEPT}/fold{k}.json" for k in range(_n)],
            history=f"{KEPT}/history.csv",
            timing=f"{KEPT}/history.timing.csv",
            divided=f"{JUDGED}/hst.parquet",
            others=f"{JUDGED}/others.parquet",
            metrics="<results>/transfer/metrics/training_{network}.json",
        log:
            "<logs>/crossvalidate_heads_transfer/{network}.log",
        benchmark:
            "<benchmarks>/crossvalidate_heads_transfer/{network}.tsv"
        wildcard_constraints:
            network="|".join(_names),
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        params:
            cfg=lambda wildcards: transfer_network(wildcards.network),
            recipe=TRANSFER["recipe"],
            seed=config["seed"],
            scale=config["scale"],
            code=code("transfer/crossvalidate_heads.py"),
        script:
            "../../scripts/transfer/crossvalidate_heads.py"


# All other networks see the stamps themselves in each epoch.
for _n, _names in by_folds(
    name for name in TRANSFER_NETWORKS if name not in EMBEDDED
).items():

    rule:
        name:
            f"crossvalidate_networks_transfer_{_n}"
        input:
            **{name: shards("transfer", name) for name in STAMP_SETS},
            real="<results>/transfer/data/real.h5",
            folds=FOLDS,
            trunk=lambda wildcards: transfer_trunk(wildcards.network),
        output:
            weights=[f"{KEPT}/fold{k}.safetensors" for k in range(_n)],
            cards=[f"{KEPT}/fold{k}.json" for k in range(_n)],
            history=f"{KEPT}/history.csv",
            timing=f"{KEPT}/history.timing.csv",
            divided=f"{JUDGED}/hst.parquet",
            others=f"{JUDGED}/others.parquet",
            metrics="<results>/transfer/metrics/training_{network}.json",
        log:
            "<logs>/crossvalidate_networks_transfer/{network}.log",
        benchmark:
            "<benchmarks>/crossvalidate_networks_transfer/{network}.tsv"
        wildcard_constraints:
            network="|".join(_names),
        # They take longest of all that waits for nothing but stamps and a trunk.
        priority: 50
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        resources:
            gpu=1,
        params:
            cfg=lambda wildcards: transfer_network(wildcards.network),
            augmentation=changes(),
            copies=TRANSFER["augmentation"]["copies"],
            recipe=TRANSFER["recipe"],
            seed=config["seed"],
            own=lambda wildcards: own_file("transfer", wildcards.network),
            scale=config["scale"],
            code=code("transfer/crossvalidate_networks.py"),
        script:
            "../../scripts/transfer/crossvalidate_networks.py"


rule baselines_transfer:
    input:
        **{name: shards("transfer", name) for name in STAMP_SETS},
        real="<results>/transfer/data/real.h5",
        folds=FOLDS,
    output:
        divided=expand(f"{JUDGED}/hst.parquet", network=CLASSICAL),
        others=expand(f"{JUDGED}/others.parquet", network=CLASSICAL),
    log:
        "<logs>/baselines_transfer.log",
    benchmark:
        "<benchmarks>/baselines_transfer.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        methods=CLASSICAL,
        augmentation=changes(),
        copies=TRANSFER["augmentation"]["copies"],
        recipe=TRANSFER["recipe"],
        seed=config["seed"],
        code=code("transfer/baselines.py"),
    script:
        "../../scripts/transfer/baselines.py"


rule leak_transfer:
    input:
        "<results>/transfer/embeddings/{network}/hst.h5",
    output:
        "<results>/transfer/leak/{network}.parquet",
    log:
        "<logs>/leak_transfer/{network}.log",
    benchmark:
        "<benchmarks>/leak_transfer/{network}.tsv"
    wildcard_constraints:
        network="|".join(LEAK_NETWORKS),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cfg=lambda wildcards: transfer_network(wildcards.network),
        n_parents=TRANSFER["leak"]["n_parents"],
        n_folds=TRANSFER["folds"],
        seed=config["seed"],
        code=code("transfer/leak.py"),
    script:
        "../../scripts/transfer/leak.py"


rule provenance_transfer:
    input:
        hst="<results>/transfer/embeddings/{network}/hst.h5",
        hard="<results>/transfer/embeddings/{network}/hard.h5",
    output:
        "<results>/transfer/provenance/{network}.parquet",
    log:
        "<logs>/provenance_transfer/{network}.log",
    benchmark:
        "<benchmarks>/provenance_transfer/{network}.tsv"
    wildcard_constraints:
        network="|".join(LEAK_NETWORKS),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cfg=lambda wildcards: transfer_network(wildcards.network),
        n_folds=TRANSFER["folds"],
        seed=config["seed"],
        code=code("transfer/provenance.py"),
    script:
        "../../scripts/transfer/provenance.py"


METRICS += expand(
    "<results>/transfer/metrics/training_{network}.json", network=TRANSFER_NETWORKS
)
