"""The challenges' trees and catalogues, with all their faults, and the conversion into a data set."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting, MissingBand, NotACatalogue, NotADataSet
from skyneedle.core.store import DataSet
from skyneedle.lenses import preprocess
from skyneedle.lenses.fetch import challenge1, challenge2, convert
from tests.unit.lenses.fetch.fits_files import first_image, write

COLUMNS = "ID,x_crit,y_crit,source_ID,z_source,z_lens,mag_source,n_pix_source,n_source_im,mag_eff,n_sources"
WITHOUT_IMAGE = 213913  # one of the nine of the released set


def row(number, n_source_im=1, mag_eff=2.0, n_pix_source=30, z_lens=0.5):
    return f"{number},0.1,-0.2,77,2.0,{z_lens},24.0,{n_pix_source},{n_source_im},{mag_eff},1"


def write_catalogue(path, rows):
    comments = "".join(f"# column {i}: what it means, with a comma\n" for i in range(27))
    lines = [f",{COLUMNS}", *(f"{i},{text}" for i, text in enumerate(rows))]
    path.write_text(comments + "\n".join(lines) + "\n")
    return path


def plane(number, band):
    n = 200 if band == "VIS" else 66
    rng = np.random.default_rng([number, "JYHV".index(band[0])])
    return (rng.normal(size=(n, n)) * 1e-12).astype(np.float32)


def write_system(root, number, bands=("VIS", "J", "Y", "H")):
    for band in bands:
        values = plane(number, band)
        scale = 0.1 if band == "VIS" else 0.3
        write(root / "Public" / f"EUC_{band}" / f"imageEUC_{band}-{number}.fits", values, scale)


@pytest.fixture
def tree(tmp_path):
    """Systems 200000 to 200005 whole, 200006 without H, 299999 without a row, and no images of two rows."""
    root = tmp_path / "train"
    for number in range(200000, 200006):
        write_system(root, number)
    write_system(root, 200006, ("VIS", "J", "Y"))
    write_system(root, 299999)
    rows = [
        row(200000),
        row(200001, n_source_im=0),
        row(200002, mag_eff=1.6),
        row(200003, n_pix_source=20),
        row(200004, n_pix_source=21, mag_eff=1.61),
        row(200005, mag_eff="nan"),
        row(200006),
        row(200000),  # the same again
        row(200004, z_lens=0.9),  # the same object, described otherwise
        row(WITHOUT_IMAGE),
        row(222222),
    ]
    return root, write_catalogue(tmp_path / "image_catalog2.0train.csv", rows)


def test_second_challenge_is_matched_labelled_and_counted(tree, tmp_path):
    for shard, rows in enumerate((range(4), range(4, 6))):
        challenge2.write_shard(tmp_path / "out" / f"{shard:03d}.h5", "training", *tree, rows)
    data = DataSet(tmp_path / "out")
    assert len(data.shards) == 2
    assert data.table["id"].tolist() == list(range(200000, 200006))
    assert data.table["label"].tolist() == [1, 0, 0, 0, 1, 0]
    assert data.table["parent_id"].tolist() == data.table["id"].tolist()
    assert data.table["z_lens"].tolist() == [0.5] * 6  # the first row of a repeated object counts
    assert {"x_crit", "mag_eff", "n_sources"} < set(data.table.columns)
    assert not any(column.startswith("Unnamed") for column in data.table.columns)
    vis, nisp = data.read("vis", slice(None)), data.read("nisp", slice(None))
    assert (vis.shape, nisp.shape) == ((6, 200, 200), (6, 3, 66, 66))
    assert vis.dtype == nisp.dtype == np.dtype("=f4")
    for i, number in enumerate(data.table["id"]):
        np.testing.assert_array_equal(vis[i], plane(number, "VIS"))
        for j, band in enumerate("JYH"):
            np.testing.assert_array_equal(nisp[i, j], plane(number, band))
    expected = {
        "n_rows": 11,
        "n_duplicates": 2,
        "n_conflicting_duplicates": 1,
        "n_without_image": 2,
        "without_image": [WITHOUT_IMAGE, 222222],
        "n_without_image_unexpected": 1,
        "n_incomplete": 1,
        "incomplete": [200006],
        "n_orphans": 1,
        "orphans": [299999],
    }
    assert expected.items() <= data.attributes.items()
    assert data.attributes["n_examples"] == 2  # of the last shard
    assert data.attributes["set"] == "training"
    # Noise of 1e-12 in all bands; both shards say the same, and networks take it from there.
    first, last = (DataSet(path).attributes["sky_sigma"] for path in data.shards)
    assert first == last == pytest.approx([1e-12] * 4, rel=0.02)
    assert preprocess.survey_sky(data, ("H", "VIS")) == (first[3], first[0])
    with pytest.raises(BadSetting, match=r"set 'testing' needs the objects 4 to 6.*only 6 have images"):
        challenge2.write_shard(tmp_path / "more.h5", "testing", *tree, range(4, 7))
    assert not (tmp_path / "more.h5").exists()


def test_einstein_radii_are_those_of_circles_in_steradian():
    arcsec = np.pi / 180 / 3600
    area = pd.Series([np.pi * arcsec**2, np.pi * (2 * arcsec) ** 2, 0.0, np.nan])
    np.testing.assert_allclose(challenge2.einstein_radius(area), [1, 2, np.nan, np.nan], rtol=1e-12)
    # In arcsec^2 the radii would be as large as the sky: they are not known then.
    assert np.isnan(challenge2.einstein_radius(area / arcsec**2)).all()


def test_the_nine_missing_images_are_known():
    """The same list in the notebooks of several teams (spec A1)."""
    listed = "213913 226305 233597 244071 259871 261145 270458 288731 294173"
    assert sorted(challenge2.KNOWN_WITHOUT_IMAGE) == [int(number) for number in listed.split()]


def test_without_catalogue_labels_are_unknown(tree):
    source = challenge2.find(tree[0])
    assert source.table["id"].tolist() == [*range(200000, 200006), 299999]
    assert set(source.table["label"]) == {-1}
    assert source.attributes["incomplete"] == [200006]


def test_bad_images_are_named_and_the_rest_is_used(tree, tmp_path):
    root, catalogue = tree
    folder = root / "Public"
    write(folder / "EUC_J" / "imageEUC_J-200000.fits", np.ones((66, 66)), 0.3)
    write(folder / "EUC_VIS" / "imageEUC_VIS-200001.fits", plane(1, "VIS")[:101, :101], 0.1)
    write(folder / "EUC_Y" / "imageEUC_Y-200002.fits", plane(2, "Y"), 0.1)
    cut = folder / "EUC_H" / "imageEUC_H-200003.fits"
    cut.write_bytes(cut.read_bytes()[:9000])
    holed = plane(4, "VIS")
    holed[3, 3] = np.inf
    write(folder / "EUC_VIS" / "imageEUC_VIS-200004.fits", holed, 0.1)
    report = convert.write(challenge2.find(root, catalogue), tmp_path / "out.h5")
    assert DataSet(tmp_path / "out.h5").table["id"].tolist() == [200005]
    assert {kind: entry["ids"] for kind, entry in report["left_out"].items()} == {
        "ConstantStamp": [200000],
        "WrongStampSize": [200001],
        "WrongPixelScale": [200002],
        "TruncatedFile": [200003],
        "StampHasNaN": [200004],
    }
    assert "imageEUC_H-200003.fits" in report["left_out"]["TruncatedFile"]["first"]
    for number in (200000, 200001, 200002, 200003, 200004):
        write(folder / "EUC_VIS" / f"imageEUC_VIS-{number}.fits", np.zeros((200, 200)))
    write(folder / "EUC_VIS" / "imageEUC_VIS-200005.fits", np.zeros((200, 200)))
    with pytest.raises(NotADataSet, match=r"not one of 6 stamps could be read; the first: .*every pixel is"):
        convert.write(challenge2.find(root, catalogue), tmp_path / "none.h5")
    with pytest.raises(NotADataSet, match="Not one of the first 200 stamps could be read"):
        challenge2.write_shard(tmp_path / "none.h5", "training", root, catalogue, range(2))
    assert not (tmp_path / "none.h5").exists()


def test_catalogues_that_do_not_fit_are_refused(tree, tmp_path):
    root, _ = tree
    evaluation = tmp_path / "evaluation.csv"
    evaluation.write_text("# no truth here\n,ID\n0,200000\n")
    with pytest.raises(NotACatalogue, match="no column n_source_im or mag_eff or n_pix_source among ID"):
        challenge2.find(root, evaluation)
    (tmp_path / "noid.csv").write_text("n_source_im,mag_eff,n_pix_source\n1,2,3\n")
    with pytest.raises(NotACatalogue, match="no column ID or Euclid ID"):
        challenge2.find(root, tmp_path / "noid.csv")
    write_catalogue(tmp_path / "text.csv", [row(200000), row("J1148")])
    with pytest.raises(NotACatalogue, match="'J1148' in row 1"):
        challenge2.find(root, tmp_path / "text.csv")
    (tmp_path / "empty.csv").write_text("")
    for name in ("empty.csv", "absent.csv"):
        with pytest.raises(NotACatalogue, match=name):
            challenge2.find(root, tmp_path / name)
    renamed = tmp_path / "renamed.csv"
    renamed.write_text("Euclid ID,n_source_im,mag_eff,n_pix_source\n200000,1,2,30\n")
    assert challenge2.find(root, renamed).table["label"].tolist() == [1]
    with pytest.raises(MissingBand, match=r"no file imageEUC_J-<id>.fits"):
        challenge2.find(root / "Public" / "EUC_VIS")


def test_a_shard_that_does_not_fit_in_memory_is_refused(tree, tmp_path):
    with pytest.raises(BadSetting, match="6000 stamps in one shard"):
        convert.write(challenge2.find(*tree), tmp_path / "out.h5", range(6000))


# --- first challenge


def test_first_challenge_stamps_are_read_as_they_are_on_disk(real_lenses, tmp_path):
    root = real_lenses / "glfc1_simulated"
    report = convert.write(challenge1.find(root), tmp_path / "stamps.h5")
    assert (report["n_examples"], report["left_out"]) == (16, {})
    data = DataSet(tmp_path / "stamps.h5")
    assert data.table["label"].sum() == 8
    for i, (number, label) in enumerate(zip(data.table["id"], data.table["label"], strict=True)):
        where = root / "space_based" / ("lens" if label else "nolens")
        on_disk = first_image(where / f"imageEUC_VIS-{number}.fits", (101, 101))
        np.testing.assert_array_equal(data.read("vis", i), on_disk.astype("=f4"))
    first = data.read("vis", int(np.flatnonzero(data.table["id"] == 100002)[0]))
    assert first.min() == pytest.approx(-2.72e-12, rel=2e-3)
    assert first.max() == pytest.approx(1.49e-11, rel=4e-3)


def test_first_challenge_with_its_classifications(tmp_path):
    for number in (100001, 100002, 100003):
        write(tmp_path / "Public" / "Band1" / f"imageEUC_VIS-{number}.fits", plane(number, "VIS")[:101, :101])
    table = tmp_path / "classifications.csv"
    names = "ID,is_lens,Einstein_area,numb_pix_lensed_image,flux_lensed_image_in_sigma"
    table.write_text(f"{names}\n100002,1,3e-10,45,80\n100001,0,0,0,0\n100009,1,1e-10,20,30\n")
    source = challenge1.find(tmp_path, table)
    assert source.table[["id", "label", "Einstein_area"]].to_numpy().tolist() == [
        [100002, 1, 3e-10],
        [100001, 0, 0],
    ]
    assert (source.attributes["without_image"], source.attributes["orphans"]) == ([100009], [100003])
    np.testing.assert_array_equal(source.read(0)["vis"], plane(100002, "VIS")[:101, :101])
    assert set(challenge1.find(tmp_path).table["label"]) == {-1}  # no folder says what they are
