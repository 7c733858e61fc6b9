# Every figure of wilde2022, from the tables that the other files of rules name in LENSES_DRAWN.

LENSES_OPTIONS = {
    name: {"shown": [*JUDGING["shown"], *ENSEMBLE, *BASELINE]}
    for name in ("extra_completeness", "extra_false_positives")
}

for _figure, _tables in LENSES_DRAWN.items():

    rule:
        name:
            f"figure_wilde2022_{_figure}"
        input:
            **_tables,
        output:
            svg=report(
                f"<results>/figures/wilde2022/{_figure}.svg",
                caption=f"../report/wilde2022_{_figure}.rst",
                category="wilde2022",
                subcategory="Ours" if _figure.startswith("extra") else "Figures",
                labels={"figure": _figure},
            ),
            pdf=f"<results>/figures/wilde2022/{_figure}.pdf",
            csv=f"<results>/figures/wilde2022/{_figure}.csv",
        log:
            f"<logs>/figures/wilde2022/{_figure}.log",
        conda:
            "../../envs/skyneedle.yaml"
        params:
            figure=_figure,
            options=LENSES_OPTIONS.get(_figure, {}),
            code=code("lenses/figure.py"),
        script:
            "../../scripts/lenses/figure.py"

    FIGURES.append(f"<results>/figures/wilde2022/{_figure}.svg")
