"""`skyneedle classify`: all kinds of files give the same scores; what is bad is named, the rest is scored."""

import gzip
import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from skyneedle import cli
from skyneedle.core import inference
from skyneedle.core.errors import FolderBusy, UnknownNetwork
from skyneedle.core.runtime import exclusive
from skyneedle.lenses import training
from skyneedle.lenses.classify import from_fits, outputs, sheet, trained
from skyneedle.lenses.classify.attribution import attribute, method
from skyneedle.lenses.fetch import compounds
from skyneedle.lenses.networks import lens_logit
from skyneedle.lenses.preprocess import Scaling
from tests.unit.lenses.classify.made import (
    BANDS,
    SCALES,
    N,
    arrays,
    classify,
    predicted,
    write_layout,
    write_network,
    write_plain,
    write_set,
)
from tests.unit.lenses.fetch.fits_files import header, write, write_extensions

# --- kinds of files


@pytest.mark.parametrize("layout", ["set", "plain", "extensions", "bands", "challenge"])
def test_every_kind_of_file_gives_the_scores_of_a_data_set(layout, planes, weights, tmp_path):
    write_set(tmp_path / "set" / "000.h5", planes)
    expected = predicted(weights, tmp_path / "set", tmp_path / "expected.parquet")
    names = write_layout(tmp_path / "stamps", layout, planes)
    found = classify(tmp_path / "stamps", weights, tmp_path / "out")
    assert found["logit"].is_monotonic_decreasing
    assert sorted(found["name"]) == sorted(names)
    logits = found.set_index("name").loc[names, "logit"].to_numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-6)
    np.testing.assert_allclose(found["score"], 1 / (1 + np.exp(-found["logit"])))
    on_disk = pd.read_csv(tmp_path / "out" / "scores.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(on_disk.drop(columns="label"), found.drop(columns="label"))
    parquet = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    pd.testing.assert_frame_equal(parquet, found)
    assert parquet.attrs["network"]["name"] == "tiny"
    if layout == "set":
        assert found.set_index("name").loc[names, "label"].tolist() == [0, 1] * (N // 2)
    else:
        assert found["label"].isna().all()
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["classify.json", "scores.csv", "scores.parquet"]


def test_the_sky_that_a_set_names_is_used(planes, weights, tmp_path):
    sky = {"bands": ["VIS", *BANDS[:3]], "sky_sigma": [5.0, 6.0, 7.0, 8.0]}
    for name, some in (("000.h5", slice(0, 7)), ("001.h5", slice(7, N))):
        write_set(tmp_path / "set" / name, {band: plane[some] for band, plane in planes.items()}, **sky)
    expected = predicted(weights, tmp_path / "set", tmp_path / "expected.parquet")
    found = classify(tmp_path / "set", weights, tmp_path / "out").sort_values(["file", "name"])
    np.testing.assert_allclose(found["logit"], expected, atol=1e-6)


def test_each_path_is_a_survey_of_its_own(planes, weights, tmp_path):
    """In other units the numbers differ, noise included, and the scores do not."""
    write_plain(tmp_path / "a" / "same.h5", planes)
    write_plain(tmp_path / "b" / "same.h5", {band: 1e-9 * plane for band, plane in planes.items()})
    found = classify([tmp_path / "a", tmp_path / "b"], weights, tmp_path / "out")
    by_name = found.set_index("name")["logit"]
    assert sorted(by_name.index) == sorted(f"{x}/same:{i}" for x in "ab" for i in range(N))
    for i in range(N):
        assert by_name[f"a/same:{i}"] == pytest.approx(by_name[f"b/same:{i}"], abs=1e-4)


def test_only_the_bands_that_the_network_takes_are_needed(planes, tmp_path):
    stem = write_network(tmp_path / "h", bands=("H",))
    for i in range(3):
        write(tmp_path / "stamps" / f"H-{i}.fits", planes["H"][i])  # no world coordinates: believed
    with h5py.File(tmp_path / "stamps" / "x.h5", "w") as file:
        file["nisp"], file["id"] = arrays(planes)["nisp"][:3], [f"N{i}" for i in range(3)]
    found = classify(tmp_path / "stamps", stem, tmp_path / "out", top=4)
    assert sorted(found["name"]) == ["0", "1", "2", "x:N0", "x:N1", "x:N2"]
    logits = found.set_index("name")["logit"]
    assert logits["0"] == pytest.approx(logits["x:N0"], abs=1e-5)
    assert (tmp_path / "out" / "top.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("path", "band", "name"),
    [
        ("Public/EUC_VIS/imageEUC_VIS-100002.fits", "VIS", "Public/EUC/imageEUC-100002"),
        ("object_nir_y.fits", "Y", "object"),
        ("NISP-H_12.3.fits", "H", "12.3"),
        ("SDSSJ1148+1930_J.fit", "J", "SDSSJ1148+1930"),
        ("J 1148_vis.fits", "VIS", "J 1148"),
        ("102018665_NEG570040238507752998.fits", None, None),
        ("healthy.fits", None, None),
        ("visible.fits", None, None),
    ],
)
def test_bands_and_objects_by_file_name(path, band, name):
    assert from_fits.band_of(path.rsplit("/", 1)[-1]) == band
    if band:
        assert from_fits.without_band(path, band) == name


@pytest.mark.parametrize("layout", ["extensions", "bands"])
def test_packed_files_give_the_same_scores(layout, planes, weights, tmp_path):
    some = {band: plane[:3] for band, plane in planes.items()}
    names = write_layout(tmp_path / "plain", layout, some)
    (tmp_path / "packed").mkdir()
    for i, path in enumerate(sorted((tmp_path / "plain").iterdir())):
        with gzip.open(tmp_path / "packed" / f"{path.name}{'.GZ' if i == 0 else '.gz'}", "wb") as file:
            file.write(path.read_bytes())
    found = classify(tmp_path / "packed", weights, tmp_path / "a").set_index("name")["logit"]
    expected = classify(tmp_path / "plain", weights, tmp_path / "b").set_index("name")["logit"]
    assert sorted(found.index) == sorted(names)
    assert found[names].tolist() == pytest.approx(expected[names].tolist(), abs=1e-6)


def test_a_band_in_the_name_of_an_object_with_all_bands_is_none(planes, weights, tmp_path):
    """Two of these names differ in nothing but a word that is a band; one object has a file a band."""
    names = ["H-ATLAS_J0903", "H_ATLAS_J0903", "Y-ATLAS_J0903", "SDSS_J1148", "VIS/H"]
    folder = tmp_path / "stamps"
    for i, name in enumerate(names):
        made = [(band, planes[band][i], header(SCALES[band])) for band in ("VIS", "H", "Y", "J")]
        write_extensions(folder / f"{name}.fits", made)
    for band in BANDS:
        write(folder / f"H-ATLAS_J1000_{band}.fits", planes[band][5], SCALES[band])
    expected = {band: plane[:6] for band, plane in planes.items()}
    write_layout(tmp_path / "plain", "extensions", expected)
    found = classify(folder, weights, tmp_path / "a").set_index("name")["logit"]
    assert set(found.index) == {*names, "H-ATLAS_J1000"}
    # The object with a file a band is a group of its own, with the sky of one.
    logits = classify(tmp_path / "plain", weights, tmp_path / "b").sort_values("name")["logit"].tolist()
    assert found[names].tolist() == pytest.approx(logits[:5], abs=0.05)
    alone = classify(folder / "H-ATLAS_J0903.fits", weights, tmp_path / "c")
    assert alone["name"].tolist() == ["H-ATLAS_J0903"]


def test_a_cutout_with_a_band_in_its_name_is_read(real_lenses, weights, tmp_path):
    shutil.copy(real_lenses / "euclid_q1" / "sample_group" / "group.fits", tmp_path / "group_H.fits")
    assert classify(tmp_path / "group_H.fits", weights, tmp_path / "out")["name"].tolist() == ["group_H"]


# --- real files


def test_the_published_network_finds_the_real_horseshoe_in_every_kind_of_file(real_lenses, tmp_path):
    known = compounds.KNOWN[2]
    stamp = compounds.read(known, real_lenses / "compound_known" / known.folder)
    one = dict(zip(BANDS, (*stamp["nisp"], stamp["vis"]), strict=True))
    one = {band: plane[None] for band, plane in one.items()}
    for layout in ("set", "plain", "extensions", "bands", "challenge"):
        write_layout(tmp_path / layout, layout, one)
    file = real_lenses / "wilde2022_weights" / "OU_200_Weights.pt"
    told = []
    paths = [tmp_path / layout for layout in ("set", "plain", "extensions", "bands", "challenge")]
    found = classify(paths, file, tmp_path / "out", tell=told.append)
    assert len(found) == 5
    assert found["score"].min() == pytest.approx(found["score"].max(), abs=1e-6)
    assert found["score"].min() > 0.99  # 0.9953 in the paper
    assert any(
        "5 have a score of at least 0.5000 (a probability of 0.5, as published)" in line for line in told
    )


def test_real_cutouts_are_scored_and_the_rest_is_named(real_lenses, weights, tmp_path, capsys):
    folders = [str(real_lenses / name) for name in ("euclid_q1", "glfc1_simulated", "compound_known")]
    words = ["classify", *folders, "--network", str(weights), "--out", str(tmp_path / "out")]
    assert cli.main(words) == 0
    found = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert found["name"].tolist() == ["euclid_q1/sample_group/group"]
    bad = pd.read_csv(tmp_path / "out" / "left_out.csv").set_index("name")
    assert len(bad) == 2 + 16 + 3
    assert (
        "100 x 100 pixels" in bad.filter(like="102018665_NEG570040238507752998/102", axis=0)["reason"].iloc[0]
    )
    assert "(MASK)" in bad.filter(like="mask_extra", axis=0)["reason"].iloc[0]
    challenge = bad.filter(like="imageEUC-", axis=0)
    assert len(challenge) == 16
    assert set(challenge["error"]) == {"MissingBand"}
    assert "5 files are neither FITS nor HDF5" in capsys.readouterr().out


def test_real_stamps_of_the_first_challenge_are_too_small(real_lenses, tmp_path):
    stem = write_network(tmp_path / "vis", bands=("VIS",))
    out = tmp_path / "out"
    words = ["classify", str(real_lenses / "glfc1_simulated"), "--network", str(stem), "--out", str(out)]
    assert cli.main(words) == 2
    assert not out.exists()


# --- bad input


def put(folder, kind, planes):
    """One bad object, or a bad file."""
    planes = {band: plane[0].copy() for band, plane in planes.items()}
    scales = dict(SCALES)
    if kind == "NaN":
        planes["Y"][3, 4] = np.nan
    elif kind == "constant":
        planes["H"][:] = 2.5
    elif kind == "size":
        planes["VIS"] = planes["VIS"][:101, :101]
    elif kind == "scale":
        scales["J"] = 0.1
    elif kind == "no band":
        del planes["J"]
    for band, plane in planes.items():
        path = write(folder / f"bad_{band}.fits", plane, scales[band])
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:9000])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "page":
        path.write_text("<!DOCTYPE html><html>Log in</html>")
    elif kind == "picture":
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    elif kind == "cube":
        write(path, np.zeros((2, 3, 3)))
    elif kind == "link":
        path.unlink()
        path.symlink_to(folder / "nowhere.fits")
    elif kind.startswith("packed"):
        # Of noise, which does not shrink: half the bytes are less than half the image.
        content = gzip.compress(b"a note" if kind == "packed note" else path.read_bytes())
        packed = path.with_name("bad_H.fits.gz")
        path.unlink()
        if kind == "packed, truncated":
            content = content[: len(content) // 2]
        elif kind == "packed, head alone":
            content = content[:20]
        elif kind == "packed, damaged":
            content = content[:10] + b"\xff" * 90 + content[100:]
        packed.write_bytes(content)
    elif kind == "wrong name":
        write_extensions(path, [("NIR_Y_FLUX", planes["VIS"], None)])


def put_hdf5(path, kind, planes):
    many = arrays({band: plane[:2].copy() for band, plane in planes.items()})
    if kind == "HDF5 one NaN":
        many["nisp"][1, 2, 5, 5] = np.nan
    elif kind == "HDF5 size":
        many["vis"] = many["vis"][:, :100, :100]
    elif kind == "HDF5 bands":
        many["nisp"] = many["nisp"][:, :2]
    elif kind == "HDF5 lengths":
        many["vis"] = many["vis"][:1]
    elif kind == "HDF5 names":
        many = {"images": many["vis"]}
    elif kind == "HDF5 none":
        many = {name: array[:0] for name, array in many.items()}
    elif kind == "HDF5 ids":
        many["id"] = np.arange(4).reshape(2, 2)
    elif kind == "HDF5 text":
        path.write_text("id,label\n")
        return
    elif kind == "HDF5 link":
        path.symlink_to(path.with_name("nowhere"))
        return
    with h5py.File(path, "w") as file:
        for name, array in many.items():
            file[name] = array
        if kind == "HDF5 scale":
            file["nisp"].attrs["pixel_scale_arcsec"] = 0.1
        elif kind == "HDF5 scales":
            file["nisp"].attrs["pixel_scale_arcsec"] = [0.3, 0.3, 0.1]
        elif kind == "HDF5 scale in words":
            file["vis"].attrs["pixel_scale_arcsec"] = "0.1 arcsec"
        elif kind == "HDF5 id group":
            file.create_group("id")
        elif kind == "HDF5 id number":
            file["id"] = 3
        elif kind == "HDF5 not ours":
            file.attrs["columns"], file.attrs["attributes"] = "id", "{}"
    if kind == "HDF5 truncated":
        path.write_bytes(path.read_bytes()[:100000])
    elif kind == "HDF5 empty":
        path.write_bytes(b"")


BAD = {
    "NaN": ("StampHasNaN", ("bad_Y.fits", "1 pixels are not finite")),
    "constant": ("ConstantStamp", ("bad_H.fits", "every pixel is 2.5")),
    "size": ("WrongStampSize", ("bad_VIS.fits", "101 x 101 pixels, expected 200 x 200")),
    "scale": ("WrongPixelScale", ("bad_J.fits", "0.1000 arcsec a pixel, expected 0.3")),
    "no band": ("MissingBand", ("bad: no image in J beside", "bad_VIS.fits")),
    "truncated": ("TruncatedFile", ("bad_H.fits", "ends early")),
    "empty": ("TruncatedFile", ("bad_H.fits", "empty")),
    "page": ("NotAStamp", ("bad_H.fits", "HTML page")),
    "picture": ("NotAStamp", ("bad_H.fits", "a picture")),
    "cube": ("NotAStamp", ("bad_H.fits", "no image with two axes")),
    "link": ("NotAStamp", ("bad_H.fits", "cannot be read", "No such file")),
    "wrong name": ("NotAStamp", ("bad_H.fits", "says H", "NIR_Y_FLUX")),
    "packed, truncated": ("TruncatedFile", ("bad_H.fits.gz", "ends early or is damaged")),
    "packed, head alone": ("TruncatedFile", ("bad_H.fits.gz", "ends early or is damaged")),
    "packed, damaged": ("TruncatedFile", ("bad_H.fits.gz", "ends early or is damaged")),
    "packed note": ("NotAStamp", ("bad_H.fits.gz", "no FITS file", "b'a note'")),
    "HDF5 one NaN": ("StampHasNaN", ("bad.h5, 1 [H]", "1 pixels")),
    "HDF5 size": ("WrongStampSize", ("bad.h5", "(2, 100, 100)", "(n, 200, 200)")),
    "HDF5 bands": ("WrongStampSize", ("bad.h5", "(2, 2, 66, 66)", "J, Y, H")),
    "HDF5 lengths": ("NotADataSet", ("bad.h5", "1 and 2 stamps")),
    "HDF5 names": ("MissingBand", ("bad.h5", "no array 'nisp'", "the file holds images")),
    "HDF5 scale": ("WrongPixelScale", ("bad.h5", "J has 0.1000 arcsec a pixel, expected 0.3")),
    "HDF5 scales": ("WrongPixelScale", ("bad.h5", "H has 0.1000 arcsec a pixel, expected 0.3")),
    "HDF5 scale in words": ("WrongPixelScale", ("bad.h5", "VIS has '0.1 arcsec'", "the number 0.1")),
    "HDF5 none": ("NotADataSet", ("bad.h5", "no stamps")),
    "HDF5 ids": ("NotADataSet", ("bad.h5", "'id' has shape (2, 2)", "2 stamps")),
    "HDF5 id group": ("NotADataSet", ("bad.h5", "'id' is no array")),
    "HDF5 id number": ("NotADataSet", ("bad.h5", "'id' has shape ()")),
    "HDF5 not ours": ("TruncatedFile", ("bad.h5", "damaged")),
    "HDF5 link": ("NotHDF5", ("bad.h5", "cannot be read", "No such file")),
    "HDF5 text": ("NotHDF5", ("bad.h5", "no HDF5 file")),
    "HDF5 truncated": ("TruncatedFile", ("bad.h5", "ends early")),
    "HDF5 empty": ("TruncatedFile", ("bad.h5", "empty")),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_stamps_are_named_and_the_rest_is_scored(kind, planes, weights, tmp_path, capsys):
    stamps = tmp_path / "stamps"
    write_layout(stamps, "bands", {band: plane[:3] for band, plane in planes.items()})
    if kind.startswith("HDF5"):
        put_hdf5(stamps / "bad.h5", kind, planes)
    else:
        put(stamps, kind, planes)
    error, texts = BAD[kind]
    words = ["--network", str(weights), "--out", str(tmp_path / "out"), "--top", "0"]
    assert cli.main(["classify", str(stamps), *words]) == 0
    told = capsys.readouterr()
    scored = pd.read_csv(tmp_path / "out" / "scores.csv")["name"].tolist()
    assert sorted(scored) == [
        *(["bad:0"] if kind == "HDF5 one NaN" else []),
        "object00",
        "object01",
        "object02",
    ]
    bad = pd.read_csv(tmp_path / "out" / "left_out.csv")
    assert bad["error"].tolist() == [error]
    assert bad["name"].iloc[0].startswith("bad")
    assert all(text in bad["reason"].iloc[0] for text in texts), bad["reason"].iloc[0]
    assert f"Left out: {bad['reason'].iloc[0]}\n" in told.out
    # Alone, it is an error of one line, and nothing is written.
    if kind != "HDF5 one NaN":
        for path in stamps.glob("object*"):
            path.unlink()
        assert cli.main(["classify", str(stamps), *words[:2], "--out", str(tmp_path / "alone")]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert all(text in said for text in texts), said
        assert not (tmp_path / "alone").exists()


def test_a_pixel_scale_for_each_of_three_bands_is_read(planes, weights, tmp_path):
    write_plain(tmp_path / "some.h5", {band: plane[:3] for band, plane in planes.items()})
    with h5py.File(tmp_path / "some.h5", "a") as file:
        file["nisp"].attrs["pixel_scale_arcsec"] = [0.3, 0.3, 0.3]
    assert len(classify(tmp_path / "some.h5", weights, tmp_path / "out")) == 3


def test_images_without_noise_are_each_left_out(planes, weights, tmp_path):
    clean = {band: np.where(plane > 15, plane, 0) for band, plane in planes.items()}
    write_plain(tmp_path / "clean.h5", {band: plane[:3] for band, plane in clean.items()})
    write_plain(tmp_path / "noisy" / "noisy.h5", {band: plane[:3] for band, plane in planes.items()})
    paths = [tmp_path / "clean.h5", tmp_path / "noisy"]
    found = classify(paths, weights, tmp_path / "out")
    assert sorted(found["name"]) == [f"noisy/noisy:{i}" for i in range(3)]
    bad = pd.read_csv(tmp_path / "out" / "left_out.csv")
    assert bad["name"].tolist() == [f"clean:{i}" for i in range(3)]
    assert bad["reason"].str.contains("no noise of the sky").all()


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("nowhere", ("nowhere", "no such file or folder")),
        ("empty", ("empty", "no file to classify")),
        ("note.txt", ("note.txt", "a FITS image was expected")),
        ("good --network ou_jyh", ("ou_jyh", "results/laptop")),
        ("good --network other.pt", ("other.pt", "OU_66_Weights.pt")),
        ("good --network nowhere/seed0", ("nowhere/seed0", "no such file")),
        ("good --network OU200", ("'OU200'", "ou200, ou66")),
        ("good --top 1000", ("1000", "0 to 300")),
        ("good --out note.txt", ("note.txt", "a file", "name a folder")),
    ],
)
def test_bad_words_get_one_sentence_and_leave_nothing(
    words, texts, planes, tmp_path, monkeypatch, capsys, weights
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("a note")
    write_plain(tmp_path / "good" / "x.h5", {band: plane[:1] for band, plane in planes.items()})
    more = [] if "--network" in words else ["--network", str(weights)]
    assert cli.main(["classify", *words.split(), *more]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(text in error for text in texts), error
    assert not (tmp_path / "classify").exists()


def test_two_files_of_one_band_and_object(planes, weights, tmp_path):
    write_layout(tmp_path / "stamps", "bands", {band: plane[:1] for band, plane in planes.items()})
    write(tmp_path / "stamps" / "object00_Y.fit", planes["Y"][1])
    found = classify(tmp_path / "stamps", weights, tmp_path / "out")
    bad = pd.read_csv(tmp_path / "out" / "left_out.csv")
    assert found["name"].tolist() == ["object00"]
    assert bad["name"].tolist() == ["object00_nir_y.fit"]
    assert "object00_Y.fit is its Y image already" in bad["reason"].iloc[0]


def test_one_object_is_told_as_one(planes, weights, tmp_path):
    one = {band: plane[:1] for band, plane in planes.items()}
    write_plain(tmp_path / "stamps" / "one.h5", one)
    (tmp_path / "stamps" / "note.txt").write_text("a note")
    told = []
    classify(tmp_path / "stamps", weights, tmp_path / "out", tell=told.append)
    assert told[1:3] == ["1 object, HDF5.", "1 file is neither FITS nor HDF5 and not read."]
    assert told[3].startswith("1 object took ")
    assert told[4] == "1 object has a score, 0 left out."
    write_plain(tmp_path / "stamps" / "two.h5", one)
    classify(tmp_path / "stamps", weights, tmp_path / "out", tell=told.append)
    assert "2 objects have a score, 0 left out." in told


def test_no_rate_is_told_where_nothing_was_scored(planes, weights, tmp_path, capsys):
    one = {band: plane[:1].copy() for band, plane in planes.items()}
    one["VIS"][0, 5, 5] = np.nan
    write_plain(tmp_path / "one.h5", one)
    words = ["--network", str(weights), "--out", str(tmp_path / "out")]
    assert cli.main(["classify", str(tmp_path / "one.h5"), *words]) == 2
    assert "a second" not in capsys.readouterr().out


def test_extensions_without_a_name_are_told_as_such(planes, weights, tmp_path, capsys):
    made = [("", planes["VIS"][0], None), ("MASK", planes["VIS"][0], None)]
    write_extensions(tmp_path / "object.fits", made)
    words = ["--network", str(weights), "--out", str(tmp_path / "out")]
    assert cli.main(["classify", str(tmp_path / "object.fits"), *words]) == 2
    assert "its 3 extensions (PRIMARY, one without a name, MASK)" in capsys.readouterr().err


# --- killed and again


class Killed(BaseException):
    """Not an error that anything could tidy up after."""


def killed_run(paths, weights, out, n_batches):
    true, calls = outputs._judge, []

    def judge(*arguments):
        calls.append(1)
        if len(calls) > n_batches:
            raise Killed
        return true(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "_judge", judge)
        with pytest.raises(Killed):
            classify(paths, weights, out)


@pytest.fixture
def some_bad(planes, tmp_path):
    """Three batches: the first and the second have a bad stamp, the first and the third sky in one."""
    many = {band: np.concatenate([plane, plane]) for band, plane in planes.items()}
    many["VIS"][[5, 20], 1, 1] = np.nan
    many["VIS"][[7, 35]] += 1e5
    write_plain(tmp_path / "stamps" / "many.h5", many)
    return tmp_path / "stamps"


@pytest.mark.parametrize("torn", [b"", b"\0" * 33])
def test_a_killed_run_goes_on(some_bad, weights, tmp_path, torn, monkeypatch):
    classify(some_bad, weights, tmp_path / "whole")
    killed_run([some_bad], weights, tmp_path / "killed", 2)
    state = tmp_path / "killed" / ".classify"
    assert not (tmp_path / "killed" / "scores.csv").exists()
    with open(state / "odd.jsonl", "ab") as lines:
        lines.write(b'[33, ["VIS", "sky", 99.0]]\n[34, ["V' if torn else b"")
    with open(state / "logits.f64", "ab") as file, open(state / "left_out.jsonl", "ab") as lines:
        file.write(torn)  # a batch that was being written
        lines.write(b'[33, "many:33", "f", "StampHasNaN", "of it"]\n[34, "ma' if torn else b"")
    told, judged = [], []
    true = outputs._judge
    monkeypatch.setattr(outputs, "_judge", lambda *given: judged.append(1) or true(*given))
    classify(some_bad, weights, tmp_path / "killed", tell=told.append)
    assert len(judged) == 1
    assert "Going on after 32 of 40 objects that an earlier run has finished." in told
    for name in ("scores.csv", "left_out.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not state.exists()
    bad = pd.read_csv(tmp_path / "killed" / "left_out.csv")
    assert bad["name"].tolist() == ["many:5", "many:20"]
    scores = pd.read_csv(tmp_path / "killed" / "scores.csv", keep_default_na=False)
    assert sorted(scores["name"][scores["warning"] != ""]) == ["many:35", "many:7"]


def test_answers_of_other_weights_or_files_are_not_gone_on_with(some_bad, weights, tmp_path):
    told = []
    killed_run([some_bad], weights, tmp_path / "out", 2)
    other = write_network(tmp_path / "other", seed=4)
    killed_run([some_bad], other, tmp_path / "out", 1)
    with h5py.File(some_bad / "many.h5", "a") as file:
        file["vis"][5] = file["vis"][6]
    found = classify(some_bad, other, tmp_path / "out", tell=told.append)
    assert not any("Going on" in line for line in told)
    assert "many:5" in set(found["name"])


def test_a_new_run_leaves_nothing_of_the_old_one(some_bad, weights, planes, tmp_path):
    classify(some_bad, weights, tmp_path / "out", top=3)
    names = ["classify.json", "left_out.csv", "scores.csv", "scores.parquet", "top.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    write_plain(tmp_path / "one.h5", {band: plane[:1] for band, plane in planes.items()})
    classify(tmp_path / "one.h5", weights, tmp_path / "out")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["classify.json", "scores.csv", "scores.parquet"]


def test_two_runs_do_not_write_into_one_folder(some_bad, weights, tmp_path):
    out = tmp_path / "out"
    with exclusive(out / ".classify" / "lock"):
        with pytest.raises(FolderBusy, match="another process"):
            classify(some_bad, weights, out)
        assert (out / ".classify" / "lock").is_file()


# --- sheet and attribution


def test_the_sheet_shows_the_best_with_their_reasons(planes, weights, tmp_path, monkeypatch):
    write_set(tmp_path / "set" / "000.h5", planes)
    drawn = []
    true = sheet.draw
    monkeypatch.setattr(sheet, "draw", lambda *given: drawn.append(given) or true(*given))
    found = classify(tmp_path / "set", weights, tmp_path / "out", top=7, attribution=True)
    ((path, tiles, _, words),) = drawn
    assert [tile.name for tile in tiles] == found["name"][:7].tolist()
    assert [tile.logit for tile in tiles] == found["logit"][:7].tolist()
    assert [tile.label for tile in tiles] == found["label"][:7].tolist()
    assert "occlusion" in words
    assert "masked by empty sky" in words
    assert path.read_bytes().startswith(b"\x89PNG")
    for tile in tiles:
        i = int(tile.name.split(":")[1]) - 100
        assert all(np.array_equal(tile.planes[band], planes[band][i]) for band in BANDS)
        assert tile.attribution.shape == (16, 16)


def test_colours_follow_the_bands(planes):
    bright = {band: plane[0].copy() for band, plane in planes.items()}
    bright["H"][10:20, 40:50] += 4000  # the third NISP array is red
    shown = sheet.picture(bright, True)
    assert shown.shape == (66, 66, 3)
    assert shown[15, 45, 0] > 0.9
    assert shown[15, 45, 1:].max() < 0.2
    grey = sheet.picture({"VIS": bright["VIS"]}, False)
    assert grey.shape == (200, 200)
    assert 0 <= grey.min() < 0.01
    assert np.unravel_index(grey.argmax(), grey.shape) == np.unravel_index(bright["VIS"].argmax(), (200, 200))


def test_attribution_is_the_fall_of_the_log_odds_under_a_mask_of_sky(weights):
    network, card = inference.load(weights)
    scaling = training.scaling_of(card)
    image = np.random.default_rng(0).normal(size=(4, 16, 16)).astype(np.float32)
    found = attribute(network, scaling, image)
    for row, column in ((0, 0), (7, 3), (15, 15)):  # the mask of so small an image is one pixel
        masked = image.copy()
        masked[:, row, column] = -0.1 / 0.5  # sky, by the mean and standard deviation of the card
        with torch.no_grad():
            plain, other = lens_logit(network.eval()(torch.from_numpy(np.stack([image, masked]))).double())
        assert found[row, column] == pytest.approx(float(plain - other), abs=1e-5)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_caption_says_what_masks_are_filled_with():
    """Networks of the published recipe know no sky: 0 is the darkest pixel of a band."""
    assert "darkest value" in method(Scaling(("J", "VIS"), 66, "faithful"))
    assert "empty sky" in method(Scaling(("J",), 66, "corrected", (0.07,), (0.2,), (0.5,)))


def test_long_names_keep_both_ends():
    assert sheet.short("a/b/group") == "group"
    assert sheet.short("x" * 26) == "x" * 26
    assert sheet.short("0123456789" * 4) == "012345678901…890123456789"


# --- networks


def test_networks_that_come_along(tmp_path):
    with pytest.raises(UnknownNetwork, match="make results EXPERIMENT=lenses"):
        trained.find(None, tmp_path)
    write_network(tmp_path / "ou200", name="ou200")
    assert trained.find(None, tmp_path).weights == tmp_path / "ou200.safetensors"
    write_network(tmp_path / "ou66", name="ou66")
    assert trained.find(None, tmp_path).name == "ou66"
    assert trained.find("ou200", tmp_path).name == "ou200"
    with pytest.raises(UnknownNetwork, match=r"'resnet10' .* \(there: ou200, ou66\)"):
        trained.find("resnet10", tmp_path)


def test_operating_points(tmp_path):
    stem = write_network(tmp_path / "lenses" / "models" / "tiny" / "seed0")
    assert trained.find(stem).point is None
    point = {"threshold": 1.5, "probability": 0.82, "rule": "largest F-1", "set": "validation"}
    path = tmp_path / "lenses" / "metrics" / "operating_point_tiny.json"
    path.parent.mkdir()
    path.write_text(json.dumps(point))
    assert trained.find(f"{stem}.safetensors").point == (1.5, 0.82, "largest F-1 on the validation set")
    assert trained.find(stem).scale == "smoke"
    path.write_text("{}")
    with pytest.raises(UnknownNetwork, match="operating_point_tiny"):
        trained.find(stem)


def test_a_network_of_another_experiment_is_refused(tmp_path):
    stem = write_network(tmp_path / "fcn", registry="skyneedle.strain.networks", source="fcn", options={})
    with pytest.raises(UnknownNetwork):
        trained.find(stem)
