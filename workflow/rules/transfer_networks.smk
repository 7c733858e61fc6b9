# Trunks of transfer: pretrained on simulated galaxies, and the embeddings that they give.

TRANSFER = config["transfer"]
TRANSFER_NETWORKS = [item["name"] for item in TRANSFER["networks"]]
EMBEDDED = [name for name in TRANSFER_NETWORKS if has_embeddings(name)]
STAMP_SETS = [name for name in TRANSFER["sets"] if name != "morphology"]

# A file of weights that is not there is told before anything is planned.
for _name in TRANSFER_NETWORKS:
    transfer_trunk(_name)


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


# --- how networks are built

TRANSFER_GRAPHS = "<results>/transfer/tables/graph_{}.csv"
TRANSFER_LAYERS = "<results>/transfer/tables/layers_{}.csv"


rule architectures_transfer:
    output:
        **{
            name: TRANSFER_GRAPHS.format(name)
            for name in ["deeplens", "inception", "resnet", "nasnet"]
        },
        **{name: TRANSFER_LAYERS.format(name) for name in ["lensflow", "vgg16"]},
    log:
        "<logs>/architectures_transfer.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("transfer/architectures.py"),
    script:
        "../../scripts/transfer/architectures.py"


rule table_lensflow_transfer:
    input:
        printed="config/akhazhanov2018_architectures.tsv",
    output:
        csv=report(
            "<results>/tables/akhazhanov2018/table3-1_lensflow.csv",
            caption="../report/akhazhanov2018_table3-1.rst",
            category="akhazhanov2018",
            subcategory="Tables",
        ),
        md="<results>/tables/akhazhanov2018/table3-1_lensflow.md",
    log:
        "<logs>/table_lensflow_transfer.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("transfer/table_lensflow.py"),
    script:
        "../../scripts/transfer/table_lensflow.py"


FIGURES.append("<results>/tables/akhazhanov2018/table3-1_lensflow.csv")
TRANSFER_DRAWN |= {
    "fig3-1_deeplens": {"graph": TRANSFER_GRAPHS.format("deeplens")},
    "fig4-1_network": {"layers": TRANSFER_LAYERS.format("lensflow")},
    "fig4-2_vgg16": {"layers": TRANSFER_LAYERS.format("vgg16")},
    "fig4-3_inception": {"graph": TRANSFER_GRAPHS.format("inception")},
    "fig4-4_residual_block": {"graph": TRANSFER_GRAPHS.format("resnet")},
    "fig4-5_nasnet": {"graph": TRANSFER_GRAPHS.format("nasnet")},
}
