# Trunks of transfer: pretrained on simulated galaxies, and the embeddings that they give.

TRANSFER = config["transfer"]
TRANSFER_NETWORKS = [item["name"] for item in TRANSFER["networks"]]
EMBEDDED = [name for name in TRANSFER_NETWORKS if has_embeddings(name)]
STAMP_SETS = [name for name in TRANSFER["sets"] if name != "morphology"]
if not config["network"]:
    os.environ["HF_HUB_OFFLINE"] = "1"  # jobs inherit it; caches are used all the same


rule pretrain_transfer:
    input:
        shards=lambda wildcards: (
            [] if wildcards.weights == "imagenet" else shards("transfer", "morphology")
        ),
    output:
        weights="<results>/transfer/trunks/{source}_{weights}.safetensors",
        card="<results>/transfer/trunks/{source}_{weights}.json",
    log:
        "<logs>/pretrain_transfer/{source}_{weights}.log",
    benchmark:
        "<benchmarks>/pretrain_transfer/{source}_{weights}.tsv"
    wildcard_constraints:
        source="|".join(BACKBONES),
        weights="|".join(MADE),
    # All that a network does waits for its trunk.
    priority: 60
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        size=TRANSFER["size"],
        training=TRANSFER["training"] | TRANSFER["pretraining"],
        augmentation=changes(),
        seed=config["seed"],
        scale=config["scale"],
        code=code("transfer/pretrain.py"),
    script:
        "../../scripts/transfer/pretrain.py"


rule embed_transfer:
    input:
        **{name: shards("transfer", name) for name in STAMP_SETS},
        real="<results>/transfer/data/real.h5",
        trunk=lambda wildcards: transfer_trunk(wildcards.network),
    output:
        **{
            name: f"<results>/transfer/embeddings/{{network}}/{name}.h5"
            for name in [*STAMP_SETS, "real"]
        },
    log:
        "<logs>/embed_transfer/{network}.log",
    benchmark:
        "<benchmarks>/embed_transfer/{network}.tsv"
    wildcard_constraints:
        network="|".join(EMBEDDED),
    priority: 40
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        cfg=lambda wildcards: transfer_network(wildcards.network),
        augmentation=TRANSFER["augmentation"],
        seed=config["seed"],
        code=code("transfer/embed.py"),
    script:
        "../../scripts/transfer/embed.py"
