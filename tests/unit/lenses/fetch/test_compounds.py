"""The four known compound lenses: band substitutions of Table 2, and honesty about what is not there."""

from pathlib import Path

import numpy as np
import pytest

from skyneedle.core.errors import BadSetting, MissingBand, NotAStamp, WrongStampSize
from skyneedle.core.store import DataSet
from skyneedle.lenses.fetch import compounds, convert
from tests.unit.lenses.fetch.fits_files import write

J0946 = compounds.KNOWN[3]


def blob(n, amplitude):
    x = np.linspace(-10, 10, n, endpoint=False) + 10 / n
    return amplitude * np.exp(-0.5 * (x[:, None] ** 2 + x**2) / 4)


def write_j0946(root, n=500, scale=0.04):
    for name, amplitude in (("f336w", 1), ("f438w", 2), ("f814w", 3), ("f160w", 4)):
        write(root / J0946.folder / f"hst_{name}_drz.fits", blob(n, amplitude), scale)


def test_substitutions_are_those_of_table_2():
    assert {item.name: item.filters("faithful") for item in compounds.KNOWN} == {
        "SL2S J02176-0513": {"VIS": "F606", "Y": "F606", "J": "F814", "H": "F814"},
        "HSC J142449-005322": {"VIS": "R", "Y": "I", "J": "Z", "H": "Y"},
        "SDSS J1148+1930": {"VIS": "F475", "Y": "F606", "J": "F606", "H": "F814"},
        "SDSS J0946+1006": {"VIS": "F160", "Y": "F336", "J": "F438", "H": "F814"},
    }
    for item in compounds.KNOWN[:3]:
        assert item.filters("corrected") == item.filters("faithful")
    assert J0946.filters("corrected") == {"VIS": "F336", "Y": "F438", "J": "F814", "H": "F160"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hst_mos_1020228_wfc3_uvis_f475w_drz_cutout_20asec.fits", "F475"),
        ("hst_12166_01_wfc3_ir_F160W_drz.fits", "F160"),
        ("ib6o11_f850lp.fits", "F850"),
        ("calexp-HSC-R-9813-4,5.fits", "R"),
        ("J1424_z.fits", "Z"),
        ("hst_of4711_stamp.fits", None),
        ("y_band_of_r.fits", "R"),
    ],
)
def test_filters_by_file_name(name, expected):
    assert compounds.filter_of(Path(name)) == expected


def test_the_real_horseshoe_is_there_and_nothing_replaces_the_others(real_lenses, tmp_path):
    source = compounds.find(real_lenses / "compound_known")
    convert.write(source, tmp_path / "known.h5")
    data = DataSet(tmp_path / "known.h5")
    assert data.table["name"].tolist() == ["SDSS J1148+1930"]
    assert data.table[["filter_VIS", "filter_Y", "filter_J", "filter_H"]].to_numpy().tolist() == [
        ["F475", "F606", "F606", "F814"]
    ]
    missing = data.attributes["missing"]
    assert set(missing) == {"SL2S J02176-0513", "HSC J142449-005322", "SDSS J0946+1006"}
    assert "only a picture is there" in missing["SL2S J02176-0513"]
    assert "a picture is not data" in missing["SL2S J02176-0513"]
    assert "0 of 4 filters" in missing["SDSS J0946+1006"]
    assert str(real_lenses) not in str(missing)  # reasons stand in figures and tables
    vis, nisp = data.read("vis", 0), data.read("nisp", 0)
    np.testing.assert_array_equal(nisp[0], nisp[1])  # F606 stands for J and Y
    assert nisp[2].max() > nisp[0].max() > 0
    # The lens galaxy, a luminous red one, is in the middle and redder than the rest.
    assert nisp[2, 30:36, 30:36].mean() > 10 * np.median(nisp[2])
    assert vis.shape == (200, 200)


def test_stamps_cover_20_arcsec_around_the_middle(tmp_path):
    write_j0946(tmp_path, n=700)
    stamp = compounds.read(J0946, tmp_path / J0946.folder)
    # 700 pixels of 0.04 arcsec hold the Gaussian of 2 arcsec times 28 / 20; the middle keeps its brightness.
    assert stamp["vis"][99:101, 99:101].mean() == pytest.approx(4, rel=1e-3)
    above = (stamp["vis"][100] > 2).sum() * 0.1
    assert above == pytest.approx(2.355 * 2 * 28 / 20, abs=0.11)
    assert [round(float(plane.max()), 1) for plane in stamp["nisp"]] == [2.0, 1.0, 3.0]  # J, Y, H
    corrected = compounds.read(J0946, tmp_path / J0946.folder, "corrected")
    assert round(float(corrected["vis"].max()), 1) == 1.0
    assert [round(float(plane.max()), 1) for plane in corrected["nisp"]] == [3.0, 2.0, 4.0]


def test_bad_folders_are_named(tmp_path):
    write_j0946(tmp_path, n=400)
    folder = tmp_path / J0946.folder
    with pytest.raises(WrongStampSize, match="400 x 400 pixels are fewer than the 500 x 500"):
        compounds.read(J0946, folder)
    write_j0946(tmp_path)
    write(folder / "other_f336w.fits", blob(500, 1), 0.04)
    with pytest.raises(NotAStamp, match="F336 too"):
        compounds.read(J0946, folder)
    (folder / "other_f336w.fits").unlink()
    (folder / "hst_f160w_drz.fits").rename(folder / "hst_f160w_drz.png")
    with pytest.raises(MissingBand, match=r"no FITS image in F160 \(HST\).*3 of 4 filters"):
        compounds.read(J0946, folder)
    write(folder / "hst_f160w_drz.fits", blob(500, 4))
    with pytest.raises(NotAStamp, match="no world coordinates"):
        compounds.read(J0946, folder)
    with pytest.raises(BadSetting, match="'paper'"):
        compounds.read(J0946, folder, "paper")
    with pytest.raises(MissingBand, match="none of the known compound lenses is there"):
        compounds.find(tmp_path / "nowhere")
