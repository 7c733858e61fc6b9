# The published numbers beside ours, for all experiments.


rule scoreboard:
    input:
        published="config/published.tsv",
        metrics=METRICS,
    output:
        csv=report(
            "<results>/scoreboard.csv",
            caption="../report/scoreboard.rst",
            category="Scoreboard",
        ),
        md="<results>/scoreboard.md",
    log:
        "<logs>/scoreboard.log",
    conda:
        "../../envs/skyneedle.yaml"
    params:
        scale=config["scale"],
        absent=ABSENT,
        code=code("scoreboard.py"),
    script:
        "../../scripts/scoreboard.py"
