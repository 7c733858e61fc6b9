# Every figure of ayyar2022: name -> the tables it draws.

TRANSIENTS_GALLERY = {"tiles": f"{TRANSIENT_TABLE}/gallery.parquet"}
PHASE1_CURVES = {"curves": f"{TRANSIENT_TABLE}/phase1_curves.parquet"}
PHASE2_CURVES = {"curves": f"{TRANSIENT_TABLE}/phase2_curves.parquet"}
TRANSIENTS_DRAWN = {
    "fig1_network": {"layers": f"{TRANSIENT_TABLE}/layers_{MAIN_TRANSIENT}.csv"},
    "fig2_stamps": TRANSIENTS_GALLERY,
    "fig3_confusion_scheme": {},
    "fig4_old_labels": PHASE1_CURVES,
    "fig5_scores": {"histogram": f"{TRANSIENT_TABLE}/phase1_histogram.csv"},
    "fig6_relabelled": TRANSIENTS_GALLERY,
    "fig7_judged_by_new_labels": PHASE1_CURVES,
    "fig8_new_labels": PHASE2_CURVES | {"crossed": f"{TRANSIENT_TABLE}/crossed.csv"},
    "fig9_roc": PHASE2_CURVES,
    "fig10_learning_curves": {"curves": f"{TRANSIENT_TABLE}/learning_curves.csv"},
    "fig11_confusion": {"confusion": f"{TRANSIENT_TABLE}/phase2_confusion.csv"},
    "fig12_ongoing_survey": {
        "curves": f"{TRANSIENT_TABLE}/survey_curves.parquet",
        "histogram": f"{TRANSIENT_TABLE}/survey_histogram.csv",
    },
    "fig13_real_bogus": {"histogram": f"{TRANSIENT_TABLE}/survey_histogram.csv"},
    "extra_crossed": {"crossed": f"{TRANSIENT_TABLE}/crossed.csv"},
    "extra_importances": {
        "importances": [
            f"<results>/transients/models/phase2/forest/seed{number}.importances.csv"
            for number in range(TRAINED_AGAIN["forest"])
        ]
    },
    "extra_search": {"trials": f"{TRANSIENT_TABLE}/search.csv"},
}
if not NO_TRUTH:
    TRANSIENTS_DRAWN |= {
        "extra_kinds": TRANSIENTS_GALLERY,
        "extra_label_noise": {"noise": f"{TRANSIENT_TABLE}/label_noise.csv"},
        "extra_strata": {"strata": f"{TRANSIENT_TABLE}/strata.csv"},
        "extra_suspects": {"scored": f"{TRANSIENT_TABLE}/suspects.csv"},
    }
if NO_NEW_LABELS:  # what the paper drew before it changed any
    TRANSIENTS_DRAWN = {
        name: TRANSIENTS_DRAWN[name]
        for name in [
            "fig1_network",
            "fig2_stamps",
            "fig3_confusion_scheme",
            "fig4_old_labels",
            "fig5_scores",
        ]
    }


rule layers_transients:
    output:
        f"{TRANSIENT_TABLE}/layers_{MAIN_TRANSIENT}.csv",
    log:
        "<logs>/layers_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        network={key: MAIN_NETWORK[key] for key in ["source", "options"]},
        own=own_file("transients", MAIN_TRANSIENT),
        code=code("transients/layers.py"),
    script:
        "../../scripts/transients/layers.py"


for _figure, _tables in TRANSIENTS_DRAWN.items():

    rule:
        name:
            f"figure_ayyar2022_{_figure}"
        input:
            **_tables,
        output:
            svg=report(
                f"<results>/figures/ayyar2022/{_figure}.svg",
                caption=f"../report/ayyar2022_{_figure}.rst",
                category="ayyar2022",
                subcategory="Ours" if _figure.startswith("extra") else "Figures",
                labels={"figure": _figure},
            ),
            pdf=f"<results>/figures/ayyar2022/{_figure}.pdf",
            csv=f"<results>/figures/ayyar2022/{_figure}.csv",
        log:
            f"<logs>/figures/ayyar2022/{_figure}.log",
        conda:
            "../../envs/skyneedle.yaml"
        params:
            figure=_figure,
            code=code("transients/figure.py"),
        script:
            "../../scripts/transients/figure.py"

    FIGURES.append(f"<results>/figures/ayyar2022/{_figure}.svg")
