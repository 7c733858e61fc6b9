# How networks of transfer are judged, Tables 5-1 and 5-2 of akhazhanov2018 with our numbers beside, and figures.

TRANSFER_METRIC = "<results>/transfer/metrics"
TRANSFER_TABLE = "<results>/transfer/tables"
TRANSFER_JUDGED = [method["name"] for method in transfer_methods()]


rule design_transfer:
    input:
        shards=shards("transfer", "hst"),
        folds="<results>/transfer/splits/folds.parquet",
    output:
        design=f"{TRANSFER_METRIC}/transfer_design.json",
        architectures=f"{TRANSFER_METRIC}/transfer_architectures.json",
    log:
        "<logs>/design_transfer.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        augmentation=TRANSFER["augmentation"],
        methods=transfer_methods(),
        code=code("transfer/design.py"),
    script:
        "../../scripts/transfer/design.py"


rule evaluate_transfer:
    input:
        scores=[
            f"<results>/transfer/scores/{name}/hst.parquet" for name in TRANSFER_JUDGED
        ],
        others=[
            f"<results>/transfer/scores/{name}/others.parquet"
            for name in TRANSFER_JUDGED
        ],
        leak=[f"<results>/transfer/leak/{name}.parquet" for name in LEAK_NETWORKS],
        provenance=[
            f"<results>/transfer/provenance/{name}.parquet" for name in LEAK_NETWORKS
        ],
        status="<results>/transfer/data/real.json",
    output:
        methods=[f"{TRANSFER_METRIC}/transfer_{name}.json" for name in TRANSFER_JUDGED],
        table=f"{TRANSFER_METRIC}/transfer_table5_1.json",
        modes=f"{TRANSFER_METRIC}/transfer_modes.json",
        grades=f"{TRANSFER_METRIC}/transfer_grades.json",
        leak=f"{TRANSFER_METRIC}/transfer_leak.json",
        provenance=f"{TRANSFER_METRIC}/transfer_provenance.json",
        reality=f"{TRANSFER_METRIC}/transfer_reality.json",
        methods_table=f"{TRANSFER_TABLE}/methods.csv",
        folds=f"{TRANSFER_TABLE}/folds.csv",
        roc=f"{TRANSFER_TABLE}/roc.parquet",
        grades_table=f"{TRANSFER_TABLE}/grades.csv",
        candidates=f"{TRANSFER_TABLE}/candidates.parquet",
        leak_table=f"{TRANSFER_TABLE}/leak.csv",
        provenance_table=f"{TRANSFER_TABLE}/provenance.csv",
        reality_table=f"{TRANSFER_TABLE}/reality.csv",
        answers=f"{TRANSFER_TABLE}/real_answers.csv",
    log:
        "<logs>/evaluate_transfer.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        methods=transfer_methods(),
        leaked=LEAK_NETWORKS,
        n_folds=TRANSFER["folds"],
        n_bootstrap=TRANSFER["evaluate"]["n_bootstrap"],
        code=code("transfer/evaluate.py"),
    script:
        "../../scripts/transfer/evaluate.py"


rule tables_transfer:
    input:
        published="config/published.tsv",
        architectures=rules.design_transfer.output.architectures,
        methods=rules.evaluate_transfer.output.methods_table,
        grades=rules.evaluate_transfer.output.grades_table,
        folds=rules.evaluate_transfer.output.folds,
        reality=rules.evaluate_transfer.output.reality_table,
        answers=rules.evaluate_transfer.output.answers,
    output:
        **{
            key: report(
                f"<results>/tables/akhazhanov2018/{name}.csv",
                caption=f"../report/akhazhanov2018_{name}.rst",
                category="akhazhanov2018",
                subcategory="Tables",
            )
            for key, name in {
                "cross_validation": "table5-1_cross_validation",
                "grades": "table5-2_grades",
                "folds": "extra_folds",
                "reality": "extra_reality",
            }.items()
        },
    log:
        "<logs>/tables_transfer.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        scale=config["scale"],
        code=code("transfer/tables.py"),
    script:
        "../../scripts/transfer/tables.py"


FIGURES += rules.tables_transfer.output
METRICS += [
    *rules.design_transfer.output,
    *rules.evaluate_transfer.output.methods,
    *[
        f"{TRANSFER_METRIC}/transfer_{name}.json"
        for name in ["table5_1", "modes", "grades", "leak", "provenance", "reality"]
    ],
]


# --- figures

TRANSFER_DRAWN |= {
    "extra_cross_validation": {
        "folds": f"{TRANSFER_TABLE}/folds.csv",
        "methods": f"{TRANSFER_TABLE}/methods.csv",
        "printed": rules.tables_transfer.output.cross_validation,
    },
    "extra_grades": {
        "grades": f"{TRANSFER_TABLE}/grades.csv",
        "candidates": f"{TRANSFER_TABLE}/candidates.parquet",
        "printed": rules.tables_transfer.output.grades,
    },
    "extra_leak": {"leak": f"{TRANSFER_TABLE}/leak.csv"},
    "extra_provenance": {"cases": f"{TRANSFER_TABLE}/provenance.csv"},
    "extra_roc": {
        "roc": f"{TRANSFER_TABLE}/roc.parquet",
        "methods": f"{TRANSFER_TABLE}/methods.csv",
    },
}


for _figure, _tables in TRANSFER_DRAWN.items():

    rule:
        name:
            f"figure_akhazhanov2018_{_figure}"
        input:
            **_tables,
        output:
            svg=report(
                f"<results>/figures/akhazhanov2018/{_figure}.svg",
                caption=f"../report/akhazhanov2018_{_figure}.rst",
                category="akhazhanov2018",
                subcategory="Ours" if _figure.startswith("extra") else "Figures",
                labels={"figure": _figure},
            ),
            pdf=f"<results>/figures/akhazhanov2018/{_figure}.pdf",
            csv=f"<results>/figures/akhazhanov2018/{_figure}.csv",
        log:
            f"<logs>/figures/akhazhanov2018/{_figure}.log",
        conda:
            "../../envs/skyneedle.yaml"
        params:
            figure=_figure,
            code=code("transfer/figure.py"),
        script:
            "../../scripts/transfer/figure.py"

    FIGURES.append(f"<results>/figures/akhazhanov2018/{_figure}.svg")
