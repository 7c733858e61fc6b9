"""Archives of stamps: what comes out is what went in, and what is left out is counted."""

import gzip
import io
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from skyneedle.core.errors import (
    BadSetting,
    NotACatalogue,
    NotAnArchive,
    NotAStamp,
    TruncatedFile,
    WrongStampSize,
)
from skyneedle.core.store import DataSet
from skyneedle.transients.fetch import pack, stamps
from tests.unit.transients.fetch import archives

BIG = 9_007_199_254_740_993  # the first whole number that a float does not hold


@pytest.fixture
def real(test_data):
    folder = test_data / "transients" / "des_autoscan"
    if not folder.is_dir():
        pytest.skip(f"no folder transients/des_autoscan in {test_data}")
    labels = np.loadtxt(folder / "input_labels_y.txt").astype(int)
    return np.load(folder / "input_x.npy"), labels  # (10, 51, 51, 3), channels temp, srch, diff


def fluxes(n, seed=0):
    return np.random.default_rng(seed).normal(100, 30, (n, 3, 51, 51)).astype(np.float32)


def packed(folder, members, ids, labels, pixel_mode, hosts=None):
    tar = archives.write_tar(folder / "stamps_0.tar", members)
    catalogue = archives.write_catalogue(folder / "features_0.csv", ids, labels)
    counts = pack.write_shard(folder / "0.h5", tar, catalogue, hosts, pixel_mode=pixel_mode)
    return DataSet(folder / "0.h5"), counts


def test_the_ten_real_stamps_come_back_bit_for_bit(real, tmp_path):
    images, labels = real
    planes = images.transpose(0, 3, 1, 2)
    ids = list(range(BIG, BIG + 10))
    data, counts = packed(tmp_path, archives.members(planes, ids), ids, labels, "gif")
    found = data.read("stamps", slice(None))
    assert found.dtype == np.uint8
    assert found.transpose(0, 2, 3, 1).tobytes() == images.tobytes()
    assert data.table["id"].tolist() == ids
    assert data.table["label_given"].tolist() == labels.tolist()
    assert data.table["night"].tolist() == [20130901 + k // 2 for k in range(10)]
    assert data.table["expid"].tolist() == [232382 + k for k in range(10)]
    assert data.table["host_id"].tolist() == [-1] * 10
    assert counts["kept"] == 10
    assert sum(n for name, n in counts.items() if name != "kept") == 0
    assert data.attributes["channels"] == ["temp", "srch", "diff"]
    assert (data.attributes["pixel_mode"], data.attributes["label_positive"]) == ("gif", "artifact")


def test_fluxes_hosts_and_catalogue_come_back(tmp_path):
    images, ids = fluxes(600), list(range(7, 607))  # more than two blocks
    images[3, 2, 5, 5:8] = 1e-30, np.nan, np.inf
    hosts = archives.write_hosts(tmp_path / "hosts_0.csv", ids[:-1], [k % 50 for k in range(599)])
    data, _ = packed(
        tmp_path, archives.members(images, ids, "fits"), ids, [k % 2 for k in ids], "fits", hosts
    )
    found = data.read("stamps", slice(None))
    assert found.dtype == np.dtype("=f4")
    assert found.tobytes() == images.tobytes()
    assert data.table["n_bad"].tolist() == [0] * 3 + [3] + [0] * 596
    assert data.table["host_id"].tolist() == [k % 50 for k in range(599)] + [-1]
    assert data.table["band"].tolist() == [one % 4 for one in ids]
    catalogue = data.read("catalogue", slice(None))
    lines = (tmp_path / "features_0.csv").read_text().splitlines()[7:]
    expected = [[float(word or "nan") for word in line.split(",")[2:]] for line in lines]
    assert catalogue.shape == (600, 38)
    np.testing.assert_array_equal(catalogue, np.array(expected, np.float32))
    assert data.attributes["catalogue_columns"] == archives.FEATURES


def test_the_same_archive_gives_the_same_bytes(tmp_path):
    for name in "ab":
        packed(
            tmp_path / name, archives.members(fluxes(5), range(5), "fits"), range(5), [0, 1] * 2 + [0], "fits"
        )
    assert (tmp_path / "a" / "0.h5").read_bytes() == (tmp_path / "b" / "0.h5").read_bytes()


def test_planes_may_stand_in_any_order_and_pictures_beside_images(tmp_path):
    images = fluxes(6)
    both = [*archives.members(images, range(6), "fits")]
    both += archives.members(np.clip(images, 0, 255).astype(np.uint8), range(6), "gif")
    shuffled = [both[k] for k in np.random.default_rng(0).permutation(len(both))]
    data, counts = packed(tmp_path, shuffled, range(6), [0, 1] * 3, "fits")
    order = data.table["id"].to_numpy()
    assert (data.read("stamps", slice(None)) == images[order]).all()
    assert counts["other_kind"] == 18
    data, _ = packed(tmp_path, shuffled, range(6), [0, 1] * 3, "gif")
    assert data.read("stamps", 0).dtype == np.uint8


def test_whatever_is_left_out_is_counted_and_named(tmp_path, capsys):
    images, ids = fluxes(9), list(range(9))
    entries = list(archives.members(images, ids, "fits"))
    entries[3] = entries[3][0].replace("temp1", "temp77"), entries[3][1]  # 1 lacks its template, 77 the rest
    entries[6] = entries[6][0], archives.fits_bytes(np.zeros((50, 51), np.float32))  # 2 has a wrong size
    entries[9] = entries[9][0], entries[9][1][:4000]  # 3 ends early
    entries[12] = entries[12][0], b"<html>not found</html>"  # 4 is no image
    entries.append((entries[0][0], entries[17][1]))  # 0 has a second template
    entries += [("../../srch99.fits", b"x"), ("SNWG/readme.txt", b"x"), ("a/xsrch5.fits", b"x")]
    tar = archives.write_tar(tmp_path / "stamps.tar", entries)
    catalogue = archives.write_catalogue(
        tmp_path / "f.csv", [0, 1, 2, 3, 4, 5, 6, 6, 8, 8, 500], [1] * 9 + [0] * 2
    )
    counts = pack.write_shard(tmp_path / "0.h5", tar, catalogue, pixel_mode="fits")
    data = DataSet(tmp_path / "0.h5")
    assert data.table["id"].tolist() == [0, 5, 6]
    assert (data.read("stamps", 0) == images[0]).all()  # the first of two templates
    assert counts == {
        "kept": 3,
        "missing_planes": 2,
        "no_label": 1,
        "conflicting_labels": 1,
        "damaged": 2,
        "wrong_size": 1,
        "duplicate_planes": 1,
        "unsafe_names": 1,
        "other_names": 2,
        "duplicate_rows": 2,
        "rows_without_candidate": 1,
    }
    assert data.attributes["counts"] == counts
    assert data.attributes["left_out"] == {
        "missing_planes": [77, 1],
        "no_label": [7],
        "conflicting_labels": [8],
        "damaged": [3, 4],
        "wrong_size": [2],
    }
    assert "2 missing_planes" in capsys.readouterr().err
    assert not list(tmp_path.glob("**/srch*"))  # nothing was unpacked


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SNWG/Archive/2013/Y1/20130905/232382/srch5.gif", (20130905, 232382)),
        ("stamps10/232382/srch5.gif", (-1, 232382)),
        ("stamps10/some/srch5.gif", (-1, -1)),
        ("srch5.gif", (-1, -1)),
        ("/data/20130905/1/srch5.gif", (20130905, 1)),
    ],
)
def test_night_and_exposure_come_from_the_path(name, expected):
    assert stamps.night_and_exposure(name) == expected


# --- FITS and GIF


def test_plain_images_are_read_as_astropy_reads_them(monkeypatch):
    def refused(*arguments):
        raise AssertionError("a plain image went to astropy")

    plain = [
        archives.fits_bytes(plane, **cards)
        for plane in fluxes(2)[0]
        for cards in ({}, {f"KEY{k}": "END" + 40 * " " for k in range(80)}, {"COMMENT": "BITPIX"})
    ]
    expected = [stamps._read_with_astropy(content, "x") for content in plain]
    monkeypatch.setattr(stamps, "_read_with_astropy", refused)
    for content, values in zip(plain, expected, strict=True):
        found = stamps.read_fits(content)
        assert found.dtype == np.dtype("=f4")
        assert found.tobytes() == values.tobytes()
        assert found.flags.writeable


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", "u1", ">i4"])
def test_unusual_images_are_read_too(dtype):
    plane = np.arange(2601).reshape(51, 51).astype(dtype) if dtype != "u1" else np.eye(51, dtype="u1")
    assert (stamps.read_fits(archives.fits_bytes(plane)) == plane.astype(np.float32)).all()


def test_scaled_images_are_scaled():
    from astropy.io import fits

    unit = fits.PrimaryHDU(np.ones((51, 51), np.float32))
    file = io.BytesIO()
    unit.writeto(file)
    content = bytearray(file.getvalue())
    place = content.index(b"END" + 77 * b" ")
    content[place : place + 240] = (
        f"{'BSCALE  = ':10}{2.0:>20}".ljust(80) + f"{'BZERO   = ':10}{5.0:>20}".ljust(80) + "END".ljust(80)
    ).encode()
    assert (stamps.read_fits(bytes(content)) == 7).all()


def test_damaged_and_foreign_files_are_named():
    plane = fluxes(1)[0, 0]
    with pytest.raises(NotAStamp, match=r"diff5\.fits: begins with b'GIF8"):
        stamps.read_fits(archives.gif(np.zeros((51, 51), np.uint8)), "diff5.fits")
    with pytest.raises(TruncatedFile, match="ends early or is damaged"):
        stamps.read_fits(archives.fits_bytes(plane)[:5000])
    with pytest.raises(NotAStamp, match=r"shape \(3, 51, 51\), expected two axes"):
        stamps.read_fits(archives.fits_bytes(fluxes(1)[0]))
    with pytest.raises(WrongStampSize, match="63 x 63 pixels, expected 51 x 51"):
        stamps.read_fits(archives.fits_bytes(np.zeros((63, 63), np.float32)))
    with pytest.raises(NotAStamp, match="a GIF picture was expected"):
        stamps.read_gif(archives.fits_bytes(plane))
    with pytest.raises(TruncatedFile, match="ends early or is damaged"):
        stamps.read_gif(
            archives.gif(np.random.default_rng(0).integers(256, size=(51, 51)).astype("u1"))[:900]
        )
    with pytest.raises(WrongStampSize, match="50 x 51"):
        stamps.read_gif(archives.gif(np.zeros((50, 51), np.uint8)))
    red = Image.new("RGB", (51, 51), (200, 0, 0))
    file = io.BytesIO()
    red.save(file, format="GIF")
    with pytest.raises(NotAStamp, match="in colour"):
        stamps.read_gif(file.getvalue())


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"optimize": False}, {"interlace": 1}])
@pytest.mark.parametrize("grey", [1, 2, 7, 100, 256])
def test_grey_values_survive_whatever_table_a_picture_has(options, grey):
    rng = np.random.default_rng(grey)
    plane = rng.permutation(256)[:grey][rng.integers(grey, size=(51, 51))].astype(np.uint8)
    content = archives.gif(plane, **options)
    assert (stamps.read_gif(content) == plane).all()
    assert (stamps._read_with_pillow(content, "x") == plane).all()


def test_plain_pictures_need_no_header_of_pillow(monkeypatch, real):
    planes = real[0].transpose(0, 3, 1, 2).reshape(-1, 51, 51)
    written = [archives.gif(plane, interlace=k % 2) for k, plane in enumerate(planes)]
    monkeypatch.setattr(stamps, "_read_with_pillow", lambda *_: pytest.fail("a plain picture went to Pillow"))
    for plane, content in zip(planes, written, strict=True):
        assert (stamps.read_gif(content) == plane).all()
        assert stamps._plain_picture(content[: len(content) // 2]) is None


# --- tars


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_of_tarfile(tmp_path, format):
    rng = np.random.default_rng(0)
    entries = [(f"a/{k}/srch{k}.gif", rng.bytes(int(rng.integers(1500)))) for k in range(40)]
    long = "long/" * 15 + f"20130901/{1:040}/"
    entries[20:20] = [(long + "temp1.gif", b"q"), ("SNWG/" * 45 + "temp2.gif", b"qq"), ("empty", b"")]
    if format == tarfile.USTAR_FORMAT:
        entries[21] = ("SNWG/" * 15 + "temp2.gif", b"qq")
    tar = archives.write_tar(tmp_path / "a.tar", entries, format)
    with tarfile.open(tar, "a", format=format) as file:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE):
            info = tarfile.TarInfo(f"srch{kind.decode()}.gif")
            info.type, info.linkname = kind, "/etc/passwd"
            file.addfile(info)
    with tarfile.open(tar) as file:
        expected = [(m.name, m.isreg(), m.offset_data, m.size) for m in file]
    found = list(stamps.members(tar))
    assert [(name.rstrip("/"), *rest) for name, *rest in found] == [
        (name, is_file, start, size) for name, is_file, start, size in expected
    ]
    content = tar.read_bytes()
    for (_, written), (_, is_file, start, size) in zip(entries, found, strict=False):
        assert is_file
        assert content[start : start + size] == written


def test_links_named_as_stamps_are_not_followed(tmp_path):
    tar = archives.write_tar(tmp_path / "a.tar", archives.members(fluxes(1), [5], "fits"))
    with tarfile.open(tar, "a") as file:
        info = tarfile.TarInfo("srch6.fits")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(info)
    with stamps.Archive(tar, "fits") as archive:
        assert list(archive.candidates) == [5]
        assert archive.counts == {"stamps": 3, "no_files": 1}
        with pytest.raises(KeyError):
            archive.read(6)


def test_archives_that_are_none(tmp_path):
    good = archives.write_tar(tmp_path / "a.tar", archives.members(fluxes(3), range(3), "fits"))
    content = good.read_bytes()
    with pytest.raises(NotAnArchive, match="no such file"):
        stamps.Archive(tmp_path / "b.tar", "fits")
    with pytest.raises(BadSetting, match="'png': expected one of gif, fits"):
        stamps.Archive(good, "png")
    with pytest.raises(NotAnArchive, match=r"no stamp named .*gif .*other_kind.*choose the other pixel mode"):
        stamps.Archive(good, "gif")
    bad = tmp_path / "bad.tar"
    for broken, words in (
        (b"", "not an uncompressed tar"),
        (b"<html>" * 200, "not an uncompressed tar"),
        (gzip.compress(content), "not an uncompressed tar"),
        (content[:20000], "ends after 20000 bytes within"),
        (content[:15360] + b"\x01" * 512 + content[15872:], "damaged after 15360 bytes"),
    ):
        bad.write_bytes(broken)
        with pytest.raises(NotAnArchive, match=words):
            stamps.Archive(bad, "fits")
    end = max(start + size for _, _, start, size in stamps.members(good))
    bad.write_bytes(content[: -(-end // 512) * 512])  # without the closing zeros all is there
    assert len(stamps.Archive(bad, "fits").candidates) == 3


def test_catalogues_that_are_none(tmp_path):
    tar = archives.write_tar(tmp_path / "a.tar", archives.members(fluxes(2), range(2), "fits"))
    good = archives.write_catalogue(tmp_path / "f.csv", [0, 1], [0, 1]).read_text()
    for text, words in (
        (good.replace("OBJECT_TYPE", "TYPE"), "no column OBJECT_TYPE"),
        (good.replace("CCDID,", "").replace(",12,", ","), "37 columns beside ID"),
        (good.replace("\n1,1,", "\n1,2,"), "other values than 0 and 1"),
        (good.replace("\n1,1,", "\n1.5,1,"), "whole ids"),
        (good.replace("\n1,1,", "\n1,1,dark"), "no number"),
        ("", "cannot be read"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(NotACatalogue, match=words):
            pack.write_shard(tmp_path / "0.h5", tar, tmp_path / "bad.csv", pixel_mode="fits")
    with pytest.raises(NotACatalogue, match="cannot be read"):
        pack.write_shard(tmp_path / "0.h5", tar, tmp_path / "none.csv", pixel_mode="fits")
    other = archives.write_catalogue(tmp_path / "g.csv", [8, 9], [0, 1])
    with pytest.raises(NotAnArchive, match="none of its 2 candidates"):
        pack.write_shard(tmp_path / "0.h5", tar, other, pixel_mode="fits")
    assert not list(tmp_path.glob("*.h5"))
    assert not list(tmp_path.glob(".*partial"))


MEASURE = """
import resource, sys
from skyneedle.transients.fetch import pack
folder, n = sys.argv[1:]
pack.write_shard(f"{folder}/{n}.h5", f"{folder}/{n}.tar", f"{folder}/{n}.csv", pixel_mode="fits")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_archive(tmp_path):
    one = list(archives.members(fluxes(1), [0], "fits"))
    used = []
    for n in (300, 6000):  # 150 MB more of stamps
        entries = ((name.replace("0.fits", f"{k}.fits"), content) for k in range(n) for name, content in one)
        archives.write_tar(tmp_path / f"{n}.tar", entries)
        archives.write_catalogue(tmp_path / f"{n}.csv", range(n), [0] * n)
        words = [sys.executable, "-c", MEASURE, tmp_path, str(n)]
        used.append(int(subprocess.run(words, capture_output=True, text=True, check=True).stdout))
    assert used[1] - used[0] < 40_000  # kB
