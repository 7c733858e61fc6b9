"""Trunks of the backbones: their weights from ImageNet, from a file, or random with measured statistics."""

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
import torch
from safetensors.torch import load_file, save
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from skyneedle.core.errors import BadSetting, NotWeights, SourceUnavailable, UnknownNetwork, WeightsMismatch
from skyneedle.core.files import appearing
from skyneedle.core.manifest import sha256_of
from skyneedle.core.task import weights_of
from skyneedle.transfer.backbones import BACKBONES, Backbone

LINEAR = (nn.Conv2d, nn.Linear)
RUN_IN = {"32-true": "float32", "bf16-mixed": "bfloat16", "16-mixed": "float16"}  # a precision of training
HUB_FILE = "model.safetensors"
TIMEOUT_S = 20.0
COUNTER = "num_batches_tracked"  # old files have none, and it decides nothing


def backbone(source: str) -> Backbone:
    """A backbone by its name.

    Raises:
        UnknownNetwork: if there is no such name.
    """
    if source not in BACKBONES:
        raise UnknownNetwork(f"There is no backbone '{source}'; known are {', '.join(BACKBONES)}.")
    return BACKBONES[source]


def trunk(source: str, weights: str | Path = "random") -> nn.Module:
    """A backbone without its classifier.

    Args:
        source: one of ``BACKBONES``.
        weights: "random" (Xavier, as in the thesis; see ``estimate_statistics`` before freezing it),
            "imagenet" (downloaded by timm, and kept in its cache), or the path of a file, see ``read``.

    Returns:
        A network from (batch, 3, size, size) to features (batch, n_features).

    Raises:
        UnknownNetwork: if there is no such backbone.
        BadSetting: if the weights are "galaxies", which are in a file that a rule makes.
        SourceUnavailable, NotWeights, WeightsMismatch: see ``imagenet`` and ``read``.
    """
    if weights == "galaxies":
        raise BadSetting(
            f"{source}: weights 'galaxies' are made by the rule pretrain_transfer; give the path of its "
            f"trunks/{source}_galaxies.safetensors."
        )
    if weights == "imagenet":
        return imagenet(source)
    made = empty(source)
    if weights == "random":
        return xavier(made.to_empty(device="cpu"))
    made.load_state_dict(read(weights, source), assign=True)
    return made


def input_of(source: str) -> dict[str, Any]:
    """What a backbone was made for: ``size`` in pixels a side, ``mean`` and ``std`` of its three channels."""
    found = _published(source)
    return {"size": int(found.input_size[1]), "mean": tuple(found.mean), "std": tuple(found.std)}


def _published(source: str) -> Any:
    import timm  # takes 3 s, which networks without a backbone need not pay for

    return timm.get_pretrained_cfg(backbone(source).timm)


def empty(source: str) -> nn.Module:
    """A trunk without memory for its weights: giving it some twice takes seconds in the large ones."""
    import timm

    with torch.device("meta"):
        return timm.create_model(backbone(source).timm, pretrained=False, num_classes=0)


# --- random weights


def xavier(network: nn.Module) -> nn.Module:
    """Give each layer of a network random weights, uniform as by Glorot and Bengio; biases are zero.

    Batch normalisations multiply by one, also where a residual branch would begin at zero.

    Raises:
        BadSetting: if the network has a parameter of another kind.

    Source: Akhazhanov 2018, Sec. 5.2; Glorot & Bengio 2010, Eq. 16.
    """
    n_set = 0
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, LINEAR):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, _BatchNorm):
                module.reset_running_stats()
                if module.affine:
                    nn.init.ones_(module.weight)
                    nn.init.zeros_(module.bias)
            else:
                continue
            n_set += sum(1 for _ in module.parameters(recurse=False))
    if n_set != sum(1 for _ in network.parameters()):
        raise BadSetting("Xavier weights are for convolutions, dense layers and batch normalisations only.")
    return network


def estimate_statistics(
    network: nn.Module, batches: Iterable[torch.Tensor], dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Set the running statistics of a trunk to the mean over some batches, in one pass.

    An untouched random trunk normalises by the variance 1, and its features are many powers of ten away from
    it; running averages of training would still remember their start. Each layer is normalised by the batch
    while it is measured, so one pass is enough. A trunk without batch normalisation (VGG) has no statistics:
    its last layer is divided by the root mean square of the features instead, which changes nothing but their
    scale.

    Args:
        network: a trunk, or a network with ``trunk`` and ``embed``; on any device.
        batches: its inputs, of the same number of examples, at least two each.
        dtype: of the arithmetic.

    Returns:
        The same network, in the modes in which it was.

    Raises:
        BadSetting: if there is no batch, or a trunk without batch normalisation gives zeros only.
    """
    part = getattr(network, "trunk", network)
    run = getattr(network, "embed", network)
    squares, n_batches = 0.0, 0
    device = next(part.parameters()).device
    cast = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
    with _measuring(network, part) as n_norms, torch.no_grad(), cast:
        for batch in batches:
            squares += float(run(batch.to(device)).float().square().mean())
            n_batches += 1
    if not n_batches or (not n_norms and not squares > 0):
        raise BadSetting(
            f"Statistics of a trunk were to be estimated from {n_batches} batches whose features have the "
            f"mean square {squares / max(n_batches, 1):g}; give it stamps that are not empty."
        )
    if not n_norms:
        _divide_last_layer(part, (squares / n_batches) ** 0.5)
    return network


@contextlib.contextmanager
def _measuring(network: nn.Module, part: nn.Module) -> Iterator[int]:
    """A network of which nothing but the normalisations of one part learns, from 0; yields their number."""
    norms = [module for module in part.modules() if isinstance(module, _BatchNorm)]
    modes = {module: module.training for module in network.modules()}
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's sign for the mean over all batches
        norm.train()
    try:
        yield len(norms)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes.items():
            module.training = mode


def _divide_last_layer(trunk: nn.Module, scale: float) -> None:
    *_, last = (module for module in trunk.modules() if isinstance(module, LINEAR))
    with torch.no_grad():
        last.weight.div_(scale)
        if last.bias is not None:
            last.bias.div_(scale)


# --- files


def write(trunk: nn.Module, path: str | Path, card: Mapping[str, Any]) -> None:
    """Write the weights of a trunk, and its card beside them; both appear complete or not at all.

    Args:
        trunk: see ``trunk``.
        path: ends in .safetensors.
        card: anything that JSON can hold.
    """
    path = Path(path)
    with appearing(path) as partial:
        partial.write_bytes(save(weights_of(trunk)))
    with appearing(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(dict(card), indent=1, sort_keys=True) + "\n")


def read(path: str | Path, source: str) -> dict[str, torch.Tensor]:
    """Weights of a trunk from a file: all of them, and nothing that it does not know.

    Args:
        path: safetensors or a file of torch, which is read without running code; with the names of timm, for
            VGG also of torchvision, of a trunk or of a whole network, whose classifier is left out.
        source: one of ``BACKBONES``.

    Returns:
        Tensors by name, single precision.

    Raises:
        SourceUnavailable: if there is no such file.
        NotWeights: if it holds no tensors by name.
        WeightsMismatch: if names or shapes are not those of the trunk.
    """
    expected = empty(source).state_dict()
    found = _named_as(expected, _tensors(Path(path), source), backbone(source))
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    shapes = [
        f"{name} has shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    problems = [
        f"{len(missing)} of {len(expected)} tensors are missing, such as {missing[0]}" if missing else "",
        f"{len(unknown)} are unknown, such as {unknown[0]}" if unknown else "",
        f"{len(shapes)} have another shape: {shapes[0]}" if shapes else "",
    ]
    if any(problems):
        raise WeightsMismatch(
            f"{path}: not the weights of {source} ({backbone(source).timm}): "
            f"{'; '.join(filter(None, problems))}. Give a file with timm's names for this network."
        )
    return found


def _named_as(
    expected: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], known: Backbone
) -> dict[str, torch.Tensor]:
    """Tensors of a file with the names of a trunk, where it is known how to translate them."""
    found = {}
    for given, tensor in state.items():
        name = given
        for theirs, ours in known.renamed:
            name = ours + given.removeprefix(theirs) if given.startswith(theirs) else name
        if name.startswith(known.dropped):
            continue
        like = expected.get(name)
        if like is not None and tensor.ndim == 2 and like.ndim == 4 and tensor.numel() == like.numel():
            tensor = tensor.reshape(like.shape)  # a dense layer, written as a convolution of its whole input
        found[name] = tensor.float() if tensor.is_floating_point() else tensor
    counters = {name for name in expected if name.endswith(COUNTER)}
    return {name: torch.zeros((), dtype=torch.long) for name in counters} | found


def _tensors(path: Path, source: str) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise SourceUnavailable(
            f"{path}: no such file; `weights` of {source} is random, imagenet, galaxies, or a file's path."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the kinds differ between the formats of torch
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotWeights(f"{path}: cannot be read as weights without running code ({reason}).") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(item, torch.Tensor) for item in state.values()):
        raise NotWeights(f"{path}: holds a {type(state).__name__}, expected tensors by name.")
    return state


def address(source: str) -> str:
    """Where the ImageNet weights of a backbone are on the internet."""
    found = _published(source)
    if found.hf_hub_id:
        return f"https://huggingface.co/{found.hf_hub_id}/resolve/main/{HUB_FILE}"
    return found.url


def cached(source: str) -> Path | None:
    """The file of ImageNet weights that an earlier download left, None if there is none."""
    import huggingface_hub

    found = _published(source)
    if found.hf_hub_id:
        path = huggingface_hub.try_to_load_from_cache(found.hf_hub_id, HUB_FILE)
    else:
        path = _in_torch_cache(found.url)
    return Path(path) if isinstance(path, (str, Path)) and Path(path).is_file() else None


def imagenet(source: str) -> nn.Module:
    """The trunk with the weights learned on ImageNet, from the caches of timm or downloaded into them.

    The environment variable HF_HUB_OFFLINE=1 leaves nothing but these caches. A file must be what its name
    says, see ``check``.

    Raises:
        UnknownNetwork: if there is no such backbone.
        SourceUnavailable: if the weights are neither in a cache nor to be had, or not those that were
            published; says how to supply them.
    """
    import timm

    name = backbone(source).timm
    try:
        here = cached(source) or _download(source)
        check(here)  # timm does not
        overlay = {"file": str(here)}
        return timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
    except (
        Exception
    ) as error:  # of urllib, requests, huggingface_hub, torch: whatever the way of the download
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise SourceUnavailable(
            f"{source}: the ImageNet weights {name} cannot be had here ({reason}); download "
            f"{address(source)} on a machine with a network and give the path of that file as `weights`."
        ) from None


def check(path: Path) -> None:
    """Hold a file of a cache to the checksum in its name.

    The cache of huggingface_hub names a file by its sha256 and links to it; names of torch end in the first
    digits of theirs. A name without a checksum says nothing.

    Raises:
        WeightsMismatch: if the content is another one.
    """
    name = path.resolve().name
    in_name = re.fullmatch(r"([0-9a-f]{64})", name) or re.search(r"-([0-9a-f]{8,})\.", name)
    if in_name and not (found := sha256_of(path)).startswith(in_name[1]):
        raise WeightsMismatch(f"sha256 {found[:12]} instead of {in_name[1][:12]}, delete {path}")


def _download(source: str) -> Path:
    """The file of ImageNet weights, fetched into the cache that ``cached`` looks in."""
    import huggingface_hub

    found = _published(source)
    _reach(address(source))  # what follows would try for most of a minute
    if found.hf_hub_id:
        return Path(huggingface_hub.hf_hub_download(found.hf_hub_id, HUB_FILE))
    path = _in_torch_cache(found.url)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(found.url, str(path), progress=False)
    return path


def _in_torch_cache(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name


def _reach(url: str) -> None:
    """Raise unless a server answers."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise SourceUnavailable("HF_HUB_OFFLINE is set, and no cache has them")
    requests.head(url, timeout=TIMEOUT_S, allow_redirects=True).raise_for_status()
