"""What this run really did, and what its networks are made of, counted for the scoreboard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import tables
from skyneedle.core.store import DataSet
from skyneedle.transfer.evaluate import cells
from skyneedle.transfer.evaluate.cells import Entry

N_CLASSES = 1000  # of ImageNet, which the counts of the thesis include the heads of
LAYERS = (0, 2, 3, 5, 6, 8)  # convolutions and poolings of LensFlow, as Table 3-1 numbers them from 1 on
DENSE = (0, 2, 4, 6)


def write(
    out: str | Path,
    shards: Sequence[str | Path],
    folds: str | Path,
    *,
    augmentation: Mapping[str, Any],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write what is counted in data and folds, or read off the configuration.

    Args:
        out: JSON to write; each entry with value and definition.
        shards: of the stamps that the folds divide.
        folds: parquet with parent_id, label and fold.
        augmentation: rotation_deg, zoom, shear_deg and copies.
        provenance: stored in the file.

    Source: Akhazhanov 2018, Secs. 3.2, 5.1 and 5.2.
    """
    from skyneedle.transfer import baselines  # needs scikit-learn

    stamps, divided = DataSet(shards), pd.read_parquet(folds)
    n_lenses, copies = int((divided["label"] == 1).sum()), augmentation["copies"]
    n_folds = divided["fold"].nunique()
    of_parents = divided.groupby("parent_id")["fold"].nunique()
    found: dict[str, tuple[float, str]] = {
        "n_lenses": (copies * n_lenses, "lenses, augmented copies counted"),
        "n_non_lenses": (copies * (len(divided) - n_lenses), "other stamps, augmented copies counted"),
        "n_copies": (copies, "augmented copies of each stamp, setting"),
        "n_parents": (len(of_parents), "objects that folds divide, counted"),
        "n_folds": (n_folds, "parts, counted"),
        "n_training_folds": (n_folds - 2, "parts that train; one more chooses the epoch, one judges"),
        "parents_in_two_folds": (int((of_parents > 1).sum()), "objects with stamps in more than one fold"),
        "stamp_pixels": (stamps.shape("vis")[-1], "pixels along a side of the images on disk"),
        "n_channels": (1, "images of a stamp on disk"),
        "bits": (8 * stamps.read("vis", [0]).dtype.itemsize, "of a number in the images on disk"),
        "rotation_deg": (augmentation["rotation_deg"], "largest angle of rotation, setting"),
        "zoom_low": (augmentation["zoom"][0], "least zoom, setting"),
        "zoom_high": (augmentation["zoom"][1], "largest zoom, setting"),
        "shear_deg": (augmentation["shear_deg"], "largest angle of shear, setting"),
        "gmm_features": (len(baselines.FEATURES), "numbers that the Gaussian mixture sees, constant"),
        "kpca_pixels": (baselines.CUTOUT, "along a side of what kernel PCA sees, constant"),
        "kpca_features": (baselines.N_KERNEL, "of kernel PCA, constant; at most one for each training stamp"),
    }
    content = {key: {"value": value, "definition": words} for key, (value, words) in found.items()}
    tables.write_json(content | {"provenance": dict(provenance or {})}, out)


def write_architectures(
    entries: Sequence[Entry], out: str | Path, provenance: Mapping[str, Any] | None = None
) -> None:
    """Write how large all networks are, counted in the modules, which need no memory for that.

    Args:
        entries: settings of the networks; classical methods are left out.
        out: JSON to write: ``<source>_imagenet`` of the six backbones with their own heads,
            ``<network>_total`` and ``<network>_trained`` of each network, and what ``published`` counts.
        provenance: stored in the file.
    """
    found = {
        f"{source}_imagenet": (n_parameters(whole(source)), "parameters with the ImageNet head")
        for source in cells.BACKBONES
    }
    for entry in entries:
        if entry["source"] in cells.CLASSICAL:
            continue
        total, trained = sizes(entry)
        found[f"{entry['name']}_total"] = (total, "parameters that a stamp goes through")
        found[f"{entry['name']}_trained"] = (trained, "parameters that training changes")
    content = {
        key: {"value": value, "definition": words} for key, (value, words) in (found | published()).items()
    }
    tables.write_json(content | {"provenance": dict(provenance or {})}, out)


def whole(source: str) -> Any:
    """A backbone with its own head, without memory for its weights."""
    import timm
    import torch

    from skyneedle.transfer.backbones import BACKBONES

    with torch.device("meta"):
        return timm.create_model(BACKBONES[source].timm, pretrained=False, num_classes=N_CLASSES)


def n_parameters(module: Any) -> int:
    """Parameters of a module, whether trained or not."""
    return sum(parameter.numel() for parameter in module.parameters())


def sizes(entry: Entry) -> tuple[int, int]:
    """Parameters of a network, all and those that training changes."""
    import torch

    from skyneedle.core import inference
    from skyneedle.transfer import networks, trunks

    if not cells.is_backbone(entry):
        with torch.device("meta"):
            network = inference.build(entry["source"], entry["options"], "skyneedle.transfer.networks")
        return n_parameters(network), n_parameters(network)
    options = entry["options"]
    ends = n_parameters(networks.head(networks.n_features(entry["source"]), **_of_head(options)))
    if entry["stem"] == "learned":
        ends += n_parameters(networks.Learned(1))
    trunk = n_parameters(trunks.empty(entry["source"]))
    return trunk + ends, ends if entry["mode"] == "frozen" else trunk + ends


def _of_head(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in ("dropout", "n_classes") if key in options}


def published() -> dict[str, tuple[float, str]]:
    """What the thesis tells of architectures, counted in ours: Table 3-1 and Secs. 4.4 and 5."""
    import torch
    from torch import nn

    from skyneedle.transfer import networks

    network: Any = networks.build("lensflow").eval()
    x = torch.zeros(1, 1, networks.SIZE, networks.SIZE)
    found: dict[str, tuple[float, str]] = {}
    with torch.no_grad():
        for place, layer in enumerate(network.layer):
            x = layer(x)
            if place in LAYERS:
                number = 1 + LAYERS.index(place)
                found[f"lensflow_layer{number}_channels"] = (x.shape[1], "of what goes out, LensFlow")
                found[f"lensflow_layer{number}_pixels"] = (x.shape[2], "along a side, LensFlow")
    found["lensflow_features"] = (x.numel(), "numbers that go into the dense part, LensFlow")
    widths = [network.head[place].out_features for place in DENSE]
    found |= {
        f"lensflow_layer{number}_neurons": (width, "of a dense layer, LensFlow")
        for number, width in enumerate(widths, start=1 + len(LAYERS))
    }
    found["lensflow_parameters"] = (n_parameters(network), "parameters, LensFlow")
    found["n_outputs"] = (networks.head(1).linear.out_features, "logits of a new head")
    kernels = {m.kernel_size[0] for m in whole("vgg19").features if isinstance(m, nn.Conv2d)}
    found["vgg_kernel_pixels"] = (max(kernels), "along a side, the largest of its features")
    weighted = (nn.Conv2d, nn.Linear)
    for source in ("vgg16", "vgg19", "resnet"):
        named = whole(source).named_modules()
        layers = [name for name, module in named if isinstance(module, weighted) and "downsample" not in name]
        found[f"{source}_layers"] = (len(layers), "convolutions and dense layers, without those of shortcuts")
    return found | _xception()


def _xception() -> dict[str, tuple[float, str]]:
    """Convolutions of Xception's main path: a separable one counts once, those of shortcuts do not."""
    from torch import nn

    network = whole("xception")
    separable = [module for module in network.modules() if type(module).__name__ == "SeparableConv2d"]
    inside = {id(part) for module in separable for part in module.modules()}
    plain = [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and id(module) not in inside and "skip" not in name
    ]
    blocks = [module for module in network.modules() if type(module).__name__ == "Block"]
    return {
        "xception_convolutions": (len(separable) + len(plain), "on the main path; a separable one is one"),
        "xception_modules": (len(blocks) + 2, "blocks with a shortcut, and the first and the last module"),
    }
