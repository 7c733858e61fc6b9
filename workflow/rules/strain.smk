# Gravitational waves in LIGO strain (gebhard2019): fetch | simulate -> train -> predict -> evaluate | interpret -> figures.

STRAIN = config["strain"]
TRAINED = [item["name"] for item in STRAIN["networks"]]
SCORED = [*TRAINED, "excess_power"]
MAIN = STRAIN["evaluate"]["main"]
COMPARE = STRAIN["evaluate"]["compare"]
PIECEWISE = [
    item["name"]
    for item in STRAIN["networks"]
    if item.get("targets", {}).get("kind") == "piece"
]
STREAMED = [MAIN, *PIECEWISE[:1], "excess_power"]
CLASSIFIER_POSITION_S = network("strain", COMPARE["shares"][0])["targets"].get(
    "position_s", [0.75, 1.0]
)
FROM_ARCHIVE = STRAIN["simulate"]["source"] == "gwosc"
PLAN = "<results>/strain/fetched/background.json"
MANIFEST = "resources/manifest.tsv"
DATASETS = "config/datasets.tsv"
SIMULATED = {**STRAIN["simulate"], "recipe": STRAIN["recipe"]}
# A stretch with known signals needs noise of a known PSD, whatever the examples are made from.
STREAM = {**SIMULATED, "source": "simulated", "recipe": "corrected"}
STRETCH = "<results>/strain/data/stream"


wildcard_constraints:
    set="training|validation|testing",
    shard=r"\d{3}",
    network="|".join(SCORED),


# --- fetch


rule fetch_event:
    output:
        status="<results>/strain/fetched/{event}.json",
    log:
        "<logs>/fetch_event/{event}.log",
    conda:
        "../../envs/skyneedle.yaml"
    params:
        mirrors=config["mirrors"],
        network=config["network"],
        folder="resources/strain",
        manifest=MANIFEST,
        datasets=DATASETS,
        code=code("strain/fetch_event.py"),
    script:
        "../../scripts/strain/fetch_event.py"


rule fetch_background:
    output:
        index=PLAN,
    log:
        "<logs>/fetch_background.log",
    conda:
        "../../envs/skyneedle.yaml"
    params:
        cfg={
            **STRAIN["background"],
            "detectors": STRAIN["simulate"]["detectors"],
            "recipe": STRAIN["recipe"],
        },
        mirrors=config["mirrors"],
        network=config["network"],
        folder="resources/strain",
        manifest=MANIFEST,
        datasets=DATASETS,
        code=code("strain/fetch_background.py"),
    script:
        "../../scripts/strain/fetch_background.py"


# --- simulate


rule simulate_strain:
    input:
        plan=PLAN if FROM_ARCHIVE else [],
    output:
        h5="<results>/strain/data/{set}/{shard}.h5",
    log:
        "<logs>/simulate_strain/{set}_{shard}.log",
    benchmark:
        "<benchmarks>/simulate_strain/{set}_{shard}.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 2
    params:
        cfg=SIMULATED,
        set=lookup(dpath="strain/sets/{set}", within=config),
        # Real background is shared out among all examples, so each shard depends on how many there are.
        sets=STRAIN["sets"] if FROM_ARCHIVE else None,
        seed=config["seed"],
        code=code("strain/simulate.py"),
    script:
        "../../scripts/strain/simulate.py"


rule simulate_stream_strain:
    output:
        stretch=directory(STRETCH),
    log:
        "<logs>/simulate_stream_strain.log",
    benchmark:
        "<benchmarks>/simulate_stream_strain.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cfg=STREAM,
        stream=STRAIN["stream"],
        seed=config["seed"],
        code=code("strain/simulate_stream.py"),
    script:
        "../../scripts/strain/simulate_stream.py"


# --- train and predict


rule train_strain:
    input:
        training=shards("strain", "training"),
        validation=shards("strain", "validation"),
    output:
        weights="<results>/strain/models/{network}/seed0.safetensors",
        last="<results>/strain/models/{network}/seed0.last.safetensors",
        card="<results>/strain/models/{network}/seed0.json",
        history="<results>/strain/models/{network}/history.csv",
        timing="<results>/strain/models/{network}/history.timing.csv",
    log:
        "<logs>/train_strain/{network}.log",
    benchmark:
        "<benchmarks>/train_strain/{network}.tsv"
    # The main network is the longest chain of the graph; it starts first.
    priority: lambda wildcards: 50 if wildcards.network == MAIN else 0
    conda:
        "../../envs/skyneedle.yaml"
    # Two trainings side by side use two cores better than one that waits for its own threads.
    threads: 1
    resources:
        gpu=1,
    params:
        cfg=lambda wildcards: network("strain", wildcards.network),
        recipe=STRAIN["recipe"],
        seed=config["seed"],
        own=lambda wildcards: own_file("strain", wildcards.network),
        scale=config["scale"],
        code=code("strain/train.py"),
    script:
        "../../scripts/strain/train.py"


rule predict_strain:
    input:
        weights="<results>/strain/models/{network}/seed0.safetensors",
        card="<results>/strain/models/{network}/seed0.json",
        validation=shards("strain", "validation"),
        testing=shards("strain", "testing"),
    output:
        validation=directory("<results>/strain/outputs/{network}/validation"),
        testing=directory("<results>/strain/outputs/{network}/testing"),
    log:
        "<logs>/predict_strain/{network}.log",
    benchmark:
        "<benchmarks>/predict_strain/{network}.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        code=code("strain/predict.py"),
    script:
        "../../scripts/strain/predict.py"


rule baseline_strain:
    input:
        training=shards("strain", "training"),
        validation=shards("strain", "validation"),
        testing=shards("strain", "testing"),
    output:
        card="<results>/strain/models/excess_power/card.json",
        validation=directory("<results>/strain/outputs/excess_power/validation"),
        testing=directory("<results>/strain/outputs/excess_power/testing"),
    log:
        "<logs>/baseline_strain.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        code=code("strain/baseline.py"),
    script:
        "../../scripts/strain/baseline.py"


ruleorder: baseline_strain > predict_strain


# --- evaluate


rule evaluate_strain:
    input:
        validation_outputs="<results>/strain/outputs/{network}/validation",
        testing_outputs="<results>/strain/outputs/{network}/testing",
        validation=shards("strain", "validation"),
        testing=shards("strain", "testing"),
        card=lambda wildcards: (
            []
            if wildcards.network == "excess_power"
            else f"<results>/strain/models/{wildcards.network}/seed0.json"
        ),
    output:
        point="<results>/strain/metrics/operating_point_{network}.json",
        metrics="<results>/strain/metrics/{network}.json",
        by_snr="<results>/strain/tables/{network}/by_snr.csv",
        by_tolerance="<results>/strain/tables/{network}/by_tolerance.csv",
        by_postprocessing="<results>/strain/tables/{network}/by_postprocessing.csv",
        triggers="<results>/strain/triggers/{network}/testing.parquet",
    log:
        "<logs>/evaluate_strain/{network}.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cfg={key: STRAIN["evaluate"][key] for key in ("target_ifpr_s", "n_bootstrap")},
        recipe=STRAIN["recipe"],
        code=code("strain/evaluate.py"),
    script:
        "../../scripts/strain/evaluate.py"


rule stream_strain:
    input:
        stretch=STRETCH,
        point="<results>/strain/metrics/operating_point_{network}.json",
        model=lambda wildcards: (
            "<results>/strain/models/excess_power/card.json"
            if wildcards.network == "excess_power"
            else f"<results>/strain/models/{wildcards.network}/seed0.safetensors"
        ),
    output:
        table="<results>/strain/tables/stream/{network}.csv",
        triggers="<results>/strain/triggers/{network}/stream.parquet",
    log:
        "<logs>/stream_strain/{network}.log",
    benchmark:
        "<benchmarks>/stream_strain/{network}.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 2
    resources:
        gpu=1,
    params:
        recipe=STRAIN["recipe"],
        code=code("strain/stream.py"),
    script:
        "../../scripts/strain/stream.py"


rule events_strain:
    input:
        status=expand("<results>/strain/fetched/{event}.json", event=STRAIN["events"]),
        point="<results>/strain/metrics/operating_point_{network}.json",
        metrics="<results>/strain/metrics/{network}.json",
        model="<results>/strain/models/{network}/seed0.safetensors",
    output:
        table="<results>/strain/tables/{network}/events.csv",
        traces="<results>/strain/tables/{network}/events.parquet",
        metrics="<results>/strain/metrics/events_{network}.json",
    log:
        "<logs>/events_strain/{network}.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 2
    resources:
        gpu=1,
    params:
        recipe=STRAIN["recipe"],
        code=code("strain/events.py"),
    script:
        "../../scripts/strain/events.py"


rule classifier_strain:
    input:
        models=expand(
            "<results>/strain/models/{network}/seed0.safetensors",
            network=COMPARE["shares"],
        ),
        cards=expand(
            "<results>/strain/models/{network}/seed0.json", network=COMPARE["shares"]
        ),
        main=f"<results>/strain/models/{MAIN}/seed0.safetensors",
        testing=shards("strain", "testing"),
        stretch=STRETCH,
    output:
        share="<results>/strain/tables/classifier/share.csv",
        counting="<results>/strain/tables/classifier/counting.csv",
        position="<results>/strain/tables/classifier/position.csv",
    log:
        "<logs>/classifier_strain.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 2
    resources:
        gpu=1,
    params:
        shares=[
            network("strain", name)["targets"].get("share", 0.5)
            for name in COMPARE["shares"]
        ],
        position_s=CLASSIFIER_POSITION_S,
        recipe=STRAIN["recipe"],
        seed=config["seed"],
        code=code("strain/classifier.py"),
    script:
        "../../scripts/strain/classifier.py"


rule compare_strain:
    input:
        triggers=expand(
            "<results>/strain/triggers/{network}/testing.parquet", network=SCORED
        ),
        testing=shards("strain", "testing"),
        share="<results>/strain/tables/classifier/share.csv",
        counting="<results>/strain/tables/classifier/counting.csv",
        position="<results>/strain/tables/classifier/position.csv",
    output:
        differences="<results>/strain/metrics/differences.json",
        speed="<results>/strain/metrics/speed.json",
    log:
        "<logs>/compare_strain.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        compare=COMPARE,
        networks=[network("strain", name) for name in TRAINED],
        main=MAIN,
        position_s=CLASSIFIER_POSITION_S,
        seed=config["seed"],
        code=code("strain/compare.py"),
    script:
        "../../scripts/strain/compare.py"


rule recipes_strain:
    output:
        table="<results>/strain/tables/recipes.csv",
    log:
        "<logs>/recipes_strain.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cfg=STRAIN["simulate"],
        n_examples=STRAIN["evaluate"]["n_recipes"],
        seed=config["seed"],
        code=code("strain/recipes.py"),
    script:
        "../../scripts/strain/recipes.py"


rule design_strain:
    input:
        training=shards("strain", "training"),
        validation=shards("strain", "validation"),
        testing=shards("strain", "testing"),
        receptive_field=f"<results>/strain/tables/{MAIN}/receptive_field.csv",
    output:
        metrics="<results>/strain/metrics/design.json",
    log:
        "<logs>/design_strain.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        network=network("strain", MAIN),
        simulate=STRAIN["simulate"],
        interpret=STRAIN["interpret"],
        code=code("strain/design.py"),
    script:
        "../../scripts/strain/design.py"


# --- interpret


rule interpret_strain:
    input:
        model="<results>/strain/models/{network}/seed0.safetensors",
        testing=shards("strain", "testing"),
    output:
        preimages="<results>/strain/tables/{network}/preimages.parquet",
        contrived="<results>/strain/tables/{network}/contrived.csv",
        receptive_field="<results>/strain/tables/{network}/receptive_field.csv",
        connectivity="<results>/strain/tables/{network}/connectivity.csv",
        preimages_metrics="<results>/strain/metrics/preimages_{network}.json",
        contrived_metrics="<results>/strain/metrics/contrived_{network}.json",
    log:
        "<logs>/interpret_strain/{network}.log",
    benchmark:
        "<benchmarks>/interpret_strain/{network}.tsv"
    conda:
        "../../envs/skyneedle.yaml"
    threads: 2
    resources:
        gpu=1,
    params:
        cfg=STRAIN["interpret"],
        simulate=STREAM,
        recipe=STRAIN["recipe"],
        seed=config["seed"],
        code=code("strain/interpret.py"),
    script:
        "../../scripts/strain/interpret.py"


# --- figures and tables: name -> the tables it draws, and what no table holds

RAN = f"<results>/strain/tables/{MAIN}"
METRIC = "<results>/strain/metrics"
COMPARED = {
    "metrics": expand("<results>/strain/metrics/{network}.json", network=SCORED)
}
DRAWN = {
    "fig1_pycbc_pipeline": ({}, {}),
    "fig2_data_generation": (
        {},
        {
            **SIMULATED,
            "sets": {name: item["n_examples"] for name, item in STRAIN["sets"].items()},
        },
    ),
    "fig3_receptive_field": (
        {
            "receptive_field": f"{RAN}/receptive_field.csv",
            "connectivity": f"{RAN}/connectivity.csv",
        },
        {},
    ),
    "fig4_detection_ratio": ({"by_snr": f"{RAN}/by_snr.csv"}, {}),
    "fig5_inverse_false_positive_rate": (
        {"by_tolerance": f"{RAN}/by_tolerance.csv"},
        {},
    ),
    "fig6_postprocessing": (
        {
            "by_postprocessing": f"{RAN}/by_postprocessing.csv",
            "point": f"{METRIC}/operating_point_{MAIN}.json",
            "metrics": f"{METRIC}/{MAIN}.json",
        },
        {"exposure": "paper" if STRAIN["recipe"] == "faithful" else "evaluated"},
    ),
    "fig7_real_events": (
        {"events": f"{RAN}/events.csv", "traces": f"{RAN}/events.parquet"},
        {},
    ),
    "fig8_preimages": ({"preimages": f"{RAN}/preimages.parquet"}, {}),
    "extra_learning_curves": (
        {
            "histories": expand(
                "<results>/strain/models/{network}/history.csv", network=TRAINED
            )
        },
        {},
    ),
    "extra_width": (
        COMPARED,
        {
            "channels": {
                name: network("strain", name)["options"]["channels"]
                for name in COMPARE["width"]
            }
        },
    ),
    "extra_detectors": (
        COMPARED,
        {
            "detectors": {
                name: " ".join(network("strain", name)["detectors"])
                for name in COMPARE["detectors"]
            }
        },
    ),
    "extra_networks": (COMPARED, {}),
    "extra_stream": (
        {
            "streams": expand(
                "<results>/strain/tables/stream/{network}.csv", network=STREAMED
            )
        },
        {},
    ),
    "extra_classifier_share": (
        {"table": "<results>/strain/tables/classifier/share.csv"},
        {},
    ),
    "extra_classifier_counting": (
        {"table": "<results>/strain/tables/classifier/counting.csv"},
        {},
    ),
    "extra_classifier_position": (
        {"table": "<results>/strain/tables/classifier/position.csv"},
        {},
    ),
    "extra_contrived": ({"contrived": f"{RAN}/contrived.csv"}, {}),
    "extra_recipes": ({"table": "<results>/strain/tables/recipes.csv"}, {}),
}

for _figure, (_tables, _options) in DRAWN.items():

    rule:
        name:
            f"figure_{_figure}"
        input:
            **_tables,
        output:
            svg=report(
                f"<results>/figures/gebhard2019/{_figure}.svg",
                caption=f"../report/{_figure}.rst",
                category="gebhard2019",
                subcategory="Ours" if _figure.startswith("extra") else "Figures",
                labels={"figure": _figure},
            ),
            pdf=f"<results>/figures/gebhard2019/{_figure}.pdf",
            csv=f"<results>/figures/gebhard2019/{_figure}.csv",
        log:
            f"<logs>/figures/{_figure}.log",
        conda:
            "../../envs/skyneedle.yaml"
        params:
            figure=_figure,
            options=_options,
            code=code("strain/figure.py"),
        script:
            "../../scripts/strain/figure.py"

    FIGURES.append(f"<results>/figures/gebhard2019/{_figure}.svg")


rule tables_strain:
    input:
        events=f"{RAN}/events.csv",
        contrived=f"{RAN}/contrived.csv",
    output:
        events=report(
            "<results>/tables/gebhard2019/extra_events.csv",
            caption="../report/table_events.rst",
            category="gebhard2019",
            subcategory="Tables",
        ),
        contrived=report(
            "<results>/tables/gebhard2019/extra_contrived.csv",
            caption="../report/table_contrived.rst",
            category="gebhard2019",
            subcategory="Tables",
        ),
    log:
        "<logs>/tables_strain.log",
    conda:
        "../../envs/skyneedle.yaml"
    params:
        code=code("strain/tables.py"),
    script:
        "../../scripts/strain/tables.py"


FIGURES += rules.tables_strain.output
METRICS += [
    *COMPARED["metrics"],
    *(f"{METRIC}/{name}.json" for name in ("differences", "speed", "design")),
    *(f"{METRIC}/{name}_{MAIN}.json" for name in ("events", "preimages", "contrived")),
]
