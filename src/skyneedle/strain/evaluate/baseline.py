"""The dumb baseline: band-limited excess power, as logits of the same form as a network's.

A network has to beat this by a margin: it knows nothing of waveforms, only that whitened strain should have
constant power.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import signal

from skyneedle.core import store
from skyneedle.core.errors import DetectorMismatch, OneClassOnly, StrainTooShort
from skyneedle.core.tables import write_json
from skyneedle.strain.evaluate.match import Source, open_set
from skyneedle.strain.preprocess import OUTPUT_OFFSET, RECEPTIVE_FIELD, SAMPLE_RATE

NAME = "excess_power"


@dataclass(frozen=True)
class Settings:
    """What the baseline looks at.

    Attributes:
        f_low_hz, f_high_hz: band.
        width_s: of the window in which power is summed.
        zero: excess, in standard deviations of the noise, at which the logit is 0.
        n_taps: length of the band-pass filter in samples, odd.
    """

    f_low_hz: float = 30.0
    f_high_hz: float = 350.0
    width_s: float = 0.25
    zero: float = 3.0
    n_taps: int = 513

    @property
    def width(self) -> int:
        """Window in samples: odd, so that it has a middle sample."""
        return 2 * round(self.width_s * SAMPLE_RATE / 2) + 1


def band_power(strain: np.ndarray, settings: Settings) -> np.ndarray:
    """Mean square in the band, in a window centred on the input sample of each output of the network.

    Args:
        strain: conditioned strain, shape (..., n).
        settings: band and window.

    Returns:
        float64, shape (..., n - 4095); element j is centred on sample j + 2047 and sees less than the network
        does there.
    """
    n = strain.shape[-1]
    reach = (settings.n_taps + settings.width - 2) // 2
    if n < RECEPTIVE_FIELD:
        raise StrainTooShort(f"{n} samples are less than the {RECEPTIVE_FIELD} that one output needs.")
    if reach > OUTPUT_OFFSET:
        raise StrainTooShort(
            f"Filter and window reach {reach} samples; an output may see {OUTPUT_OFFSET} to either side."
        )
    band = (settings.f_low_hz, settings.f_high_hz)
    taps = signal.firwin(settings.n_taps, band, pass_zero=False, fs=SAMPLE_RATE)
    taps = taps.reshape((1,) * (strain.ndim - 1) + (-1,))
    power = signal.oaconvolve(np.asarray(strain, np.float64), taps, mode="valid", axes=-1) ** 2
    total = np.cumsum(power, axis=-1)
    total = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
    means = (total[..., settings.width :] - total[..., : -settings.width]) / settings.width
    return means[..., OUTPUT_OFFSET - reach :][..., : n - RECEPTIVE_FIELD + 1]


def fit(
    train: Source,
    settings: Settings | None = None,
    max_examples: int = 512,
    array: str = "strain",
    detectors: Sequence[str] = ("H1", "L1"),
) -> dict[str, Any]:
    """Learn the power of noise from the training set's examples without a signal.

    Args:
        train: training set, conditioned strain of shape (n, detector, sample).
        settings: of the band.
        max_examples: noise examples that are used, in the order of the set.
        array: name of the array.
        detectors: whose power is added up.

    Returns:
        Card: settings, detectors, power (median in each detector), location and scale (median and 1.4826
        median absolute deviations of the logarithm of the power summed over detectors), n_examples.

    Raises:
        OneClassOnly: if the set has no noise example.
    """
    train, settings = open_set(train), settings or Settings()
    noise = np.flatnonzero(train.table["label"].to_numpy() == 0)[:max_examples]
    if not len(noise):
        raise OneClassOnly(
            f"{train.shards[0]}: no example without a signal, from which the noise's power could be learnt."
        )
    channels = channels_of(train, detectors)
    stride = settings.width // 4  # neighbours know nothing new
    samples = [
        band_power(train.read(array, noise[k : k + 32])[:, channels], settings)[..., ::stride]
        for k in range(0, len(noise), 32)
    ]
    power = np.concatenate(samples).swapaxes(0, 1).reshape(len(channels), -1)
    median = np.median(power, axis=1)
    log_sum = np.log((power / median[:, None]).sum(axis=0))
    location = float(np.median(log_sum))
    return {
        "network": NAME,
        "settings": asdict(settings),
        "detectors": list(detectors),
        "power": median.tolist(),
        "location": location,
        "scale": float(1.4826 * np.median(np.abs(log_sum - location))),
        "n_examples": len(noise),
    }


def channels_of(data: store.DataSet, detectors: Sequence[str]) -> list[int]:
    """Indices of detectors in a data set; DetectorMismatch if it lacks one."""
    there = list(data.attributes["detectors"])
    missing = [name for name in detectors if name not in there]
    if missing:
        raise DetectorMismatch(f"{data.shards[0]}: no strain of {missing[0]}; there is {', '.join(there)}.")
    return [there.index(name) for name in detectors]


def logits(strain: np.ndarray, card: Mapping[str, Any]) -> np.ndarray:
    """Excess power as a logit: standard deviations above the noise, minus ``zero``.

    Args:
        strain: conditioned, not normalised, shape (..., detector, n).
        card: from `fit`.

    Returns:
        float32, shape (..., n - 4095).

    Raises:
        DetectorMismatch: if there are not as many detectors as in training.
    """
    settings = Settings(**card["settings"])
    if strain.shape[-2] != len(card["power"]):
        raise DetectorMismatch(
            f"{strain.shape[-2]} detectors given, the baseline knows {len(card['power'])}."
        )
    relative = band_power(strain, settings) / np.asarray(card["power"])[:, None]
    # The floor keeps the logarithm finite where data are exactly zero.
    log_sum = np.log(np.maximum(relative.sum(axis=-2), 1e-12))
    return ((log_sum - card["location"]) / card["scale"] - settings.zero).clip(-60, 60).astype(np.float32)


def predict(source: Source, card: Mapping[str, Any], folder: str | Path, array: str = "strain") -> None:
    """Write the baseline's outputs for a data set, one shard for each of its shards, like those of a network.

    Args:
        source: data set.
        card: from `fit`.
        folder: where the shards go; shards there that are not of this data set are removed.
        array: name of the array.
    """
    data, folder = open_set(source), Path(folder)
    wanted = {path.name for path in data.shards}
    for path in folder.glob("*.h5"):
        if path.name not in wanted:
            path.unlink()
    attributes = {"network": NAME, "sample_rate": float(SAMPLE_RATE), "output_offset": OUTPUT_OFFSET}
    for path in data.shards:
        shard = store.DataSet(path)
        channels = channels_of(shard, card["detectors"])
        parts = [logits(block[:, channels], card) for _, block in shard.blocks(array, 32)]
        out = np.concatenate(parts).astype(np.float16)
        start = shard.table["crop_gps"].to_numpy() + OUTPUT_OFFSET / SAMPLE_RATE
        table = pd.DataFrame({"id": shard.table["id"].to_numpy(), "gps_start": start})
        store.write(folder / path.name, {"logit": out}, table, attributes)


def save(card: Mapping[str, Any], path: str | Path) -> None:
    """Write the card as JSON."""
    write_json(card, path)


def load(path: str | Path) -> dict[str, Any]:
    """Read the card back."""
    return json.loads(Path(path).read_text())
