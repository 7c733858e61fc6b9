"""The real stamps as a data set: what is there, and why the rest is not."""

import json

import numpy as np
import pytest
from astropy.io import fits

from skyneedle.core.store import DataSet
from skyneedle.transfer.fetch import origins, real
from tests.conftest import ROOT
from tests.unit.lenses.fetch.fits_files import write

DATASETS = ROOT / "config" / "datasets.tsv"


def _write(tmp_path, **options):
    status = real.write(
        tmp_path / "real.h5", tmp_path / "real.json", tmp_path / "resources", 1, network=False, **options
    )
    return DataSet(tmp_path / "real.h5"), status


def _noise(shape=(60, 60)):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_without_any_file_there_is_an_empty_set(tmp_path):
    data, status = _write(tmp_path, datasets=DATASETS)
    assert len(data) == 0
    assert data.read("vis", slice(None)).shape == (0, 100, 100)
    assert tuple(data.table.columns) == real.COLUMNS
    assert json.loads((tmp_path / "real.json").read_text()) == status
    assert status["status"] == "missing"
    assert status["reason"] == "no image of a lens or of a galaxy without a lens is in the folders of mirrors"
    assert set(status["collections"]) == {one.name for one in origins.COLLECTIONS}
    for one in status["collections"].values():
        assert one["status"] == "missing"
        assert one["reason"].startswith("not fetched")
    assert str(tmp_path) not in (tmp_path / "real.json").read_text()


def test_real_files_of_a_mirror(real_lenses, tmp_path):
    mirrors = [str(real_lenses.parent)]
    data, status = _write(tmp_path, mirrors=mirrors, manifest=tmp_path / "manifest.tsv", datasets=DATASETS)
    table = data.table
    assert table["label"].tolist() == [1] * 5 + [0] * 10
    assert table["name"][:2].tolist() == ["H1413+117", "HE 0435-1223"]
    assert (table["id"] % 2 == 0).all()
    assert table["parent_id"].is_unique
    sizes = dict(zip(table["name"], table["n_padded"], strict=True))
    assert sizes["H1413+117"] == 10_000 - 56 * 56
    assert sizes["HE 0435-1223"] == sizes["COSMOS 141190"] == 0
    vis = data.read("vis", slice(None))
    assert vis.shape == (15, 100, 100)
    assert np.isfinite(vis).all()
    assert data.attributes["sky_sigma"] == [1.0]
    assert status["reason"] == ""
    assert status["collections"]["cosmos_galaxies"]["n_stamps"] == 10
    assert set(data.attributes["missing"]) == {"castles", "hubble_legacy_archive", "lensflow"}
    assert str(real_lenses) not in (tmp_path / "real.json").read_text()
    before = (tmp_path / "real.h5").read_bytes()
    _write(tmp_path, datasets=DATASETS)  # from what was fetched, without the mirror
    assert (tmp_path / "real.h5").read_bytes() == before


def test_files_that_nobody_listed_come_from_the_folder_of_their_collection(tmp_path):
    mirror = tmp_path / "mirror" / "deep"
    write(mirror / "castles" / "q0957.fits", _noise())
    write(mirror / "hubble_legacy_archive" / "field" / "a.fits", _noise((130, 140)))
    (mirror / "lensflow").mkdir()
    np.savez(mirror / "lensflow" / "candidate_a.npz", image_data=_noise())
    data, status = _write(tmp_path, mirrors=[str(tmp_path / "mirror")])
    assert data.table["name"].tolist() == ["q0957", "a", "candidate_a"]
    assert data.table["label"].tolist() == [1, 0, -1]
    assert data.table["n_padded"].tolist() == [6400, 0, 6400]
    assert status["reason"] == ""
    assert len(status["collections"]["castles"]["files"][0]["sha256"]) == 64


def test_what_cannot_be_used_is_counted_with_its_reason(tmp_path):
    folder = tmp_path / "mirror" / "castles"
    write(folder / "flat.fits", np.ones((60, 60)))
    write(folder / "good.fits", _noise())
    (folder / "page.fits").write_bytes(b"<!DOCTYPE html><html>404")
    (tmp_path / "mirror" / "lensflow").mkdir()
    (tmp_path / "mirror" / "lensflow" / "page.npz").write_bytes(b"<html>")
    data, status = _write(tmp_path, mirrors=[str(tmp_path / "mirror")])
    assert data.table["name"].tolist() == ["good"]
    castles = status["collections"]["castles"]
    assert len(castles["left_out"]) == 2
    assert "does not vary" in castles["left_out"][0]
    assert "HTML page" in castles["left_out"][1]
    assert status["collections"]["lensflow"]["reason"].startswith("not usable: page.npz: expected FITS")
    assert status["reason"] == "no image of a galaxy without a lens is in the folders of mirrors"
    assert str(tmp_path) not in (tmp_path / "real.json").read_text()


def test_a_changed_file_is_not_used(tmp_path, capsys):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    np.savez(mirror / "he0435_814w.npz", image_data=_noise())
    _, status = _write(tmp_path, mirrors=[str(mirror)], datasets=DATASETS)
    assert status["collections"]["lensed_quasars"]["status"] == "missing"
    assert "103626 were expected" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [("IDENT", "GAL_FILENAME", "GAL_HDU"), ("IDENT",)])
def test_a_catalogue_of_galaxies(tmp_path, columns):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    fits.HDUList([fits.PrimaryHDU(_noise()), fits.ImageHDU(_noise())]).writeto(mirror / "images.fits")
    forms = {"IDENT": ("J", [5, 7, 9]), "GAL_FILENAME": ("20A", ["images.fits"] * 3)}
    forms["GAL_HDU"] = ("J", [1, 0, 2])
    made = [fits.Column(name, forms[name][0], array=np.array(forms[name][1])) for name in columns]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made)]).writeto(mirror / origins.CATALOGUE)
    data, status = _write(tmp_path, mirrors=[str(mirror)])
    account = status["collections"]["cosmos_galaxies"]
    if len(columns) == 1:
        assert len(data) == 0
        assert "GAL_FILENAME" in account["reason"]
        return
    assert data.table["name"].tolist() == ["COSMOS 5", "COSMOS 7"]
    assert "no extension 2" in account["left_out"][0]
