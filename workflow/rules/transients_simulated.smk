# What is made of a simulated survey alone: its truth tells which suspects are wrong labels, what reviewers would see in them,
# where candidates are lost, and what wrong labels and 8-bit stamps cost; and real stamps are none of those learned from.

SWEEP = TRANSIENTS["labels"]["sweep"]
# How many examples it learns from, its split says already.
SWEEP_NETWORK = MAIN_NETWORK | {
    "training": MAIN_NETWORK["training"] | SWEEP["training"] | {"max_examples": None}
}
SWEEP_FOLDER = "<results>/transients/sweep"
SWEEP_CASES = sweep_cases()


# --- suspects and their review


rule score_suspects_transients:
    input:
        suspects=expand(
            "<results>/transients/suspects/{rule}.parquet",
            rule=["paper", *SUSPECT_RULES],
        ),
        scores=[PHASE1_SCORES] + [OUT_OF_FOLD] * len(SUSPECT_RULES),
        split="<results>/transients/splits/phase1.parquet",
        truth=triplets("des", "truth", "parquet"),
    output:
        table="<results>/transients/tables/suspects.csv",
        metrics="<results>/transients/metrics/suspects.json",
    log:
        "<logs>/score_suspects_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        rules=["paper", *SUSPECT_RULES],
        samples=["one_network"] + ["out_of_fold"] * len(SUSPECT_RULES),
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        seed=config["seed"],
        code=code("transients/score_suspects.py"),
    script:
        "../../scripts/transients/score_suspects.py"


rule review_transients:
    input:
        deck="<results>/transients/review/deck.parquet",
        truth=triplets("des", "truth", "parquet"),
    output:
        "<results>/transients/review/log.parquet",
    log:
        "<logs>/review_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        reviewers=TRANSIENTS["labels"]["reviewers"],
        # The published tool showed labels already turned round, for reviewers to turn back.
        shows="flipped" if TRANSIENTS["recipe"] == "faithful" else "nothing",
        seed=config["seed"],
        code=code("transients/review.py"),
    script:
        "../../scripts/transients/review.py"


rule anchoring_transients:
    input:
        deck="<results>/transients/review/deck.parquet",
        given="<results>/transients/labels/given.parquet",
        truth=triplets("des", "truth", "parquet"),
    output:
        f"{TRANSIENT_METRIC}/anchoring.json",
    log:
        "<logs>/anchoring_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        reviewers=TRANSIENTS["labels"]["reviewers"],
        seed=config["seed"],
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        code=code("transients/anchoring.py"),
    script:
        "../../scripts/transients/anchoring.py"


# --- where candidates are lost


rule strata_transients:
    input:
        scores=[
            transient_scores("phase2", name)
            for name in [MAIN_TRANSIENT, "forest", "peak_snr"]
        ],
        points=expand(
            f"{TRANSIENT_METRIC}/operating_point_phase2_{{name}}.json",
            name=[MAIN_TRANSIENT, "forest", "peak_snr"],
        ),
        split=transient_split("phase2"),
        features="<results>/transients/features/des.parquet",
        truth=triplets("des", "truth", "parquet"),
    output:
        report(
            f"{TRANSIENT_TABLE}/strata.csv",
            caption="../report/ayyar2022_strata.rst",
            category="ayyar2022",
            subcategory="Ours",
        ),
    log:
        "<logs>/strata_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        methods=[MAIN_TRANSIENT, "forest", "peak_snr"],
        code=code("transients/strata.py"),
    script:
        "../../scripts/transients/strata.py"


# --- label noise (Sec. 5.1)


rule noise_labels_transients:
    input:
        truth=triplets("des", "truth", "parquet"),
        split=transient_split("phase2"),
    output:
        labels=noise_label_files(SWEEP["shapes"]),
        split=f"{SWEEP_FOLDER}/split.parquet",
    log:
        "<logs>/noise_labels_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cases=noisy_labels(SWEEP["shapes"]),
        max_examples=SWEEP["training"].get("max_examples"),
        seed=config["seed"],
        code=code("transients/noise_labels.py"),
    script:
        "../../scripts/transients/noise_labels.py"


for _shape in SWEEP["shapes"]:

    rule:
        name:
            f"sweep_networks_transients_{_shape}"
        input:
            shards=triplets("des"),
            split=f"{SWEEP_FOLDER}/split.parquet",
            labels=noise_label_files([_shape], each_seed=True),
        output:
            noise_score_files(MAIN_TRANSIENT, [_shape]),
        log:
            f"<logs>/sweep_networks_transients_{_shape}.log",
        benchmark:
            f"<benchmarks>/sweep_networks_transients_{_shape}.tsv"
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        resources:
            gpu=1,
        params:
            cfg=SWEEP_NETWORK,
            numbers=sweep_numbers([_shape]),
            recipe=TRANSIENTS["recipe"],
            seed=config["seed"],
            own=own_file("transients", MAIN_TRANSIENT),
            scale=config["scale"],
            code=code("transients/sweep_networks.py"),
        script:
            "../../scripts/transients/sweep_networks.py"


rule sweep_forests_transients:
    input:
        features="<results>/transients/features/des.parquet",
        split=f"{SWEEP_FOLDER}/split.parquet",
        labels=noise_label_files(SWEEP["shapes"], each_seed=True),
    output:
        noise_score_files("forest", SWEEP["shapes"]),
    log:
        "<logs>/sweep_forests_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        numbers=sweep_numbers(SWEEP["shapes"]),
        recipe=TRANSIENTS["recipe"],
        seed=config["seed"],
        code=code("transients/sweep_forests.py"),
    script:
        "../../scripts/transients/sweep_forests.py"


rule noise_transients:
    input:
        scores=[path for *_, path in SWEEP_CASES],
        split=f"{SWEEP_FOLDER}/split.parquet",
        truth=triplets("des", "truth", "parquet"),
    output:
        table=f"{TRANSIENT_TABLE}/label_noise.csv",
        metrics=f"{TRANSIENT_METRIC}/label_noise.json",
    log:
        "<logs>/noise_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        cases=[tuple(case) for *case, _ in SWEEP_CASES],
        compared=[MAIN_TRANSIENT, "forest"],
        n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
        code=code("transients/noise.py"),
    script:
        "../../scripts/transients/noise.py"


# --- what 8-bit stamps cost; packed stamps of the other recipe are 8-bit already

PICTURE_NETWORKS = {}  # kept, for real stamps that are public as pictures only

if TRANSIENTS["recipe"] == "corrected":
    # True labels; networks on fluxes have been trained on the same examples for the sweep.
    TRUE_LABELS = f"{SWEEP['shapes'][0]}_0"
    PICTURES = ["gif_unmarked", "gif", "gif_as_published"]
    PICTURE_NETWORKS = {
        name: f"<results>/transients/models/{name}/{MAIN_TRANSIENT}/seed0"
        for name in ["gif", "gif_as_published"]
    }
    FORMS_SCORES = {
        "fits": f"{SWEEP_FOLDER}/{MAIN_TRANSIENT}/{TRUE_LABELS}_seed0.parquet"
    } | {
        name: f"<results>/transients/pixel_modes/{name}.parquet"
        for name in [
            *PICTURES,
            *(f"marks_{form}" for form in ["fits", *PICTURES]),
        ]
    }

    rule pixel_modes_transients:
        input:
            shards=triplets("des"),
            split=f"{SWEEP_FOLDER}/split.parquet",
            labels=f"{SWEEP_FOLDER}/labels/{TRUE_LABELS}.parquet",
        output:
            **{name: path for name, path in FORMS_SCORES.items() if name != "fits"},
            **{
                f"{what}_{form}": f"{stem}{ending}"
                for form, stem in PICTURE_NETWORKS.items()
                for what, ending in {
                    "weights": ".safetensors",
                    "last": ".last.safetensors",
                    "card": ".json",
                }.items()
            },
            pixels="<results>/transients/pixel_modes/pixels.csv",
        log:
            "<logs>/pixel_modes_transients.log",
        benchmark:
            "<benchmarks>/pixel_modes_transients.tsv"
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        resources:
            gpu=1,
        params:
            cfg=SWEEP_NETWORK,
            own=own_file("transients", MAIN_TRANSIENT),
            seed=config["seed"],
            scale=config["scale"],
            code=code("transients/pixel_modes.py"),
        script:
            "../../scripts/transients/pixel_modes.py"

    rule judge_pixel_modes_transients:
        input:
            scores=list(FORMS_SCORES.values()),
            counted="<results>/transients/pixel_modes/pixels.csv",
            split=f"{SWEEP_FOLDER}/split.parquet",
            truth=triplets("des", "truth", "parquet"),
        output:
            table=report(
                f"{TRANSIENT_TABLE}/pixel_modes.csv",
                caption="../report/ayyar2022_extra_pixel_modes.rst",
                category="ayyar2022",
                subcategory="Ours",
            ),
            metrics=f"{TRANSIENT_METRIC}/pixel_modes.json",
        log:
            "<logs>/judge_pixel_modes_transients.log",
        conda:
            "../../envs/skyneedle.yaml"
        threads: 1
        params:
            forms=list(FORMS_SCORES),
            n_bootstrap=TRANSIENTS["evaluate"]["n_bootstrap"],
            code=code("transients/judge_pixel_modes.py"),
        script:
            "../../scripts/transients/judge_pixel_modes.py"

    METRICS.append(f"{TRANSIENT_METRIC}/pixel_modes.json")


# --- real stamps, as far as they are to be had

REAL_NETWORKS = {
    MAIN_TRANSIENT: f"<results>/transients/models/phase2/{MAIN_TRANSIENT}/seed0"
} | {f"{MAIN_TRANSIENT}_{form}": stem for form, stem in PICTURE_NETWORKS.items()}


rule fetch_real_transients:
    output:
        status="<results>/transients/real/status.json",
    log:
        "<logs>/fetch_real_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    params:
        mirrors=config["mirrors"],
        network=config["network"],
        folder="resources/transients/real",
        manifest="resources/manifest.tsv",
        datasets="config/datasets.tsv",
        code=code("transients/fetch_real.py"),
    script:
        "../../scripts/transients/fetch_real.py"


rule real_transients:
    input:
        status="<results>/transients/real/status.json",
        weights=[f"{stem}.safetensors" for stem in REAL_NETWORKS.values()],
        # With the last epoch's, which judges where the recipe is the published one.
        more=[
            f"{stem}{ending}"
            for stem in REAL_NETWORKS.values()
            for ending in [".last.safetensors", ".json"]
        ],
    output:
        csv=report(
            "<results>/tables/ayyar2022/extra_real_stamps.csv",
            caption="../report/ayyar2022_extra_real_stamps.rst",
            category="ayyar2022",
            subcategory="Ours",
        ),
        md="<results>/tables/ayyar2022/extra_real_stamps.md",
        metrics=f"{TRANSIENT_METRIC}/real_stamps.json",
    log:
        "<logs>/real_transients.log",
    conda:
        "../../envs/skyneedle.yaml"
    threads: 1
    resources:
        gpu=1,
    params:
        networks=list(REAL_NETWORKS),
        code=code("transients/real.py"),
    script:
        "../../scripts/transients/real.py"


FIGURES.append("<results>/tables/ayyar2022/extra_real_stamps.csv")
METRICS.append(f"{TRANSIENT_METRIC}/real_stamps.json")
