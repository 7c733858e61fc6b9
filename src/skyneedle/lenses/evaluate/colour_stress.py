"""Recall of the same lenses with redder and redder sources.

Lenses of the testing set are made again from their ids with the light of the source apart; its light in Y, J
and H is raised before noise is added, all else stays, the noise included.

Source: spec F14; Wilde et al. 2022, Secs. 4 and 6, where networks miss arcs that are redder than those of the
training set.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from skyneedle.core import inference, metrics, tables
from skyneedle.core.errors import BadSetting, MissingBand
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.lenses import training
from skyneedle.lenses.networks import lens_logit
from skyneedle.lenses.simulate import examples, noise
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.render import Images
from skyneedle.lenses.simulate.settings import Settings

CHUNK = 8  # systems in memory at a time, each with all its shifts


def factors(shift_mag: float, instrument: Instrument) -> np.ndarray:
    """What the light in each band but the first is multiplied by to make VIS - H redder, shape (band - 1,).

    In magnitudes the change grows in proportion to wavelength, from none in the first band.
    """
    middle = np.array([np.mean(band.wavelength_nm) for band in instrument.bands])
    share = (middle[1:] - middle[0]) / (middle.max() - middle[0])
    return 10 ** (0.4 * shift_mag * share)


def reddened(example_id: int, settings: Settings, seed: int, shifts_mag: Sequence[float]) -> list[Images]:
    """One system of single lenses as recorded with its source reddened by each shift.

    Args:
        example_id: of a lens; the same id, settings and seed as in its set give its very image at a shift of
            zero, up to rounding.
        settings: of its set.
        seed: likewise.
        shifts_mag: by which VIS - H of the source grows, mag.

    Raises:
        MissingBand: if the instrument has one band.
    """
    instrument = settings.seen_with("singles")
    if len(instrument.bands) < 2:
        raise MissingBand(f"Instrument {instrument.name} has one band, and so no colour to shift.")
    layers = examples.example(example_id, "singles", settings, seed, with_layers=True).layers
    found = []
    for shift in shifts_mag:
        source = layers["source"]
        nisp = source.nisp * factors(shift, instrument).astype(np.float32)[:, None, None]
        whole = noise.total(layers | {"source": Images(source.vis, nisp)})
        found.append(noise.observe(whole, instrument, generator(seed, example_id, "noise")))
    return found


def logits(
    weights: Mapping[str, str | Path],
    testing: Sequence[str | Path],
    shifts_mag: Sequence[float],
    n_examples: int,
    device: str = "cpu",
) -> pd.DataFrame:
    """Answers of all networks to reddened lenses of the testing set.

    Args:
        weights: trained networks by name.
        testing: shards of the testing set, which say how it was simulated.
        shifts_mag: as of ``reddened``.
        n_examples: at most so many lenses, the first of the set.
        device: "cpu" or "cuda:0".

    Returns:
        Columns network, shift_mag, id, parent_id, logit.

    Raises:
        BadSetting: if the set holds no lens.
        MissingBand: as of ``reddened``.
    """
    data = DataSet(testing)
    lenses = data.table[data.table["label"] == 1].head(n_examples)
    if not len(lenses):
        raise BadSetting(f"{data.shards[0].parent}: no lens is in the set; raise its n_examples.")
    settings, seed = Settings(**data.attributes["settings"]), data.attributes["seed"]
    loaded = {name: inference.load(path) for name, path in weights.items()}
    ready = {
        name: (inference.prepare(network, device), training.for_survey(training.scaling_of(card), data))
        for name, (network, card) in loaded.items()
    }
    found = []
    for chunk, made in _chunks(lenses, settings, seed, shifts_mag):
        vis, nisp = (np.stack([getattr(one, part) for one in made]) for part in Images._fields)
        for name, (network, scaling) in ready.items():
            arrays = {"vis": vis, "nisp": nisp}
            answer = lens_logit(network(torch.from_numpy(scaling(**arrays))).double()).numpy()
            found.append(chunk.assign(network=name, logit=answer))
    table = pd.concat(found, ignore_index=True)
    return table[["network", "shift_mag", "id", "parent_id", "logit"]]


def _chunks(
    lenses: pd.DataFrame, settings: Settings, seed: int, shifts_mag: Sequence[float]
) -> Iterator[tuple[pd.DataFrame, list[Images]]]:
    for start in range(0, len(lenses), CHUNK):
        rows = lenses.iloc[start : start + CHUNK]
        made = [one for number in rows["id"] for one in reddened(int(number), settings, seed, shifts_mag)]
        repeated = rows[["id", "parent_id"]].loc[rows.index.repeat(len(shifts_mag))].reset_index(drop=True)
        yield repeated.assign(shift_mag=np.tile(shifts_mag, len(rows))), made


def curves(table: pd.DataFrame, points: Mapping[str, float], n_bootstrap: int = 1000) -> pd.DataFrame:
    """Recall at the operating point over the shift, with intervals from redrawing systems.

    Args:
        table: of ``logits``.
        points: threshold of each network, log odds.
        n_bootstrap: redraws.

    Returns:
        Columns network, shift_mag, quantity ("recall", or "change" from that at the first shift, in which
        what the systems share cancels), value, low, high, n (groups of systems).
    """
    rows = []
    for network, one in table.groupby("network", sort=False):
        wide = one.pivot(index="id", columns="shift_mag", values="logit")
        found = wide.to_numpy() >= points[str(network)]
        parents = one.drop_duplicates("id").set_index("id").loc[wide.index, "parent_id"].to_numpy()

        def measure(weights: np.ndarray, found: np.ndarray = found) -> np.ndarray:
            recall = weights @ found / weights.sum()
            return np.concatenate([recall, recall - recall[0]])

        entry = metrics.bootstrap(measure, parents, n_bootstrap, generator(0, "colour stress"))
        names = [(quantity, shift) for quantity in ("recall", "change") for shift in wide.columns]
        rows += [
            {"network": network, "shift_mag": shift, "quantity": quantity, "n": int(entry["n"])}
            | {part: float(entry[part][i]) for part in ("value", "low", "high")}
            for i, (quantity, shift) in enumerate(names)
        ]
    return pd.DataFrame(rows, columns=["network", "shift_mag", "quantity", "value", "low", "high", "n"])


def write(
    weights: Mapping[str, str | Path],
    points: Mapping[str, float],
    testing: Sequence[str | Path],
    settings: Mapping[str, Any],
    *,
    table: str | Path,
    out: str | Path,
    n_bootstrap: int,
    device: str = "cpu",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the curves (CSV) and the change at the largest shift for the scoreboard (JSON).

    Args:
        weights, points, testing, n_bootstrap, device: as of ``logits`` and ``curves``.
        settings: ``n_examples`` and ``shifts_mag``.
        table: to write.
        out: to write.
        provenance: stored in the metrics.
    """
    answered = logits(weights, testing, settings["shifts_mag"], settings["n_examples"], device)
    found = curves(answered, points, n_bootstrap)
    tables.write_csv(found, table)
    largest = found[(found["quantity"] == "change") & (found["shift_mag"] == max(settings["shifts_mag"]))]
    entries = {
        f"change_{row.network}": {"value": row.value, "low": row.low, "high": row.high, "n": row.n}
        | {
            "item": row.network,
            "quantity": f"recall with sources reddened by {row.shift_mag:g} mag, minus without",
            "definition": "share at or above the operating point, difference on the same lenses",
        }
        for row in largest.itertuples()
    }
    tables.write_json(entries | {"provenance": dict(provenance or {})}, out)
