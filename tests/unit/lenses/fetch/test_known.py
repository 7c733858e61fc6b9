"""The known compound lenses as a data set: what is there, and why the rest is not."""

import json
import shutil

import numpy as np
import pytest

from skyneedle.core.manifest import read_manifest
from skyneedle.core.store import DataSet
from skyneedle.lenses.fetch import known
from tests.conftest import ROOT
from tests.unit.lenses.fetch.fits_files import write
from tests.unit.lenses.fetch.test_compounds import blob

DATASETS = ROOT / "config" / "datasets.tsv"


def test_without_any_file_there_is_an_empty_set(tmp_path):
    missing = known.write(
        tmp_path / "000.h5", tmp_path / "resources", "corrected", network=False, datasets=DATASETS
    )
    data = DataSet(tmp_path / "000.h5")
    assert len(data) == 0
    assert data.read("vis", slice(None)).shape == (0, 200, 200)
    assert data.read("nisp", slice(None)).shape == (0, 3, 66, 66)
    assert data.attributes["missing"] == missing
    assert len(missing) == 4
    assert set(missing.values()) == {"not fetched: no mirror has its files, and network is false"}


def test_real_files_of_a_mirror_and_a_picture_that_counts_as_missing(real_lenses, tmp_path):
    options = {"mirrors": [str(real_lenses.parent)], "network": False, "datasets": DATASETS}
    missing = known.write(
        tmp_path / "000.h5",
        tmp_path / "resources",
        "corrected",
        status=tmp_path / "status.json",
        manifest=tmp_path / "manifest.tsv",
        **options,
    )
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["status"] == "missing"
    assert "only a picture is there" in status["lenses"]["SL2S J02176-0513"]["reason"]
    horseshoe = status["lenses"]["SDSS J1148+1930"]
    assert (horseshoe["status"], horseshoe["reason"], len(horseshoe["files"])) == ("fetched", "", 3)
    recorded = read_manifest(tmp_path / "manifest.tsv")
    assert all(row["sha256"] == recorded[name]["sha256"] for name, row in horseshoe["files"].items())
    data = DataSet(tmp_path / "000.h5")
    assert data.table[["name", "label"]].to_numpy().tolist() == [["SDSS J1148+1930", 1]]
    assert np.isfinite(data.read("vis", 0)).all()
    assert "only a picture is there" in missing["SL2S J02176-0513"]
    assert "no mirror has its files" in missing["SDSS J0946+1006"]
    assert str(tmp_path) not in str(missing)
    rows = (tmp_path / "manifest.tsv").read_text()
    assert "hst_mos_1020228_wfc3_uvis_f814w_drz_cutout_20asec.fits" in rows
    again = tmp_path / "again.h5"  # from what was fetched, without the mirror
    known.write(again, tmp_path / "resources", "corrected", network=False, datasets=DATASETS)
    assert again.read_bytes() == (tmp_path / "000.h5").read_bytes()


def test_a_file_that_is_not_what_was_recorded_is_not_used(real_lenses, tmp_path, capsys):
    folder = tmp_path / "mirror" / "cosmic_horseshoe"
    shutil.copytree(real_lenses / "compound_known" / "cosmic_horseshoe", folder)
    damaged = next(folder.glob("*f606w*"))
    damaged.write_bytes(damaged.read_bytes()[:-2880] + bytes(2880))
    missing = known.write(
        tmp_path / "000.h5",
        tmp_path / "resources",
        "corrected",
        mirrors=[str(tmp_path / "mirror")],
        network=False,
        datasets=DATASETS,
    )
    assert "2 of 3 filters are there" in missing["SDSS J1148+1930"]
    assert "sha256" in capsys.readouterr().out


@pytest.mark.parametrize(("recipe", "brightest"), [("faithful", 4.0), ("corrected", 1.0)])
def test_files_that_nobody_listed_come_from_the_folder_of_their_name(tmp_path, recipe, brightest):
    folder = tmp_path / "mirror" / "deep" / "SDSSJ0946+1006"
    folder.mkdir(parents=True)
    for value, name in enumerate(("f336w", "f438w", "f814w", "f160w"), start=1):
        write(folder / f"hst_{name}_drz.fits", blob(500, value), 0.04)
    known.write(
        tmp_path / "000.h5", tmp_path / "resources", recipe, mirrors=[str(tmp_path / "mirror")], network=False
    )
    data = DataSet(tmp_path / "000.h5")
    assert data.table["name"].tolist() == ["SDSS J0946+1006"]
    assert data.read("vis", 0).max() == pytest.approx(brightest, rel=0.05)
