# What runs of transients really did, and Tables 1 to 5 of ayyar2022 with our numbers beside.


rule design_transients:
    input:
        shards=triplets("des"),
        truth=transient_truth(),
        phase1=transient_split("phase1"),
        phase2=transient_split("phase2"),
    output:
        f"{TRANSIENT_METRIC}/transients_design.json",
    log:
        "<logs>/design_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        splits=["phase1", "phase2"],
        sources=[item["source"] for item in TRANSIENTS["networks"]],
        ongoing=TRANSIENTS["simulate"]
        | TRANSIENTS["surveys"]["ongoing"].get("simulate", {}),
        code=code("transients/design.py"),
    script:
        "../../scripts/transients/design.py"


rule architectures_transients:
    output:
        f"{TRANSIENT_METRIC}/architectures.json",
    log:
        "<logs>/architectures_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("transients/architectures.py"),
    script:
        "../../scripts/transients/architectures.py"


rule tables_transients:
    input:
        published="config/published.tsv",
        metrics=[
            *expand(
                f"{TRANSIENT_METRIC}/phase1_{{name}}.json",
                name=[*TRANSIENT_NETWORKS, "categories"],
            ),
            *([] if NO_NEW_LABELS else [f"{TRANSIENT_METRIC}/cases.json"]),
            rules.architectures_transients.output[0],
        ],
    output:
        **{
            name: report(
                f"<results>/tables/ayyar2022/{name}_{slug}.csv",
                caption=f"../report/ayyar2022_{name}.rst",
                category="ayyar2022",
                subcategory="Tables",
            )
            for name, slug in {
                "table1": "networks",
                "table2": "categories",
                "table3": "agreement",
                "table4": "architectures",
                "table5": "relabelled_categories",
            }.items()
            if not (NO_NEW_LABELS and name == "table5")
        },
    log:
        "<logs>/tables_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        scale=config["scale"],
        code=code("transients/tables.py"),
    script:
        "../../scripts/transients/tables.py"


FIGURES += rules.tables_transients.output
METRICS += [
    rules.design_transients.output[0],
    rules.architectures_transients.output[0],
]
