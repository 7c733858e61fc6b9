"""Any trained network over any data set or stream, in pieces that fit in memory."""

import hashlib
import importlib
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save
from torch import nn

from skyneedle.core import store
from skyneedle.core.errors import BadSetting, NotADataSet, SkyneedleError, UnknownNetwork

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LARGEST_HALF = float(np.finfo(np.float16).max)


# --- networks by name or from a file


def build(source: str, options: Mapping[str, Any] | None = None, registry: str | None = None) -> nn.Module:
    """A network, built in or from a user's own file.

    Args:
        source: a name that the registry knows, or ``path/to/file.py:ClassName``.
        options: arguments of the network.
        registry: module with a function ``build(name, **options)``, such as ``skyneedle.strain.networks``.

    Returns:
        The network with fresh weights.

    Raises:
        UnknownNetwork: if there is no such name, file or class, or the class is not a network of this kind.
    """
    options = dict(options or {})
    known = importlib.import_module(registry) if registry else None
    if ".py:" not in source:
        if known is None:
            raise UnknownNetwork(
                f"'{source}' is no path/to/file.py:ClassName, and no built-in networks were named."
            )
        return known.build(source, **options)
    network = _build_from_file(source, options)
    for name in getattr(known, "REQUIRED_ATTRIBUTES", ()):
        if not isinstance(getattr(network, name, None), int):
            raise UnknownNetwork(
                f"{source}: the network has no integer attribute '{name}'; set it in __init__."
            )
    return network


def build_known(
    builders: Mapping[str, Callable[..., Any]], experiment: str, name: str, options: Mapping[str, Any]
) -> Any:
    """The network of a name in an experiment's registry; arguments and errors as of its ``build``."""
    if name not in builders:
        raise UnknownNetwork(
            f"There is no network '{name}' for {experiment}; known are {', '.join(builders)}, "
            "or give your own as path/to/file.py:ClassName."
        )
    try:
        return builders[name](**options)
    except TypeError as error:
        raise UnknownNetwork(f"Network '{name}' cannot be built with {dict(options)}: {error}.") from error


def _build_from_file(source: str, options: Mapping[str, Any]) -> nn.Module:
    path, _, name = source.rpartition(":")
    if not Path(path).is_file():
        raise UnknownNetwork(
            f"{path}: no such file; a network of your own is named path/to/file.py:ClassName."
        )
    spec = importlib.util.spec_from_file_location(f"skyneedle_network_{Path(path).stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UnknownNetwork(f"{path}: cannot be imported ({type(error).__name__}: {error}).") from error
    made = getattr(module, name, None)
    if made is None:
        raise UnknownNetwork(f"{path}: defines no '{name}'; write the name of its class after the colon.")
    try:
        network = made(**options)
    except TypeError as error:
        raise UnknownNetwork(f"{source} cannot be built with {dict(options)}: {error}.") from error
    if not isinstance(network, nn.Module):
        raise UnknownNetwork(f"{source} gives a {type(network).__name__}, expected a torch.nn.Module.")
    return network


def load(stem: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """A trained network from disk.

    Args:
        stem: path of weights or card, with or without its ending; ``seed0.last`` gives the last weights.

    Returns:
        The network in evaluation mode on the CPU, and its card.

    Raises:
        UnknownNetwork: if weights or card are missing, or do not belong together.
    """
    stem = Path(stem)
    if stem.suffix in (".json", ".safetensors"):
        stem = stem.with_suffix("")
    weights = stem.with_name(f"{stem.name}.safetensors")
    card_path = stem.with_name(f"{stem.name.removesuffix('.last')}.json")
    for path in (weights, card_path):
        if not path.is_file():
            raise UnknownNetwork(f"{path}: no such file; a trained network is a .safetensors with its .json.")
    try:
        card = json.loads(card_path.read_text())
        network = build(card["source"], card["options"], card["registry"])
        network.load_state_dict(load_file(weights))
    except SkyneedleError:
        raise
    except Exception as error:
        raise UnknownNetwork(f"{weights}: does not fit its card {card_path.name} ({error}).") from error
    return network.eval(), card


# --- precision and device


def has_fast_bfloat16(cpuinfo: str | Path = "/proc/cpuinfo") -> bool:
    """Whether this processor multiplies matrices of bfloat16 in hardware (AVX512-BF16 or AMX)."""
    try:
        flags = Path(cpuinfo).read_text().split()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _gains(device: str) -> bool:
    """Whether bfloat16 is faster on a device; GPUs before compute capability 8 only imitate it."""
    if device == "cpu":
        return has_fast_bfloat16()
    return not torch.cuda.is_available() or torch.cuda.get_device_capability(device) >= (8, 0)


def choose_precision(network: nn.Module, device: str, precision: str = "auto") -> str:
    """What a network is run in.

    Args:
        network: may say with ``half_precision_pays`` that it is wide enough to gain.
        device: ``cpu`` or ``cuda:0``.
        precision: ``auto`` or one of ``PRECISIONS``.

    Returns:
        One of ``PRECISIONS``: bfloat16 where it is asked for or gains, else float32.

    Raises:
        BadSetting: if the precision is unknown, or float16 is asked for on a CPU.
    """
    if precision not in ("auto", *PRECISIONS) or (precision == "float16" and device == "cpu"):
        raise BadSetting(
            f"Precision '{precision}' on {device}: choose auto, float32, bfloat16, or float16 on CUDA."
        )
    if precision != "auto":
        return precision
    return "bfloat16" if getattr(network, "half_precision_pays", False) and _gains(device) else "float32"


class Prepared(nn.Module):
    """A network on its device and in its precision; takes and gives float32 tensors on the CPU."""

    receptive_field: int
    output_offset: int
    step: int

    def __init__(self, network: Any, device: str, precision: str):
        super().__init__()
        self.precision, self.device = precision, torch.device(device)
        self.receptive_field = getattr(network, "receptive_field", 1)
        self.output_offset, self.step = getattr(network, "output_offset", 0), getattr(network, "step", 1)
        folds = hasattr(network, "for_inference")
        self.network = network.for_inference(PRECISIONS[precision]) if folds else network
        self.network.eval().to(self.device)
        self.casts = not folds and precision != "float32"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cast = torch.autocast(self.device.type, PRECISIONS[self.precision], enabled=self.casts)
        with torch.inference_mode(), cast:
            return self.network(x.to(self.device, non_blocking=True)).float().cpu()


def prepare(network: nn.Module, device: str = "cpu", precision: str = "auto") -> Prepared:
    """A network made ready to be run many times; ``apply`` and the others do it themselves where it is not.

    Args:
        network: any network; one with ``for_inference(dtype)`` is replaced by what that gives.
        device: ``cpu`` or ``cuda:0``.
        precision: see ``choose_precision``.

    Returns:
        A module from float32 to float32 on the CPU, with ``receptive_field``, ``output_offset``, ``step``.
    """
    if isinstance(network, Prepared):
        return network
    return Prepared(network, device, choose_precision(network, device, precision))


# --- running


def apply(
    network: nn.Module,
    x: np.ndarray,
    normalisation: Mapping[str, Any] | None = None,
    *,
    batch_size: int = 16,
    device: str = "cpu",
    precision: str = "auto",
) -> np.ndarray:
    """Logits of examples.

    Args:
        network: any network, prepared or not.
        x: inputs, shape (n, channel, ...), not normalised.
        normalisation: ``mean`` and ``std``, one number a channel; none leaves x as it is.
        batch_size: examples at once.
        device: ``cpu`` or ``cuda:0``.
        precision: see ``choose_precision``.

    Returns:
        Logits, float32, shape (n, ...) as the network gives it.
    """
    prepared = prepare(network, device, precision)
    parts = [
        prepared(_normalise(x[start : start + batch_size], normalisation)).numpy()
        for start in range(0, len(x), batch_size)
    ]
    return np.concatenate(parts)


def _normalise(x: np.ndarray, normalisation: Mapping[str, Any] | None) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
    if normalisation is None:
        return tensor
    shape = (1, -1) + (1,) * (tensor.ndim - 2)
    mean, std = (torch.tensor(normalisation[key], dtype=torch.float32).view(shape) for key in ("mean", "std"))
    return (tensor - mean) / std


def slide(
    network: nn.Module,
    x: np.ndarray,
    normalisation: Mapping[str, Any] | None = None,
    *,
    chunk: int = 65536,
    device: str = "cpu",
    precision: str = "auto",
) -> np.ndarray:
    """Logits of one series of any length, in chunks that overlap by one receptive field less one sample.

    Args:
        network: a network for sequences, prepared or not.
        x: one series, shape (channel, time), not normalised.
        normalisation: as in ``apply``.
        chunk: outputs at once.
        device: ``cpu`` or ``cuda:0``.
        precision: see ``choose_precision``.

    Returns:
        Logits, float32, shape (n_outputs,), the same as of a single pass.
    """
    prepared = prepare(network, device, precision)
    step, field = prepared.step, prepared.receptive_field
    n_outputs = (x.shape[-1] - field) // step + 1
    parts = []
    for first in range(0, max(n_outputs, 1), chunk):
        last = min(first + chunk, n_outputs)
        piece = x[None, :, first * step : (last - 1) * step + field] if n_outputs > 0 else x[None]
        parts.append(prepared(_normalise(piece, normalisation))[0].numpy())
    return np.concatenate(parts)


def stream(
    network: nn.Module,
    pieces: Iterable[tuple[float, np.ndarray]],
    normalisation: Mapping[str, Any] | None = None,
    *,
    device: str = "cpu",
    precision: str = "auto",
) -> Iterator[tuple[float, np.ndarray]]:
    """Logits of a stream, piece by piece.

    Args:
        network: a network for sequences, prepared or not.
        pieces: pairs of the time of the first output in s and the series, shape (channel, time).
        normalisation: as in ``apply``.
        device: ``cpu`` or ``cuda:0``.
        precision: see ``choose_precision``.

    Yields:
        Pairs of the time of the first output in s and logits, float32, shape (n_outputs,).
    """
    prepared = prepare(network, device, precision)
    for start, piece in pieces:
        yield start, slide(prepared, piece, normalisation)


def predict_set(
    stem: str | Path,
    dataset: store.DataSet,
    folder: str | Path,
    *,
    array: str = "strain",
    channels: Sequence[int] | None = None,
    start_column: str = "crop_gps",
    batch_size: int = 16,
    device: str = "cpu",
    precision: str = "auto",
    keep: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the logits of a data set of sequences, one shard for each of its shards.

    A shard has the array ``logit`` (float16, shape (n, n_outputs)), a table with ``id`` and ``gps_start``
    (time of the first output in s), and the attribute ``sample_rate`` of the outputs in Hz.

    Args:
        stem: trained network, see ``load``.
        dataset: with the attribute ``sample_rate`` of its inputs in Hz.
        folder: where the shards go; shards there that are not of this data set are removed.
        array: name of the inputs.
        channels: which of their channels the network takes, in its order; None takes all.
        start_column: time of the first input sample in s.
        batch_size: examples at once.
        device: ``cpu`` or ``cuda:0``.
        precision: see ``choose_precision``.
        keep: keep complete shards of the same network and examples that are there already.
        provenance: goes into the attributes.
    """
    network, card = load(stem)
    prepared = prepare(network, device, precision)
    picked = slice(None) if channels is None else list(channels)
    folder, rate = Path(folder), float(dataset.attributes["sample_rate"])
    attributes = {
        "network": card["name"],
        "weights": weights_digest(network),
        "sample_rate": rate / prepared.step,
        "output_offset": prepared.output_offset,
        "precision": prepared.precision,
        "provenance": dict(provenance or {}),
    }
    wanted = {path.name for path in dataset.shards}
    for path in folder.glob("*.h5"):
        if not keep or path.name not in wanted:
            path.unlink()
    for path in dataset.shards:
        shard = store.DataSet(path)
        target = folder / path.name
        if keep and _is_complete(target, shard, attributes):
            continue
        parts = [
            apply(prepared, block[:, picked], card["normalisation"], batch_size=batch_size)
            for _, block in shard.blocks(array, batch_size)
        ]
        logits = np.concatenate(parts).clip(-LARGEST_HALF, LARGEST_HALF).astype(np.float16)
        start = shard.table[start_column].to_numpy() + prepared.output_offset / rate
        table = pd.DataFrame({"id": shard.table["id"].to_numpy(), "gps_start": start})
        store.write(target, {"logit": logits}, table, attributes)


def weights_digest(network: nn.Module) -> str:
    """Short fingerprint of the weights of a network."""
    return hashlib.sha256(save(network.state_dict())).hexdigest()[:16]


def _is_complete(path: Path, shard: store.DataSet, attributes: Mapping[str, Any]) -> bool:
    """A shard is there whole or not at all; it only may be of other examples or of another network."""
    try:
        found = store.DataSet(path)
    except NotADataSet:
        return False
    same = found.attributes == json.loads(json.dumps(attributes))
    return same and found.table["id"].tolist() == shard.table["id"].tolist()
