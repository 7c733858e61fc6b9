# What the networks of wilde2022 are and what they dream of: architectures, learning curves, class-generated
# images, Deep Dream and kernels.

DREAMS = LENSES["dreams"]
# A network that the run does not train is not looked at.
DREAM_NETWORKS = [name for name in DREAMS["networks"] if name in LENS_NETWORKS]


rule architecture_lenses:
    input:
        printed="config/wilde2022_architectures.tsv",
    output:
        ou66=report(
            "<results>/tables/wilde2022/table3_ou66.csv",
            caption="../report/wilde2022_table3.rst",
            category="wilde2022",
            subcategory="Tables",
        ),
        ou66_md="<results>/tables/wilde2022/table3_ou66.md",
        ou200=report(
            "<results>/tables/wilde2022/table4_ou200.csv",
            caption="../report/wilde2022_table4.rst",
            category="wilde2022",
            subcategory="Tables",
        ),
        ou200_md="<results>/tables/wilde2022/table4_ou200.md",
    log:
        "<logs>/architecture_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("lenses/architecture.py"),
    script:
        "../../scripts/lenses/architecture.py"


rule dreams_lenses:
    input:
        testing=shards("lenses", "testing"),
        training=shards("lenses", "training"),
        weights="<results>/lenses/models/{network}/seed0.safetensors",
        card="<results>/lenses/models/{network}/seed0.json",
    output:
        dreams="<results>/lenses/tables/dreams_{network}.parquet",
        kernels="<results>/lenses/tables/kernels_{network}.parquet",
        activations="<results>/lenses/tables/kernel_activations_{network}.parquet",
        summary="<results>/lenses/tables/kernel_activations_{network}.csv",
    log:
        "<logs>/dreams_lenses/{network}.log",
    benchmark:
        "<benchmarks>/dreams_lenses/{network}.tsv"
    wildcard_constraints:
        network="|".join(DREAM_NETWORKS) or "none",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        cfg=DREAMS,
        recipe=LENSES["recipe"],
        seed=config["seed"],
        code=code("lenses/dreams.py"),
    script:
        "../../scripts/lenses/dreams.py"


# --- figures: name -> the tables it draws

HISTORIES = {
    "histories": expand(
        "<results>/lenses/models/{network}/history.csv", network=COMPLETE
    )
}
LENSES_DRAWN |= {
    "fig4_accuracy": HISTORIES,
    "fig5_loss": HISTORIES,
    "fig7_ou66": {"layers": "<results>/tables/wilde2022/table3_ou66.csv"},
    "fig8_ou200": {"layers": "<results>/tables/wilde2022/table4_ou200.csv"},
}
for _name, _figure in (
    ("ou66", "fig14_kernels_ou66"),
    ("ou200", "fig15_kernels_ou200"),
):
    if _name in DREAM_NETWORKS:
        LENSES_DRAWN[_figure] = {
            "kernels": f"<results>/lenses/tables/kernels_{_name}.parquet"
        }
if DREAM_NETWORKS:
    LENSES_DRAWN["fig16_dreams"] = {
        "dreams": expand(
            "<results>/lenses/tables/dreams_{network}.parquet", network=DREAM_NETWORKS
        )
    }


FIGURES += [
    "<results>/tables/wilde2022/table3_ou66.csv",
    "<results>/tables/wilde2022/table4_ou200.csv",
]
