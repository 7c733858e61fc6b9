"""Images of the second Euclid lens-finding challenge instead of simulated ones, on a tree made like it."""

import tarfile

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.io import fits

from skyneedle.core.store import DataSet
from skyneedle.lenses.simulate import examples
from skyneedle.lenses.simulate.settings import Settings
from tests.workflow.conftest import SNAKEMAKE, dry_run, run

SETTINGS = Settings(population="bright", share_negatives=0.45, share_pairs=0.2)
# From electrons/s to numbers as small as the challenge's, another factor for each band.
UNIT = {"VIS": 2e-11, "J": 3e-10, "Y": 4e-10, "H": 5e-10}
ARCSEC = np.pi / 180 / 3600
FIRST = 200001
WITHOUT_IMAGE = (213913, 226305, 233597, 244071, 259871, 261145, 270458, 288731, 294173)
# All columns of the released catalogue; what the simulation does not have is 0.
COLUMNS = [
    *("ID", "x_crit", "y_crit", "source_ID", "z_source", "z_lens", "mag_source", "ein_area", "n_crit"),
    *("r_source", "crit_area", "n_pix_source", "source_flux", "n_pix_lens", "lens_flux", "n_source_im"),
    *("mag_eff", "sb_contrast", "color_diff", "n_gal_3", "n_gal_5", "n_gal_10", "halo_mass", "star_mass"),
    *("mag_lens", "n_sources"),
]


def make_tree(folder, n):
    """A challenge of n systems: images, and a catalogue that repeats rows and has rows without images.

    Returns ``lenses.images``, the rows in the order of the catalogue, and planes by id and band.
    """
    made = [examples.example(number, "singles", SETTINGS, seed=3) for number in range(n)]
    planes, rows = {}, []
    for number, one in enumerate(made):
        stamps = {"VIS": one.images.vis, **dict(zip("JYH", one.images.nisp, strict=True))}
        for band, image in stamps.items():
            values = (image * UNIT[band]).astype(">f4")
            path = folder / "train" / "Public" / f"EUC_{band}" / f"imageEUC_{band}-{FIRST + number}.fits"
            path.parent.mkdir(parents=True, exist_ok=True)
            fits.writeto(path, values)
            planes[FIRST + number, band] = values
        row = dict.fromkeys(COLUMNS, 0) | {name: one.row[name] for name in COLUMNS if name in one.row}
        area = one.row["ein_area"] * ARCSEC**2
        rows.append(row | {"ID": FIRST + number, "ein_area": area, "label": one.row["label"]})
    rows = [rows[place] for place in np.random.default_rng(4).permutation(n)]
    absent = [dict.fromkeys(COLUMNS, 1) | {"ID": number} for number in WITHOUT_IMAGE]
    listed = pd.DataFrame([rows[0], *absent, *rows, rows[2]])[COLUMNS]
    header = "".join(f"# {name}: what it is, in words\n" for name in COLUMNS)
    catalogue = folder / "image_catalog2.0train.csv"
    catalogue.write_text(header + listed.to_csv())
    given = {"source": "challenge2", "folder": str(folder / "train"), "catalogue": str(catalogue)}
    return given, rows, planes


@pytest.fixture
def challenge(tmp_path):
    return make_tree(tmp_path, 16)


def options(checkout, images, **sets):
    """Options of the smoke scale, lenses alone, with other settings."""
    lenses = {"images": images, "sets": sets}
    (checkout / "own.yaml").write_text(yaml.safe_dump({"experiments": ["lenses"], "lenses": lenses}))
    return ["--configfile", "config/smoke.yaml", "own.yaml"]


def test_the_whole_graph_plans_on_real_images(challenge, checkout):
    jobs = dry_run(*options(checkout, challenge[0]), cwd=checkout, scale="laptop")
    assert jobs["convert_lenses"] == 2 + 1 + 2  # shards of training, validation and testing
    assert jobs["simulate_lenses"] == 3  # arcs, rings and audit
    assert (
        jobs["train_lenses"] == 8
    )  # all but the one that is trained without spirals, which no catalogue names
    assert {"attribute_lenses", "colour_stress_lenses", "compare_lenses", "tables_lenses"} <= set(jobs)
    elsewhere = options(checkout, challenge[0] | {"folder": "/absent"})
    done = run(*SNAKEMAKE, "--dry-run", *elsewhere, cwd=checkout, check=False)
    assert done.returncode != 0
    assert "is '/absent', which is no folder" in done.stdout


def test_real_images_arrive_bit_for_bit_each_in_one_set(challenge, checkout):
    given, rows, planes = challenge
    sets = {
        "training": {"n_examples": 8, "shards": 2, "first_id": 0},
        "validation": {"n_examples": 4, "shards": 1, "first_id": 200000},
        "testing": {"n_examples": 6, "shards": 1, "first_id": 220000},  # two more than there are
    }
    call = [*SNAKEMAKE, "--cores", "1", *options(checkout, given, **sets), "--"]
    folder = "results/smoke/lenses/data"
    wanted = [f"{folder}/training/000.h5", f"{folder}/training/001.h5", f"{folder}/validation/000.h5"]
    run(*call, *wanted, cwd=checkout)
    for name, expected in (("training", rows[:8]), ("validation", rows[8:12])):
        data = DataSet(checkout / folder / name)
        assert data.table["id"].tolist() == [row["ID"] for row in expected]
        assert data.table["label"].tolist() == [row["label"] for row in expected]
        radius = [np.sqrt(row["ein_area"] / np.pi) / ARCSEC for row in expected]
        np.testing.assert_allclose(data.table["theta_e"], radius, rtol=1e-9)
        for place, row in enumerate(expected):
            np.testing.assert_array_equal(data.read("vis", place), planes[row["ID"], "VIS"])
            for band, image in zip("JYH", data.read("nisp", place), strict=True):
                np.testing.assert_array_equal(image, planes[row["ID"], band])
        counts = {"n_rows": 27, "n_duplicates": 2, "n_without_image": 9, "n_without_image_unexpected": 0}
        assert counts.items() <= data.attributes.items()
        assert data.attributes["left_out"] == {}
    # Noise is that of the simulated instrument, in the unit of the files; bright galaxies add to it.
    truth = examples.attributes("training", "singles", SETTINGS, 3)["sky_sigma"]
    expected = np.array(truth) * [UNIT[band] for band in ("VIS", "J", "Y", "H")]
    ratio = np.array(data.attributes["sky_sigma"]) / expected
    assert ((ratio > 0.98) & (ratio < 1.15)).all(), ratio
    done = run(*call, f"{folder}/testing/000.h5", cwd=checkout, check=False)
    assert done.returncode != 0
    assert "set 'testing' needs the objects 12 to 17, counted from 0, but only 16 have images" in done.stdout


def test_packed_images_come_from_a_mirror(challenge, checkout, tmp_path):
    """Without folder and catalogue both are fetched; the shards are those of the unpacked images."""
    given, rows, _ = challenge
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "image_catalog2.0train.csv").write_text((tmp_path / "image_catalog2.0train.csv").read_text())
    with tarfile.open(mirror / "datapack2.0train.tar.gz", "w:gz") as tar:
        tar.add(given["folder"], "datapack2.0train")
    sets = {"training": {"n_examples": 8, "shards": 2, "first_id": 0}}
    call = options(checkout, {"source": "challenge2"}, **sets)
    jobs = dry_run(*call, cwd=checkout, scale="smoke")
    assert (jobs["fetch_images_lenses"], jobs["convert_lenses"]) == (1, 5)
    shard = "results/smoke/lenses/data/training/001.h5"
    done = run(*SNAKEMAKE, "--cores", "1", *call, "--", shard, cwd=checkout, check=False)
    assert done.returncode != 0
    log = checkout / "logs" / "smoke" / "fetch_images_lenses" / "challenge2.log"
    assert "no mirror has it, and network is false" in log.read_text()
    own = yaml.safe_load((checkout / "own.yaml").read_text()) | {"mirrors": [str(mirror)]}
    (checkout / "own.yaml").write_text(yaml.safe_dump(own))
    run(*SNAKEMAKE, "--cores", "1", *call, "--", shard, cwd=checkout)
    data = DataSet([checkout / shard])
    assert data.table["id"].tolist() == [row["ID"] for row in rows[4:8]]
