# What rules ask for: paths, settings of one network, fingerprints. Nothing of the science.

import os
from itertools import pairwise

from snakemake.exceptions import WorkflowError

from skyneedle.core.runtime import fingerprint
from skyneedle.lenses.fetch.archives import CATALOGUE2
from skyneedle.transfer.backbones import BACKBONES, MADE

# Threads that spin while they wait slow a machine with other work down many times over; jobs inherit this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if not config["network"]:
    # Weights of networks come from caches and files alone; jobs inherit this, too.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

SCRIPTS = Path(workflow.basedir) / "scripts"
FIGURES = (
    []
)  # every figure and table that an experiment draws; each experiment adds its own
METRICS = []  # every file of metrics that the scoreboard reads, likewise
ABSENT = {}  # by the stem of its name, why there is no such file


def code(script, *more):
    """Fingerprint of a rule's script and everything of the package that it imports."""
    return fingerprint(SCRIPTS / script, *more)


def figures():
    return FIGURES


def measure(files, why_not=""):
    """Have files of metrics made for the scoreboard, or let it say why this configuration has none."""
    if why_not:
        ABSENT.update({Path(path).stem: why_not for path in files})
    else:
        METRICS.extend(files)


def shards(experiment, name):
    """Files of one data set; images of transfer are made by the rule of lenses."""
    n = config[experiment]["sets"][name]["shards"]
    experiment = "lenses" if experiment == "transfer" else experiment
    return [f"<results>/{experiment}/data/{name}/{shard:03d}.h5" for shard in range(n)]


def entry_of(experiment, name):
    """What the configuration says about one network."""
    entries = {item["name"]: item for item in config[experiment]["networks"]}
    if name not in entries:
        raise WorkflowError(
            f"{experiment}: no network is named '{name}'; there is {', '.join(entries)}."
        )
    return entries[name]


def network(experiment, name):
    """Settings of one network of strain, with what it does not say filled in."""
    entry = entry_of(experiment, name)
    detectors = entry.get("detectors", ["H1", "L1"])
    return {
        "name": name,
        "source": entry["source"],
        "options": {"detectors": len(detectors), **entry.get("options", {})},
        "detectors": detectors,
        "targets": config[experiment]["targets"] | entry.get("targets", {}),
        "training": config[experiment]["training"] | entry.get("training", {}),
    }


def lens_network(name):
    """Settings of one network of lenses, with what it does not say filled in."""
    entry = entry_of("lenses", name)
    return {
        "name": name,
        "source": entry["source"],
        "options": entry.get("options", {}),
        "without": entry.get("without"),
        "training": config["lenses"]["training"] | entry.get("training", {}),
    }


def transfer_methods():
    """Settings of all methods of transfer, filled in; classical ones have a name alone."""
    networks = [
        transfer_network(item["name"]) for item in config["transfer"]["networks"]
    ]
    return [*networks, *({"name": name, "source": name} for name in CLASSICAL)]


def own_file(experiment, name):
    """Fingerprint of a user's network file; empty for a built-in network."""
    path, colon, _ = entry_of(experiment, name)["source"].rpartition(":")
    return fingerprint(Path(workflow.basedir) / path) if colon else ""


def survey(name):
    """Settings of the simulation of lenses for one set of images, of whichever experiment it is."""
    owner = config["lenses" if name in config["lenses"]["sets"] else "transfer"]
    own = owner["sets"][name].get("simulate", {})
    # What recipe selects about images concerns compound lenses, which are in sets of lenses alone.
    return {**owner["simulate"], **own, "recipe": config["lenses"]["recipe"]}


def simulated_sets():
    """Sets of simulated images of the experiments that run."""
    clash = set(config["lenses"]["sets"]) & set(config["transfer"]["sets"])
    if clash:
        raise WorkflowError(
            f"lenses.sets and transfer.sets both have '{sorted(clash)[0]}'; rename one of the two."
        )
    sets = {}
    if "lenses" in config["experiments"]:
        real = real_sets()
        sets |= {
            name: item
            for name, item in config["lenses"]["sets"].items()
            if name not in real
        }
    if "transfer" in config["experiments"]:
        sets |= config["transfer"]["sets"]
    # An id is a scene, whichever set it is in: a shared one would be learned from and judged on.
    spans = sorted(
        (item["first_id"], item["first_id"] + item["n_examples"], name)
        for name, item in sets.items()
    )
    for (_, end, name), (start, _, other) in pairwise(spans):
        if start < end:
            raise WorkflowError(
                f"Sets '{name}' and '{other}' of simulated lenses both have the id {start}; "
                f"give '{other}' a first_id of {end} or more, or '{name}' fewer examples."
            )
    return sets


def real_sets():
    """Sets of real images; compound lenses, layers and sets with a survey of their own are always simulated."""
    if config["lenses"]["images"]["source"] == "simulated":
        return []
    own = {"content", "layers", "simulate"}
    return [
        name for name, item in config["lenses"]["sets"].items() if not own & set(item)
    ]


def told(name):
    """A set of single lenses or, where it is real, the audit set: kinds, and the light of sources, are known."""
    return "audit" if name in real_sets() else name


def real_images(name):
    """Tree, catalogue and place of one set of real images; those of one tree follow each other by first_id."""
    lenses = config["lenses"]

    def tree(one):
        given = lenses["images"] | lenses["sets"][one].get("images", {})
        return given["folder"], given["catalogue"]

    fetched = tree(name) == (None, None)
    for key, value, there in zip(
        ("folder", "catalogue"), tree(name), (os.path.isdir, os.path.isfile)
    ):
        if not fetched and (value is None or not there(value)):
            raise WorkflowError(
                f"lenses.images.{key} (or that of lenses.sets.{name}.images) is {value!r}, which is no "
                f"{'folder' if key == 'folder' else 'file'}; with source {lenses['images']['source']} give the "
                f"{'unpacked images' if key == 'folder' else 'CSV file of the truth'} of the challenge, or "
                "neither folder nor catalogue to have both fetched."
            )
    item = lenses["sets"][name]
    before = [
        lenses["sets"][one]["n_examples"]
        for one in real_sets()
        if tree(one) == tree(name)
        and lenses["sets"][one]["first_id"] < item["first_id"]
    ]
    folder, catalogue = tree(name)
    if fetched:
        folder = "resources/lenses/challenge2"
        catalogue = f"{folder}/{CATALOGUE2}"
    return {
        "folder": folder,
        "catalogue": catalogue,
        "given": ("<results>/lenses/archive/challenge2.json" if fetched else catalogue),
        "first_row": sum(before),
        "n_examples": item["n_examples"],
        "shards": item["shards"],
    }


def lens_scores(methods, name):
    """Files with the scores that several methods give to one set of lenses."""
    return expand(f"<results>/lenses/scores/{{method}}/{name}.parquet", method=methods)


def noisy_labels(shapes):
    """Shape and share of each version of the labels; without wrong ones all shapes are the same, the first."""
    sweep = config["transients"]["labels"]["sweep"]
    return [
        (shape, share)
        for shape in shapes
        for share in sweep["shares"]
        if share or shape == sweep["shapes"][0]
    ]


def sweep_seeds():
    return range(config["transients"]["labels"]["sweep"]["seeds"])


def noise_label_files(shapes, each_seed=False):
    """Labels of each version, as often as something is trained on them if asked for."""
    return [
        f"<results>/transients/sweep/labels/{shape}_{share:g}.parquet"
        for shape, share in noisy_labels(shapes)
        for _ in (sweep_seeds() if each_seed else [0])
    ]


def noise_score_files(method, shapes):
    """Scores of each version of the labels and each seed."""
    return [
        f"<results>/transients/sweep/{method}/{shape}_{share:g}_seed{number}.parquet"
        for shape, share in noisy_labels(shapes)
        for number in sweep_seeds()
    ]


def sweep_numbers(shapes):
    """Number of each training among those on the same labels."""
    return [number for _ in noisy_labels(shapes) for number in sweep_seeds()]


def sweep_cases():
    """Method, shape, share and scores of each training, that without wrong labels once for each shape."""
    transients = config["transients"]["labels"]
    shapes = transients["sweep"]["shapes"]
    versions = [version for version in noisy_labels(shapes) for _ in sweep_seeds()]
    return [
        (method, shape, share, path)
        for method in [transients["main"], "forest"]
        for (trained_as, share), path in zip(
            versions, noise_score_files(method, shapes)
        )
        for shape in ([trained_as] if share else shapes)
    ]


def from_autoscan():
    """Whether the survey that networks of transients learn from is the real archive."""
    return config["transients"]["images"]["source"] == "autoscan"


def triplets(survey, what="data", ending="h5"):
    """Files of one survey; of the real archive there is a shard for each tar."""
    n = config["transients"]["surveys"][survey]["shards"]
    if survey == "des" and from_autoscan():
        n = len(config["transients"]["images"]["tars"])
    return [
        f"<results>/transients/{what}/{survey}/{shard:03d}.{ending}"
        for shard in range(n)
    ]


def transient_truth():
    """The simulator's truth of the survey that networks learn from; a real one has none."""
    return [] if from_autoscan() else triplets("des", "truth", "parquet")


def transient_review(wildcards):
    """The exported log of a review by people, or else that of the simulated reviewers."""
    if NO_NEW_LABELS:
        raise WorkflowError(
            f"There are {NO_NEW_LABELS}; run `skyneedle review` on "
            f"results/{config['scale']}/transients/suspects/{REVIEWED}.parquet and give its export there."
        )
    return (
        config["transients"]["labels"]["log"]
        or "<results>/transients/review/log.parquet"
    )


def transient_labels(case):
    """Labels that networks of a case are trained on."""
    return f"<results>/transients/labels/{TRANSIENT_CASES[case]['labels']}.parquet"


def transient_split(case):
    """How the examples of a case are divided."""
    return f"<results>/transients/splits/{TRANSIENT_CASES[case]['split']}.parquet"


def transient_network(name):
    """Settings of one network of transients, with what it does not say filled in."""
    entry = entry_of("transients", name)
    return {
        "name": name,
        "source": entry["source"],
        "options": entry.get("options", {}),
        "training": config["transients"]["training"] | entry.get("training", {}),
    }


def transient_scores(case, method, number=0):
    """Scores of one training of a method."""
    return f"<results>/transients/scores/{case}/{method}/seed{number}.parquet"


def all_transient_scores(case, method):
    """Scores of all trainings of a method that differ in their start."""
    return [
        transient_scores(case, method, number)
        for number in range(TRANSIENT_METHODS[case][method])
    ]


def transient_cards(case):
    """Cards of what the comparison of a case is between, which must have seen the same examples."""
    return expand(
        f"<results>/transients/models/{case}/{{method}}/seed0.json",
        method=[MAIN_TRANSIENT, "forest"],
    )


def network_cards(case):
    """Cards of the first training of every network."""
    return expand(
        f"<results>/transients/models/{case}/{{name}}/seed0.json",
        name=TRANSIENT_NETWORKS,
    )


def judged_methods(case):
    """Methods of a case, with the cut on the peak that needs no training."""
    return [*TRANSIENT_METHODS[case], "peak_snr"]


def transfer_network(name):
    """Settings of one network of transfer, with what it does not say filled in."""
    entry = entry_of("transfer", name)
    transfer = config["transfer"]
    return {
        "name": name,
        "source": entry["source"],
        "weights": entry.get("weights", "random"),
        "stem": entry.get("stem", "fixed"),
        "mode": entry.get("mode", "frozen"),
        "size": transfer["size"],
        "folds": min(entry.get("folds", transfer["folds"]), transfer["folds"]),
        "options": entry.get("options", {}),
        "training": transfer["training"] | entry.get("training", {}),
    }


def has_embeddings(name):
    """Whether the trunk of a network sees the same images in each epoch and fold, and only a head is trained."""
    network = transfer_network(name)
    return (
        network["source"] in BACKBONES
        and network["mode"] == "frozen"
        and network["stem"] == "fixed"
    )


def transfer_trunk(name):
    """File with the weights of a network's trunk; none for a network without one, or one that starts anew."""
    network = transfer_network(name)
    source, weights = network["source"], network["weights"]
    if source not in BACKBONES or network["mode"] == "scratch":
        return []
    if weights in MADE:
        return f"<results>/transfer/trunks/{source}_{weights}.safetensors"
    if not Path(weights).is_file():
        raise WorkflowError(
            f"transfer.networks: weights '{weights}' of '{name}' are neither {', '.join(MADE)} nor a file "
            "that is there; give the path of one."
        )
    return weights


def changes():
    """Random changes of training images, without the number of copies that embeddings are computed of."""
    augmentation = config["transfer"]["augmentation"]
    return {name: value for name, value in augmentation.items() if name != "copies"}


def by_folds(names):
    """Networks of transfer by the number of folds that they are judged in."""
    found = {}
    for name in names:
        found.setdefault(transfer_network(name)["folds"], []).append(name)
    return found


def leak_networks():
    """Networks of transfer that the leaks are measured with; there must be embeddings of them."""
    for name in config["transfer"]["leak"]["networks"]:
        if not has_embeddings(name):
            raise WorkflowError(
                f"transfer.leak.networks has '{name}', which is no backbone with mode frozen and stem fixed; "
                "its embeddings would change with each epoch. Name another one."
            )
    return config["transfer"]["leak"]["networks"]
