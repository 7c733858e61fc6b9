# Pretrained networks for lens discovery (akhazhanov2018): stamps, folds and figures of the data.

TRANSFER_DRAWN = (
    {}
)  # every figure of akhazhanov2018: name -> the tables it draws; each file of rules adds its own


rule folds_transfer:
    input:
        shards=shards("transfer", "hst"),
    output:
        folds="<results>/transfer/splits/folds.parquet",
    log:
        "<logs>/folds_transfer.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        n_folds=config["transfer"]["folds"],
        seed=config["seed"],
        code=code("transfer/folds.py"),
    script:
        "../../scripts/transfer/folds.py"


rule convert_transfer:
    output:
        h5="<results>/transfer/data/real.h5",
        status="<results>/transfer/data/real.json",
    log:
        "<logs>/convert_transfer.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        mirrors=config["mirrors"],
        network=config["network"],
        folder="resources/transfer/real",
        manifest="resources/manifest.tsv",
        datasets="config/datasets.tsv",
        seed=config["seed"],
        code=code("transfer/convert.py"),
    script:
        "../../scripts/transfer/convert.py"


rule gallery_transfer:
    input:
        **{name: shards("transfer", name) for name in config["transfer"]["sets"]},
        real=rules.convert_transfer.output.h5,
    output:
        tiles="<results>/transfer/tables/gallery.parquet",
    log:
        "<logs>/gallery_transfer.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        augmentation=config["transfer"]["augmentation"],
        seed=config["seed"],
        code=code("transfer/gallery.py"),
    script:
        "../../scripts/transfer/gallery.py"


# The ray-tracer is that of lenses, which transfer knows by its tables alone.
rule principle_lenses:
    output:
        rays="<results>/transfer/tables/light_paths.csv",
        ring="<results>/transfer/tables/einstein_ring.parquet",
    log:
        "<logs>/principle_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        seed=config["seed"],
        code=code("lenses/principle.py"),
    script:
        "../../scripts/lenses/principle.py"


TRANSFER_DRAWN |= {
    "fig2-1_gravitational_lensing": {
        "rays": rules.principle_lenses.output.rays,
        "ring": rules.principle_lenses.output.ring,
    },
    **{
        name: {"tiles": rules.gallery_transfer.output.tiles}
        for name in (
            "fig5-1_training_data",
            "fig5-2_augmented_data",
            "extra_sets",
            "extra_morphology",
        )
    },
}
