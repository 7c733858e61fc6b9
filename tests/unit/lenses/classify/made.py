"""Stamps in every kind of file, and small networks, for the tests of `skyneedle classify`."""

import json

import h5py
import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from skyneedle.core import store
from skyneedle.core.runtime import Job
from skyneedle.lenses import networks, training
from skyneedle.lenses.classify import search
from tests.unit.lenses.fetch.fits_files import header, write, write_extensions

BANDS = ("J", "Y", "H", "VIS")
SCALES = {"VIS": 0.1, "J": 0.3, "Y": 0.3, "H": 0.3}
N = 20  # more than a batch


def images(n=N, seed=0):
    """Sky noise of another strength in each band, and a galaxy off the middle."""
    rng, found = np.random.default_rng(seed), {}
    for k, (band, scale) in enumerate(SCALES.items()):
        side = 200 if band == "VIS" else 66
        y, x = (np.mgrid[:side, :side] - side / 2) * scale
        galaxies = [np.exp(-np.hypot(x - i % 3, y + i % 4)) for i in range(n)]
        found[band] = ((1 + k) * (rng.normal(size=(n, side, side)) + 30 * np.array(galaxies))).astype(
            np.float32
        )
    return found


def arrays(planes):
    return {"vis": planes["VIS"], "nisp": np.stack([planes[band] for band in BANDS[:3]], axis=1)}


def write_network(stem, seed=3, bands=BANDS, **card):
    """A small network that has learned nothing, with its card as training writes it."""
    options = {"bands": list(bands), "size": 16, "width": 2}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = networks.build("resnet10", **options)
    n = len(bands)
    stem.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), f"{stem}.safetensors")
    scaling = {"sky_sigma": [1.0] * n, "mean": [0.1] * n, "std": [0.5] * n, "softening": 3.0}
    entries = {
        "name": "tiny",
        "source": "resnet10",
        "options": options,
        "registry": "skyneedle.lenses.networks",
        "normalisation": {"bands": list(bands), "size": 16, "recipe": "corrected"} | scaling,
        "provenance": {"scale": "smoke"},
    }
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(entries | card))
    return stem


def write_set(path, planes, **attributes):
    """A data set of this package."""
    n = len(planes["VIS"])
    table = pd.DataFrame({"id": 100 + np.arange(n), "label": np.arange(n) % 2})
    store.write(path, arrays(planes), table, attributes)


def write_plain(path, planes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in arrays(planes).items():
            file[name] = array


def write_layout(folder, layout, planes):
    """All objects in one kind of file; returns the name of object number i."""
    n = len(planes["VIS"])
    if layout == "set":
        write_set(folder / "000.h5", planes)
        return [f"000:{100 + i}" for i in range(n)]
    if layout == "plain":
        write_plain(folder / "many.hdf5", planes)
        return [f"many:{i}" for i in range(n)]
    if layout == "extensions":
        for i in range(n):
            made = [("PSF", np.eye(5, dtype=np.float32), None)] + [
                (band, planes[band][i], header(SCALES[band])) for band in ("VIS", "H", "Y", "J")
            ]
            write_extensions(folder / f"object{i:02d}.fits", made)
        return [f"object{i:02d}" for i in range(n)]
    for i in range(n):
        for band in BANDS:
            if layout == "challenge":
                path = folder / "Public" / f"EUC_{band}" / f"imageEUC_{band}-{200000 + i}.fits"
            else:
                path = folder / f"object{i:02d}_{band if band == 'VIS' else f'nir_{band}'.lower()}.fit"
            write(path, planes[band][i], SCALES[band])
    if layout == "challenge":
        return [f"Public/EUC/imageEUC-{200000 + i}" for i in range(n)]
    return [f"object{i:02d}" for i in range(n)]


def classify(paths, weights, out, **options):
    paths = paths if isinstance(paths, list) else [paths]
    return search.classify(paths, network=weights, out=out, **{"top": 0, "tell": lambda _: None} | options)


def predicted(weights, folder, out):
    training.predict(weights, sorted(folder.glob("*.h5")), out, job=Job(0, 1, "cpu"))
    return pd.read_parquet(out)["logit"].to_numpy()
