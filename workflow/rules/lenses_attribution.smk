# What networks look at (wilde2022): occlusion maps, guided Grad-CAM, and which attribution can be believed.

ATTRIBUTION = LENSES["interpret"]
LENS_MASKS = {item["name"]: item["mask_pixels"] for item in ATTRIBUTION["networks"]}
for _name in LENS_MASKS:
    if _name not in LENS_NETWORKS:
        raise WorkflowError(
            f"lenses: interpret names the network '{_name}'; there is {', '.join(LENS_NETWORKS)}."
        )
ATTRIBUTED_SETS = {
    name: shards("lenses", name) for name in ("testing", "arcs", "rings", "audit")
} | {"known": "<results>/lenses/data/known/000.h5"}


rule attribute_lenses:
    input:
        **ATTRIBUTED_SETS,
        weights="<results>/lenses/models/{network}/seed0.safetensors",
        card="<results>/lenses/models/{network}/seed0.json",
    output:
        tiles="<results>/lenses/attribution/{network}_tiles.parquet",
        maps="<results>/lenses/attribution/{network}_maps.parquet",
    log:
        "<logs>/attribute_lenses/{network}.log",
    benchmark:
        "<benchmarks>/attribute_lenses/{network}.tsv"
    wildcard_constraints:
        network="|".join(LENS_MASKS),
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        sets=list(ATTRIBUTED_SETS),
        mask_pixels=lambda wildcards: LENS_MASKS[wildcards.network],
        n_occlusion=ATTRIBUTION["n_occlusion"],
        n_audit=ATTRIBUTION["n_audit"],
        recipe=LENSES["recipe"],
        seed=config["seed"],
        code=code("lenses/attribute.py"),
    script:
        "../../scripts/lenses/attribute.py"


rule attribution_scores_lenses:
    input:
        maps=expand(
            "<results>/lenses/attribution/{network}_maps.parquet", network=LENS_MASKS
        ),
    output:
        csv=report(
            "<results>/tables/wilde2022/extra_attribution.csv",
            caption="../report/wilde2022_extra_attribution.rst",
            category="wilde2022",
            subcategory="Ours",
        ),
        md="<results>/tables/wilde2022/extra_attribution.md",
    log:
        "<logs>/attribution_scores_lenses.log",
    conda:
        "../../envs/skyneedle.yaml"
    params:
        n_bootstrap=ATTRIBUTION["n_bootstrap"],
        code=code("lenses/attribution_scores.py"),
    script:
        "../../scripts/lenses/attribution_scores.py"


ATTRIBUTION_TILES = {
    "tiles": expand(
        "<results>/lenses/attribution/{network}_tiles.parquet", network=LENS_MASKS
    )
}
LENSES_DRAWN |= {
    "fig11_occlusion_singles": ATTRIBUTION_TILES,
    "fig12_occlusion_compounds": ATTRIBUTION_TILES,
    "fig13_occlusion_known": ATTRIBUTION_TILES,
    "fig17_guided_grad_cam": ATTRIBUTION_TILES,
    "extra_attribution_scores": {
        "table": "<results>/tables/wilde2022/extra_attribution.csv",
    },
}


FIGURES.append("<results>/tables/wilde2022/extra_attribution.csv")
