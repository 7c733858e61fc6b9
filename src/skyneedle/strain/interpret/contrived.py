"""How contrived the preimages of a network are, held against injections and plain noise.

Source: ours; asked for in Gebhard et al. 2019, last paragraph of Sec. VII D.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch import nn

from skyneedle.core import inference, metrics, plotting
from skyneedle.core.errors import DetectorMismatch, OneClassOnly
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.strain import preprocess
from skyneedle.strain.interpret import bank as banks
from skyneedle.strain.interpret import measures, preimages, receptive_field
from skyneedle.strain.interpret.preimages import EVENT, N_INPUTS

RESEMBLES = (0.5, 0.9)  # overlaps above which something resembles a template
QUANTITIES = ("overlap_best", "optimal_snr", "noise_loglik_z", "chi2_z", "chi2_z_below_20hz", "output_peak")


class Noise(NamedTuple):
    """Noise examples of a set, normalised, and their ids.

    Attributes:
        started: first 3 s of the examples that preimages start from, shape (n, detector, 6144).
        started_ids: shape (n,).
        reference: first 3 s of the examples that they are held against.
        reference_ids: their ids.
        segments: the next 3 s of the latter, which the noise is measured on.
    """

    started: np.ndarray
    started_ids: np.ndarray
    reference: np.ndarray
    reference_ids: np.ndarray
    segments: np.ndarray


def write(
    model: str | Path,
    testing: Sequence[str | Path],
    settings: Mapping[str, Any],
    simulate: Mapping[str, Any],
    recipe: str,
    seed: int,
    outputs: Any,
    device: str = "cpu",
    threads: int | None = None,
) -> None:
    """What one network looks at, as tables and metrics.

    Args:
        model: weights of a fully convolutional network.
        testing: shards of the testing set.
        settings: n_examples, steps, n_templates, n_reference.
        simulate: keys of the simulation: prior, approximant, starting frequency and noise curve of the
            templates; the curve is used for archive data too.
        recipe: "corrected" or "faithful".
        seed: root seed.
        outputs: paths ``preimages`` (parquet), ``contrived``, ``receptive_field``, ``connectivity`` (CSV),
            ``preimages_metrics`` and ``contrived_metrics`` (JSON), as attributes.
        device: "cpu" or "cuda:0".
        threads: of the processor.
    """
    if threads:
        torch.set_num_threads(threads)
    network, card = inference.load(model)
    detectors = card["normalisation"]["detectors"]
    noise = choose_noise(
        DataSet(testing), card["normalisation"], settings["n_examples"], settings["n_reference"], seed
    )
    fields = receptive_field.layer_receptive_fields(network, len(detectors))
    found = preimages.preimages(
        network,
        noise.started,
        noise.started_ids.tolist(),
        recipe=recipe,
        seed=seed,
        steps=settings["steps"],
        device=device,
    )
    templates = banks.template_bank(settings["n_templates"], simulate, detectors, recipe, seed)
    signals = banks.signals(len(noise.reference), simulate, detectors, recipe, seed)
    low, high = simulate["snr_range"]
    snrs = generator(seed, "reference snr").uniform(low, high, len(signals))
    table = contrived_table(found, network, noise, templates, signals, snrs, detectors, device)
    _write(outputs.preimages, preimages.preimage_table(found, detectors))
    _write(outputs.contrived, table)
    _write(outputs.receptive_field, fields.receptive_field)
    _write(outputs.connectivity, fields.connectivity)
    _write(outputs.preimages_metrics, preimages.success_metrics(found))
    _write(outputs.contrived_metrics, summary_metrics(summarise(table, seed)) | _field_metric(fields))


def _field_metric(fields: receptive_field.LayerFields) -> dict[str, dict[str, Any]]:
    n = fields.receptive_field["receptive_field"].iloc[-1]
    definition = "input samples that one value of the last layer depends on, by gradients"
    return {"receptive_field_samples": metrics.interval(n, n, n, 1) | {"definition": definition}}


def _write(path: str | Path, content: pd.DataFrame | Mapping[str, Any]) -> None:
    path, buffer = Path(path), io.BytesIO()
    if not isinstance(content, pd.DataFrame):
        buffer.write((json.dumps(metrics.json_ready(content), indent=2, allow_nan=False) + "\n").encode())
    elif path.suffix == ".parquet":
        content.to_parquet(buffer, index=False)
    else:
        content.to_csv(buffer, index=False, lineterminator="\n")
    plotting.write_bytes(path, buffer.getvalue())


# --- examples


def choose_noise(
    data: DataSet, normalisation: Mapping[str, Any], n_examples: int, n_reference: int, seed: int
) -> Noise:
    """Draw noise examples of a set: some to start from, others, without known glitches, to hold them against.

    Args:
        data: the testing set.
        normalisation: of the network, with ``detectors``.
        n_examples: to start from.
        n_reference: to hold against; fewer where the set has fewer.
        seed: root seed.

    Raises:
        OneClassOnly: if the set has too few noise examples.
        DetectorMismatch: if the set lacks one of the network's detectors.
    """
    there = list(data.attributes["detectors"])
    missing = [name for name in normalisation["detectors"] if name not in there]
    if missing:
        raise DetectorMismatch(
            f"{data.shards[0].parent}: no strain of {missing[0]}, only of {there}; choose another network."
        )
    rows = generator(seed, "noise examples").permutation(np.flatnonzero(data.table["label"].to_numpy() == 0))
    started, rest = np.sort(rows[:n_examples]), rows[n_examples:]
    if "glitch" in data.table:
        rest = rest[data.table["glitch"].to_numpy()[rest] == ""]
    held = np.sort(rest[:n_reference])
    if not len(started) or len(held) < measures.LEAST_SEGMENTS:
        raise OneClassOnly(
            f"{data.shards[0].parent}: {len(rows)} noise examples, {len(held)} of them without glitches "
            f"and left to hold {n_examples} preimages against; raise n_examples of the testing set."
        )
    channels = [there.index(name) for name in normalisation["detectors"]]
    ids = data.table["id"].to_numpy()

    def read(chosen: np.ndarray) -> np.ndarray:
        return preprocess.normalise(data.read("strain", chosen)[:, channels, : 2 * N_INPUTS], normalisation)

    reference = read(held)
    return Noise(
        read(started)[..., :N_INPUTS],
        ids[started],
        reference[..., :N_INPUTS],
        ids[held],
        reference[..., N_INPUTS:],
    )


# --- tables


def contrived_table(
    found: preimages.Preimages,
    network: nn.Module,
    noise: Noise,
    templates: Sequence[banks.Template],
    signals: np.ndarray,
    snrs: np.ndarray,
    detectors: Sequence[str] = ("H1", "L1"),
    device: str = "cpu",
) -> pd.DataFrame:
    """Preimages, injections and plain noise, each with all quantities.

    Args:
        found: preimages.
        network: that they were made for.
        noise: examples of noise.
        templates: the bank.
        signals: whitened signals that are injected into the reference noise, one each, as from
            ``bank.signals``.
        snrs: their optimal SNR within the 3 s of the input.
        detectors: names.
        device: "cpu" or "cuda:0".

    Returns:
        The columns of ``contrived_rows``, and output_peak; for preimages ``reached`` and ``holds`` too
        (target reproduced, constraint obeyed).
    """
    model = measures.calibrate(noise.segments)
    injected = place_signals(signals, snrs, model)
    frames = [
        contrived_rows(
            "preimage",
            found.constraint,
            found.example,
            found.inputs - found.original,
            found.inputs,
            model,
            templates,
            detectors,
        ).assign(
            output_peak=found.output.max(axis=1), reached=preimages.reached(found.output), holds=found.holds
        )
    ]
    for kind, added, inputs in (
        ("injection", injected, noise.reference + injected),
        ("noise", noise.reference, noise.reference),
    ):
        logits = inference.apply(network, inputs, device=device, precision="float32")
        names = [""] * len(inputs)
        rows = contrived_rows(kind, names, noise.reference_ids, added, inputs, model, templates, detectors)
        frames.append(rows.assign(output_peak=expit(logits.max(axis=1).astype(np.float64))))
    return pd.concat(frames, ignore_index=True)


def place_signals(signals: np.ndarray, snrs: np.ndarray, model: measures.NoiseModel) -> np.ndarray:
    """Signals in 3 s of input, the event where the middle of the target is.

    Args:
        signals: as from ``bank.signals``, shape (n, detector, 6144).
        snrs: optimal SNR of the network that they get, shape (n,).
        model: of the noise.

    Returns:
        Normalised strain, shape (n, detector, 6144), float32.
    """
    start = banks.BEFORE - EVENT
    cut = signals[..., start : start + N_INPUTS]
    x = measures.coloured(np.pad(cut, [(0, 0), (0, 0), (0, N_INPUTS - cut.shape[-1])]), model)
    now = np.sqrt((measures.optimal_snr(x, model) ** 2).sum(axis=1))
    return (x * (snrs / now)[:, None, None]).astype(np.float32)


def contrived_rows(
    kind: str,
    constraint: Sequence[str],
    example: Sequence[int] | np.ndarray,
    added: np.ndarray,
    inputs: np.ndarray,
    model: measures.NoiseModel,
    templates: Sequence[banks.Template],
    detectors: Sequence[str] = ("H1", "L1"),
) -> pd.DataFrame:
    """All quantities of inputs of one kind.

    Args:
        kind: "preimage", "injection" or "noise".
        constraint: name for each row, "" where there is none.
        example: ids of the noise examples.
        added: the hypothetical signal, input less original, shape (row, detector, 6144), normalised. For
            noise the
            noise itself: what likeness and SNR are like where there is no signal.
        inputs: likewise.
        model: of the noise.
        templates: the bank.
        detectors: names.

    Returns:
        One row each: constraint, example, kind, overlap_best and overlap_<detector>, template (number) with
        template_mass1 and template_mass2 in solar masses, template_offset_s (its event after the middle of
        the target), optimal_snr and optimal_snr_<detector>, and the columns of ``measures.noise_likelihood``.
    """
    snr = measures.optimal_snr(added, model)
    like = measures.likeness(measures.whitened(added, model), templates)
    columns: dict[str, Any] = {
        "constraint": list(constraint),
        "example": np.asarray(example, dtype=np.int64),
        "kind": kind,
        "overlap_best": like.network,
        **{f"overlap_{name}": like.single[:, row] for row, name in enumerate(detectors)},
        "template": like.template,
        **{
            f"template_{key}": [templates[number].parameters[key] for number in like.template]
            for key in ("mass1", "mass2")
        },
        "template_offset_s": (like.event - EVENT) / preprocess.SAMPLE_RATE,
        "optimal_snr": np.sqrt((snr**2).sum(axis=1)),
        **{f"optimal_snr_{name}": snr[:, row] for row, name in enumerate(detectors)},
    }
    return pd.DataFrame(columns | measures.noise_likelihood(inputs, model))


def summarise(table: pd.DataFrame, seed: int = 0, n_bootstrap: int = 1000) -> pd.DataFrame:
    """Medians and shares over the rows of each kind and constraint.

    Args:
        table: columns kind, constraint, example and ``QUANTITIES``.
        seed: of the bootstrap.
        n_bootstrap: redraws of examples.

    Returns:
        Columns kind, constraint, quantity, n, value, low, high (68 % interval). For a quantity the value is
        its median; ``overlap_above_0.5`` and ``overlap_above_0.9`` are shares of rows that resemble a
        template.
    """
    rows = []
    for (kind, constraint), group in table.groupby(["kind", "constraint"], sort=False, dropna=False):
        found = {
            name: metrics.bootstrap(
                _median(group[name].to_numpy(float)),
                group["example"].to_numpy(),
                n_bootstrap,
                generator(seed, "summary", str(kind), str(constraint), name),
            )
            for name in QUANTITIES
        }
        found |= {
            f"overlap_above_{limit}": metrics.binomial((group["overlap_best"] > limit).sum(), len(group))
            for limit in RESEMBLES
        }
        group_of = {"kind": kind, "constraint": constraint}
        rows += [group_of | {"quantity": name} | entry for name, entry in found.items()]
    names = ["kind", "constraint", "quantity", "n", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def _median(values: np.ndarray) -> metrics.Statistic:
    order = np.argsort(values)

    def median(weights: np.ndarray) -> float:
        reached = np.cumsum(weights[order])
        half = reached[-1] / 2
        low, high = np.searchsorted(reached, half), np.searchsorted(reached, half, side="right")
        return float((values[order[low]] + values[order[min(high, len(order) - 1)]]) / 2)

    return median


def summary_metrics(summary: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The summary as metrics: ``<constraint or kind>_<quantity>`` to value, low, high, n and definition."""
    found = {}
    for row in summary.to_dict("records"):
        share = row["quantity"].startswith("overlap_above")
        what = "share of rows, Wilson's interval" if share else "median over examples, bootstrap interval"
        found[f"{row['constraint'] or row['kind']}_{row['quantity']}"] = {
            key: row[key] for key in ("value", "low", "high", "n")
        } | {"definition": f"{row['quantity']}: {what}"}
    return found
