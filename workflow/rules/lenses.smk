# Strong gravitational lenses (wilde2022): simulate, or fetch and convert -> figures of the data.

from skyneedle.lenses.fetch.archives import ARCHIVES

LENSES = config["lenses"]
REAL_SETS = real_sets()
REAL_IMAGES = {name: real_images(name) for name in REAL_SETS}


rule fetch_images_lenses:
    output:
        status="<results>/lenses/archive/{archive}.json",
    log:
        "<logs>/fetch_images_lenses/{archive}.log",
    wildcard_constraints:
        archive="|".join(ARCHIVES),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        max_gb=LENSES["images"]["max_gb"],
        mirrors=config["mirrors"],
        network=config["network"],
        folder=lambda wildcards: f"resources/lenses/{wildcards.archive}",
        manifest="resources/manifest.tsv",
        datasets="config/datasets.tsv",
        code=code("lenses/fetch_images.py"),
    script:
        "../../scripts/lenses/fetch_images.py"


if REAL_SETS:

    rule convert_lenses:
        input:
            given=lambda wildcards: REAL_IMAGES[wildcards.set]["given"],
        output:
            h5="<results>/lenses/data/{set}/{shard}.h5",
        log:
            "<logs>/convert_lenses/{set}_{shard}.log",
        benchmark:
            "<benchmarks>/convert_lenses/{set}_{shard}.tsv"
        wildcard_constraints:
            set="|".join(REAL_SETS),
            shard=r"\d{3}",
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        params:
            images=lambda wildcards: REAL_IMAGES[wildcards.set],
            code=code("lenses/convert.py"),
        script:
            "../../scripts/lenses/convert.py"


rule gallery_lenses:
    input:
        training=shards("lenses", "training"),
        impostors=shards("lenses", told("training")),
        arcs=shards("lenses", "arcs"),
        rings=shards("lenses", "rings"),
    output:
        tiles="<results>/lenses/tables/gallery.parquet",
    log:
        "<logs>/gallery_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("lenses/gallery.py"),
    script:
        "../../scripts/lenses/gallery.py"


rule recipes_lenses:
    output:
        table="<results>/lenses/tables/recipes.csv",
        tiles="<results>/lenses/tables/recipes.parquet",
    log:
        "<logs>/recipes_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 2
    params:
        cfg=LENSES["simulate"],
        n_examples=LENSES["figures"]["n_recipes"],
        seed=config["seed"],
        code=code("lenses/recipes.py"),
    script:
        "../../scripts/lenses/recipes.py"


# --- figures and tables: name -> the tables it draws

GALLERY = {"tiles": "<results>/lenses/tables/gallery.parquet"}
LENSES_DRAWN = {
    "fig1_training_images": GALLERY,
    "fig2_compound_images": GALLERY,
    "extra_impostors": GALLERY,
    "extra_compound_recipes": {
        "tiles": "<results>/lenses/tables/recipes.parquet",
        "table": "<results>/lenses/tables/recipes.csv",
    },
}


rule priors_lenses:
    output:
        csv=report(
            "<results>/tables/wilde2022/table1_compound_priors.csv",
            caption="../report/wilde2022_table1.rst",
            category="wilde2022",
            subcategory="Tables",
        ),
        md="<results>/tables/wilde2022/table1_compound_priors.md",
    log:
        "<logs>/priors_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    params:
        code=code("lenses/priors.py"),
    script:
        "../../scripts/lenses/priors.py"


FIGURES.append("<results>/tables/wilde2022/table1_compound_priors.csv")
