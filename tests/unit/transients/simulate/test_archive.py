"""The archive's form: names, bytes, marks, comment lines, and independence of workers and shards."""

import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image

from skyneedle.core.errors import BadSetting
from skyneedle.transients.features.pixels import PIXEL_FEATURES, measure
from skyneedle.transients.preprocess import CHANNELS
from skyneedle.transients.simulate import archive, catalogue, examples, settings

FEW = settings.profile("des", {"n_blocks": 2, "bands": {"r": settings.DECAM_BANDS["r"]}})
NAMES = ("stamps.tar", "features.csv", "hosts.csv", "truth.parquet")


def write(folder: Path, ids: range, recipe: str = "corrected", workers: int = 1, wanted=FEW, shard: int = 0):
    paths = [folder / name for name in NAMES]
    archive.write_shard(
        *paths, settings=wanted, recipe=recipe, survey="des", shard=shard, ids=ids, seed=9, workers=workers
    )
    return paths


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as opened:
        return {one.name: opened.extractfile(one).read() for one in opened.getmembers()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("archive"), range(40))


def test_names_and_planes(written):
    found = members(written[0])
    known = pd.read_parquet(written[3]).set_index("id")
    assert len(found) == 3 * 40
    pattern = re.compile(r"SNWG/Archive/(\d{4})/Y1/(\d{8})/(\d+)/(srch|temp|diff)(\d+)\.fits")
    planes: dict[int, set[str]] = {}
    for name in found:
        year, night, expid, plane, number = pattern.fullmatch(name).groups()
        assert night.startswith(year)
        assert known.loc[int(number), "night"] == int(night)
        assert known.loc[int(number), "expid"] == int(expid)
        planes.setdefault(int(number), set()).add(plane)
    assert sorted(planes) == list(range(40))
    assert all(one == {"srch", "temp", "diff"} for one in planes.values())


def test_fits_is_big_endian_float32_and_holds_the_stamps(written):
    found = members(written[0])
    one = examples.example(11, FEW, 9)
    for plane, stamp in zip(CHANNELS, one.stamps, strict=True):
        name = next(name for name in found if name.endswith(f"/{plane}11.fits"))
        content = found[name]
        assert len(content) % 2880 == 0
        with fits.open(io.BytesIO(content)) as opened:
            opened.verify("exception")
            assert opened[0].header["BITPIX"] == -32
            np.testing.assert_array_equal(opened[0].data, stamp)
        raw = np.frombuffer(content, ">f4", 51 * 51, offset=2880).reshape(51, 51)
        np.testing.assert_array_equal(raw, stamp)


def test_catalogue_has_six_comment_lines_and_forty_columns(written):
    lines = written[1].read_text().splitlines()
    assert [line.startswith("#") for line in lines[:7]] == [True] * 6 + [False]
    frame = pd.read_csv(written[1], comment="#")
    assert list(frame.columns) == ["ID", "OBJECT_TYPE", *catalogue.COLUMNS]
    assert len(frame.columns) == 40
    assert frame["ID"].dtype == np.int64
    known = pd.read_parquet(written[3])
    assert (frame["ID"] == known["id"]).all()
    assert (frame["OBJECT_TYPE"] == known["label_given"]).all()
    missing = frame[list(catalogue.REFERENCE_COLUMNS)].isna()
    assert (missing.all(axis=1) == known["hostless"]).all()
    assert (missing.any(axis=1) == known["hostless"]).all()
    hosts = pd.read_csv(written[2])
    assert list(hosts.columns) == ["ID", "HOST_ID"]
    assert (hosts["HOST_ID"] == known["host_id"]).all()
    assert list(known.columns) == list(examples.TRUTH_COLUMNS)


def test_pixel_features_are_those_of_the_fluxes_where_stamps_no_longer_hold_these(written, tmp_path):
    fluxes, pictures = written[1], write(tmp_path, range(40), recipe="faithful")[1]
    empty = pd.read_csv(fluxes, comment="#")
    frame = pd.read_csv(pictures, comment="#")
    assert empty.columns[empty.isna().all()].tolist() == sorted(set(PIXEL_FEATURES) - {"MASKFRAC"})
    stamps = [examples.example(one, FEW, 9).stamps for one in frame["ID"]]
    np.testing.assert_allclose(frame[list(PIXEL_FEATURES)], measure(np.stack(stamps)), rtol=1e-5)
    others = [name for name in frame if name not in PIXEL_FEATURES]
    pd.testing.assert_frame_equal(frame[others], empty[others])


def test_bytes_do_not_depend_on_workers(written, tmp_path):
    for first, second in zip(written, write(tmp_path, range(40), workers=2), strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_examples_do_not_depend_on_shards(written, tmp_path):
    whole = members(written[0])
    part = write(tmp_path, range(10, 20), shard=1)
    found = members(part[0])
    assert len(found) == 30
    assert all(whole[name] == content for name, content in found.items())
    known = pd.read_parquet(written[3]).iloc[10:20].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, pd.read_parquet(part[3]), check_like=False)


def test_gif_has_the_marks_of_the_public_stamps(tmp_path, test_data):
    real = np.load(test_data / "transients" / "des_autoscan" / "input_x.npy")
    always = (real == 255).all(axis=(0, 3))
    np.testing.assert_array_equal(always, archive.tick_marks())
    assert archive.tick_marks().sum() == 40
    found = members(write(tmp_path, range(6), recipe="faithful")[0])
    assert len(found) == 18
    for name, content in found.items():
        opened = Image.open(io.BytesIO(content))
        assert opened.format == "GIF"
        plane = np.asarray(opened.convert("L"))
        number = int(re.search(r"(\d+)\.gif$", name)[1])
        channel = CHANNELS.index(Path(name).name[:4])
        np.testing.assert_array_equal(
            plane, archive.stretched(examples.example(number, FEW, 9).stamps[channel])
        )
        assert (plane[archive.tick_marks()] == 255).all()


def test_stretch_clips_as_many_pixels_as_in_the_public_stamps(test_data):
    real = np.load(test_data / "transients" / "des_autoscan" / "input_x.npy")
    outside = ~archive.tick_marks()
    noise = np.random.default_rng(1).normal(0, 1, (51, 51))
    ours = archive.stretched(noise.astype(np.float32))[outside]
    assert ours.dtype == np.uint8
    for value in (0, 255):
        typical = np.median((real[:, outside] == value).sum(axis=1))
        assert abs((ours == value).sum() - typical) <= 3


def test_a_constant_plane_is_stretched_to_one_level():
    plane = archive.stretched(np.full((51, 51), 1e-30, np.float32))
    assert set(plane[~archive.tick_marks()]) == {0}


def test_voted_labels_are_given_ones(tmp_path):
    wanted = settings.profile("ongoing", {"n_blocks": 2, "share_artifacts": 0.5, "bands": FEW.bands})
    wanted = settings.profile(
        "ongoing",
        {
            "n_blocks": 2,
            "share_artifacts": 0.5,
            "bands": FEW.bands,
            "votes": wanted.votes | {"slip_real": 0.6, "slip_artifact": 0.6},
        },
    )
    paths = write(tmp_path, range(30), wanted=wanted)
    known = pd.read_parquet(paths[3])
    wrong = known["label_given"] != known["label_true"]
    assert 0 < wrong.mean() < 0.8
    assert (known["error"] == np.where(wrong, "vote", "")).all()
    assert (pd.read_csv(paths[1], comment="#")["OBJECT_TYPE"] == known["label_given"]).all()


@pytest.mark.parametrize("bad", [{"recipe": "original"}, {"survey": "ztf"}, {"ids": range(10**6)}])
def test_bad_arguments_write_nothing(tmp_path, bad):
    arguments = {"recipe": "corrected", "survey": "des", "ids": range(2)} | bad
    with pytest.raises(BadSetting):
        archive.write_shard(*[tmp_path / name for name in NAMES], settings=FEW, shard=0, seed=1, **arguments)
    assert not list(tmp_path.iterdir())
