"""Which network stands for which number of the thesis, and what a network is in words."""

from collections.abc import Iterable, Mapping
from typing import Any

# The six networks of Table 5-1, in its order, with the names and millions of parameters that it prints.
BACKBONES = {
    "xception": "Xception",
    "inception": "Inception",
    "resnet": "ResNet",
    "nasnet": "NasNet",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
}
SMALL = ("xception", "inception")  # below 25 million parameters; the others are above
CLASSICAL = ("gmm", "kpca_trees", "kpca_mlp")
GRADED = ("xception", "inception", "resnet")  # the networks of Table 5-2
OTHERS = {
    "lensflow": "LensFlow",
    "deeplens": "CMU DeepLens",
    "gmm": "Gaussian mixture",
    "kpca_trees": "kernel PCA, boosted trees",
    "kpca_mlp": "kernel PCA, small network",
}
WEIGHTS = ("random", "galaxies", "imagenet")  # the last is what the thesis used
MODES = (("frozen", "fixed"), ("frozen", "learned"), ("full", "fixed"), ("scratch", "fixed"))
Entry = Mapping[str, Any]


def filled(entry: Entry) -> dict[str, Any]:
    """What is told of a method; what classical ones have not is empty."""
    is_network = entry["source"] not in CLASSICAL
    told = {key: entry.get(key, "") for key in ("weights", "stem", "mode")}
    told = told if is_backbone(entry) else dict.fromkeys(told, "")
    return {"source": entry["source"], **told, "kind": "network" if is_network else "classical"}


def is_backbone(entry: Entry) -> bool:
    """Whether a method has one of the six trunks."""
    return entry["source"] in BACKBONES


def model(entry: Entry) -> str:
    """Name of the model as the thesis prints it; a user's own by its name."""
    source = entry["source"]
    return BACKBONES.get(source) or OTHERS.get(source) or str(entry["name"])


def words(entry: Entry, n_folds: int | None = None) -> str:
    """What a method is, in words.

    Args:
        entry: its settings.
        n_folds: of the cross-validation, to tell where fewer are judged.
    """
    found = []
    if is_backbone(entry):
        weights = entry["weights"]
        of = {
            "random": "random trunk",
            "galaxies": "trunk pretrained on galaxies",
            "imagenet": "ImageNet trunk",
        }
        found += [of.get(weights, f"trunk of {weights}"), f"{entry['stem']} stem", entry["mode"]]
    return ", ".join([*found, *limits(entry, n_folds)])


def limits(entry: Entry, n_folds: int | None = None) -> list[str]:
    """What a method was restricted to, in words; arguments as of ``words``."""
    found = []
    judged = entry.get("folds")
    if n_folds and judged and judged < n_folds:
        found.append(f"{judged} of {n_folds} folds")
    most = (entry.get("training") or {}).get("max_examples")
    return [*found, f"at most {most} training stamps"] if most else found


def nearest(entries: Iterable[Entry], source: str, n_folds: int) -> Entry | None:
    """The network with a frozen trunk that is nearest to the thesis: judged on all folds if any is, then
    ImageNet weights before others, then the learned stem before the fixed one; None if there is none."""

    def place(entry: Entry) -> tuple[int, int, int]:
        weights = WEIGHTS.index(entry["weights"]) if entry["weights"] in WEIGHTS else len(WEIGHTS) - 1
        return min(entry.get("folds") or n_folds, n_folds), weights, int(entry["stem"] == "learned")

    among = [entry for entry in entries if entry["source"] == source and entry.get("mode") == "frozen"]
    return max(among, key=place, default=None)


def nearest_name(entries: Iterable[Entry], source: str, n_folds: int) -> str:
    """Name of the network of ``nearest``; empty if there is none."""
    entry = nearest(entries, source, n_folds)
    return "" if entry is None else str(entry["name"])
