"""What 8-bit stamps cost: the same examples as fluxes, as 8-bit pictures, and as pictures with marks.

The published networks see pictures: each plane stretched between its own quantiles, with marks burnt into
its corners. ``evaluate.pixels`` judges what networks make of each form.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skyneedle.core import metrics, store, tables
from skyneedle.core.errors import WrongPixelMode
from skyneedle.core.files import appearing
from skyneedle.core.runtime import Job
from skyneedle.core.store import DataSet
from skyneedle.transients import baseline, preprocess, samples, sweep
from skyneedle.transients import split as splits
from skyneedle.transients.preprocess import CHANNELS, Scaling
from skyneedle.transients.simulate.archive import stretched, tick_marks

BLOCK = 256


class Form(NamedTuple):
    """How stamps come to a network.

    Attributes:
        pictures: "plain" or "marked" 8-bit pictures; empty for fluxes.
        recipe: of scaling and training, see ``training.train``.
    """

    pictures: str
    recipe: str


FORMS = {
    "fits": Form("", "corrected"),
    "gif_unmarked": Form("plain", "corrected"),
    "gif": Form("marked", "corrected"),
    "gif_as_published": Form("marked", "faithful"),  # values 0 to 255, never turned, last epoch
}
# Files of a trained network, which are kept where they are asked for.
KEPT = {"weights": ".safetensors", "last": ".last.safetensors", "card": ".json"}


def write_pictures(
    out: str | Path, shards: Sequence[str | Path], split: str | Path, marked: bool = True
) -> None:
    """Write the examples of a split as 8-bit pictures, as the archive's own are made.

    Args:
        out: shard to write: ``stamps`` (n, 3, 51, 51) uint8, and the table of the set.
        shards: of a set of fluxes.
        split: parquet with id and split.
        marked: whether the marks are burnt in.

    Raises:
        WrongPixelMode: if the set holds pictures already.
    """
    data = DataSet(shards)
    if preprocess.mode_of(data) != "fits":
        raise WrongPixelMode(
            f"{data.shards[0].parent}: holds 8-bit pictures, from which fluxes cannot be had; pack the "
            "archive with pixel mode 'fits'."
        )
    rows = splits.rows(data, split)

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        for stamps in _blocks(data, rows):
            planes = stamps.reshape(-1, *stamps.shape[2:])
            pictures = np.stack([stretched(plane, marked) for plane in planes])
            yield {"stamps": pictures.reshape(stamps.shape)}

    table = data.table.iloc[rows].reset_index(drop=True)
    attributes = {"channels": list(CHANNELS), "pixel_mode": "gif", "marked": marked}
    store.write_blocks(out, blocks(), lambda: (table, attributes))


def _blocks(data: DataSet, rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), BLOCK):
        yield data.read("stamps", rows[start : start + BLOCK])


def constant_pixels(data: DataSet, rows: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """Pixels that tell a class, or nothing at all, because they are the same in all its examples.

    Args:
        data: the set.
        rows: examples that are looked at, shape (n,).
        labels: 1 artifact, 0 not, shape (n,).

    Returns:
        Of the 3 x 51 x 51 pixels, how many are the same in all ``non_artifacts``, in all ``artifacts``, and
        how many in one of the classes alone, or with another value in each (``differ``): these would be a
        shortcut.
    """
    lows, highs = [], []
    for label in (0, 1):
        of_class = _blocks(data, rows[labels == label])
        least = most = next(of_class)[0]
        for stamps in _blocks(data, rows[labels == label]):
            least, most = np.minimum(least, stamps.min(0)), np.maximum(most, stamps.max(0))
        lows.append(least)
        highs.append(most)
    constant = [low == high for low, high in zip(lows, highs, strict=True)]
    differ = (constant[0] != constant[1]) | (constant[0] & constant[1] & (lows[0] != lows[1]))
    counts = {"non_artifacts": constant[0], "artifacts": constant[1], "differ": differ}
    return {name: int(where.sum()) for name, where in counts.items()}


def mark_scores(
    data: DataSet, rows: np.ndarray, labels: np.ndarray, learnt: np.ndarray, form: Form
) -> pd.DataFrame:
    """Scores from the pixels of the marks alone, as a network gets them, by a logistic regression.

    Where marks are burnt in, it sees what little they tell; elsewhere, the corners of the stamps.

    Args:
        data: the set.
        rows: examples that are scored, shape (n,).
        labels: 1 artifact, 0 not, shape (n,).
        learnt: True for examples that may be learnt from, shape (n,).
        form: whose scaling is used.

    Returns:
        id, label, score and logit of the examples.
    """
    marks, found = tick_marks(), []
    for stamps in _blocks(data, rows):
        raw = form.recipe == "faithful"
        planes = stamps.astype(np.float32) if raw else preprocess.stretched(stamps, Scaling.softening)
        found.append(planes[:, :, marks].reshape(len(stamps), -1))
    logit = baseline.fitted(np.concatenate(found).astype(np.float64), labels, learnt)
    table = pd.DataFrame({"id": data.table["id"].to_numpy()[rows], "label": labels})
    return table.assign(score=metrics.probability(logit), logit=logit)


def train(
    network: Mapping[str, Any],
    shards: Sequence[str | Path],
    split: str | Path,
    labels: str | Path,
    out: Mapping[str, str | Path],
    *,
    scale: str,
    state_dir: str | Path,
    job: Job,
) -> None:
    """Train a network on 8-bit forms of the examples of a split, and look for what pixels give away.

    A killed run goes on within the training in which it stopped.

    Args:
        network: entry of the configuration, see ``training.train``.
        shards: of a set of fluxes.
        split: parquet with id, group and split.
        labels: parquet with id and label.
        out: files to write: parquet of the scores of the testing set for each name of ``FORMS`` that is
            there, and of ``marks_<form>`` (see ``mark_scores``), and CSV "pixels": form, pixels (see
            ``constant_pixels``), n. Networks are kept in ``weights_<form>``, ``last_<form>`` and
            ``card_<form>``, where these are there.
        scale: name of the scale, for the cards.
        state_dir: folder of pictures, networks and resume states; it may be deleted afterwards.
        job: seed, device, threads and provenance.
    """
    state, counts = Path(state_dir), []
    sources: dict[str, Sequence[str | Path]] = {"": shards}
    for kind in ("plain", "marked"):
        sources[kind] = [state / f"{kind}.h5"]
        write_pictures(sources[kind][0], shards, split, marked=kind == "marked")
    for name, form in FORMS.items():
        source = sources[form.pictures]
        data = DataSet(source)
        seen = samples.sample(data, split, ["training", "testing"], labels)
        known = pd.read_parquet(split).set_index("id")["split"].loc[seen.ids].to_numpy()
        table = mark_scores(data, seen.rows, seen.labels, known == "training", form)
        tables.write_parquet(table[known == "testing"], out[f"marks_{name}"])
        counted = constant_pixels(data, seen.rows, seen.labels)
        counts += [{"form": name, "pixels": kind, "n": n} for kind, n in counted.items()]
        if name in out:
            trainings = [(labels, 0, out[name])]
            options: dict[str, Any] = {"recipe": form.recipe, "scale": scale, "job": job}
            sweep.train_networks(network, source, split, trainings, state_dir=state / name, **options)
            _keep(sweep.stem(state / name, labels, 0), name, out)
    tables.write_csv(pd.DataFrame(counts), out["pixels"])
    for kind in ("plain", "marked"):  # gigabytes at the size of the survey
        Path(sources[kind][0]).unlink()


def _keep(stem: Path, form: str, out: Mapping[str, str | Path]) -> None:
    for what, ending in KEPT.items():
        if f"{what}_{form}" in out:
            with appearing(out[f"{what}_{form}"]) as partial:
                shutil.copyfile(f"{stem}{ending}", partial)
