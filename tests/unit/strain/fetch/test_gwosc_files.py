import gzip

import h5py
import numpy as np
import pytest

from skyneedle.core.errors import (
    DetectorMismatch,
    NotAStrainFile,
    NotHDF5,
    StrainHasGap,
    StrainHasNaN,
    TruncatedFile,
    WrongSampleRate,
)
from skyneedle.strain.fetch import gwosc_files
from skyneedle.strain.fetch.gwosc_files import join, read, read_gwosc, seconds_as_spans, write_gwosc


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(scale=1e-19, size=n)


def test_real_gw150914_file(real_strain):
    strain = read(real_strain / "H-H1_LOSC_4_V2-1126259446-32.hdf5")
    assert (strain.gps_start, strain.sample_rate, strain.detector) == (1126259446.0, 4096.0, "H1")
    assert strain.values.shape == (131072,)
    assert strain.values.dtype == np.float64
    assert strain.gps_end == 1126259478.0
    assert np.std(strain.values) == pytest.approx(2.202e-19, rel=1e-3)  # dominated by the seismic wall
    assert set(strain.quality) == {127}  # all seven bits
    assert set(strain.injections) == {31}
    livingston = read(real_strain / "L-L1_LOSC_4_V2-1126259446-32.hdf5")
    assert livingston.detector == "L1"
    assert set(livingston.injections) == {23}  # NO_CW_HW_INJ (8) is off: continuous-wave injections ran in L1


def test_written_file_has_the_layout_of_the_archive(real_strain, tmp_path):
    original = real_strain / "H-H1_LOSC_4_V2-1126259446-32.hdf5"
    strain = read(original)
    copy = tmp_path / "copy.hdf5"
    write_gwosc(copy, strain.values, strain.gps_start, "H1", quality=strain.quality)

    def layout(path):
        found = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, item: found.update({name: set(item.attrs)}))
        return found

    theirs, ours = layout(original), layout(copy)
    optional = {"quality/detail", "meta/DescriptionURL"} | {n for n in theirs if n.endswith("Descriptions")}
    assert set(theirs) - set(ours) == optional
    for name, attributes in ours.items():
        assert theirs[name] - attributes <= {"Description"}
    back = read_gwosc(copy)
    assert np.array_equal(back.values, strain.values)
    assert back.gps_start == strain.gps_start


def test_same_content_gives_the_same_bytes_and_nothing_else_stays(tmp_path):
    for name in ("a.hdf5", "b.hdf5"):
        write_gwosc(tmp_path / name, noise(8192), 1126051217, "L1")
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.hdf5", "b.hdf5"]


def test_a_stretch_may_begin_between_seconds(tmp_path):
    write_gwosc(tmp_path / "H-H1_X-1-2.hdf5", noise(6000), 1126051217.25, "H1")
    strain = read(tmp_path / "H-H1_X-1-2.hdf5")
    assert strain.gps_start == 1126051217.25
    assert strain.quality.shape == (2,)


def test_span_cuts_samples_and_masks_together(tmp_path):
    values = noise(8 * 4096)
    write_gwosc(tmp_path / "x.hdf5", values, 1000, "H1", quality=np.arange(8))
    part = read(tmp_path / "x.hdf5", span=(1002, 1005))
    assert part.gps_start == 1002
    assert np.array_equal(part.values, values[2 * 4096 : 5 * 4096])
    assert part.quality.tolist() == [2, 3, 4]
    with pytest.raises(NotAStrainFile, match="1000"):
        read(tmp_path / "x.hdf5", span=(1005, 1010))


def test_html_page_is_named_as_such(tmp_path):
    path = tmp_path / "H-H1_LOSC_4_V2-1126259446-32.hdf5"
    path.write_text("<!DOCTYPE html>\n<html><body>404 Not Found</body></html>")
    with pytest.raises(NotHDF5, match="HTML page"):
        read(path)


def test_other_files_are_not_hdf5(tmp_path):
    (tmp_path / "frame.hdf5").write_bytes(b"IGWD\x00\x08" + bytes(100))
    with pytest.raises(NotHDF5, match="IGWD"):
        read(tmp_path / "frame.hdf5")
    (tmp_path / "empty.hdf5").touch()
    with pytest.raises(TruncatedFile, match="empty"):
        read(tmp_path / "empty.hdf5")


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_truncated_file(tmp_path, kept):
    write_gwosc(tmp_path / "x.hdf5", noise(4 * 4096), 1000, "H1")
    data = (tmp_path / "x.hdf5").read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(TruncatedFile, match=r"cut\.hdf5.*fetch it again"):
        read(tmp_path / "cut.hdf5")


@pytest.mark.parametrize("tail", ["cut", "zeros"])
def test_a_file_that_ends_anywhere_is_named(tmp_path, tail):
    """As a broken line or a machine without power leaves it, down to the first bytes."""
    write_gwosc(tmp_path / "x.hdf5", noise(2048), 1000, "H1", 1024)
    data = (tmp_path / "x.hdf5").read_bytes()
    path, whole = tmp_path / "damaged.hdf5", read(tmp_path / "x.hdf5").values
    for end in np.random.default_rng(0).integers(0, len(data), 200):
        path.write_bytes(data[:end] + (bytes(len(data) - end) if tail == "zeros" else b""))
        try:
            values = read(path).values
        except (TruncatedFile, NotHDF5, NotAStrainFile) as error:
            sentence = str(error)
        else:  # only what nobody reads is lost
            sentence = str(path) if np.array_equal(values, whole) else "silently wrong"
        assert str(path) in sentence
        assert "\n" not in sentence


def test_fewer_samples_than_the_header_says(tmp_path):
    write_gwosc(tmp_path / "x.hdf5", noise(4 * 4096), 1000, "H1")
    with h5py.File(tmp_path / "x.hdf5", "a") as file:
        file["meta/Duration"][()] = 5
    with pytest.raises(TruncatedFile, match=r"16384 samples.*20480"):
        read(tmp_path / "x.hdf5")


def test_hdf5_without_strain(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["H1/data"] = np.zeros(10)
    with pytest.raises(NotAStrainFile, match="the file holds H1"):
        read(tmp_path / "x.hdf5")


def test_nan_is_refused_with_its_seconds(tmp_path):
    values = noise(10 * 4096)
    values[3 * 4096 + 5] = np.nan
    values[4 * 4096 : 5 * 4096] = np.nan
    values[8 * 4096 + 4095] = np.nan
    write_gwosc(tmp_path / "x.hdf5", values, 1126051217, "H1")
    with pytest.raises(StrainHasNaN, match=r"3 s of H1.*1126051220-1126051222, 1126051225-1126051226"):
        read(tmp_path / "x.hdf5")
    strain = read(tmp_path / "x.hdf5", allow_nan=True)
    assert strain.quality.tolist() == [127, 127, 127, 0, 0, 127, 127, 127, 0, 127]


def test_seconds_as_spans():
    assert seconds_as_spans([9, 3, 4, 5, 4]) == [(3, 6), (9, 10)]
    assert seconds_as_spans([]) == []


def write_text_file(path, values, header):
    text = header + "".join(f"{v:.18e}\n" for v in values)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


HEADER = (
    "# Gravitational wave strain for GW150914_R1 for H1 (see http://losc.ligo.org)\n"
    "# This file has 4096 samples per second\n# starting GPS 1126259447 duration 2\n"
)


@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz"])
def test_text_format(tmp_path, name):
    values = noise(2 * 4096)
    write_text_file(tmp_path / name, values, HEADER)
    strain = read(tmp_path / name)
    assert (strain.detector, strain.gps_start, strain.sample_rate) == ("H1", 1126259447.0, 4096.0)
    assert np.array_equal(strain.values, values)
    assert strain.quality is None
    part = read(tmp_path / name, span=(1126259448, 1126259449))
    assert np.array_equal(part.values, values[4096:])


def test_text_errors(tmp_path):
    write_text_file(tmp_path / "short.txt", noise(100), HEADER)
    with pytest.raises(TruncatedFile, match=r"100 values.*8192"):
        read(tmp_path / "short.txt")
    write_text_file(tmp_path / "bare.txt", noise(100), "# no header\n")
    with pytest.raises(NotAStrainFile, match="samples per second"):
        read(tmp_path / "bare.txt")
    (tmp_path / "words.txt").write_text(HEADER + "abc\n")
    with pytest.raises(NotAStrainFile, match="one number a line"):
        read(tmp_path / "words.txt")
    write_text_file(tmp_path / "whole.txt.gz", noise(2 * 4096), HEADER)
    data = (tmp_path / "whole.txt.gz").read_bytes()
    (tmp_path / "cut.txt.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(TruncatedFile, match="ends early"):
        read(tmp_path / "cut.txt.gz")


def test_join_restores_a_stretch_that_was_cut(tmp_path):
    values = noise(12 * 4096)
    for start, end in ((0, 4), (4, 6), (6, 12)):
        piece = values[start * 4096 : end * 4096]
        write_gwosc(tmp_path / f"H-H1_X-{1000 + start}-{end - start}.hdf5", piece, 1000 + start, "H1")
    parts = [read(p) for p in sorted(tmp_path.iterdir(), reverse=True)]
    whole = join(parts)
    assert np.array_equal(whole.values, values)
    assert whole.gps_start == 1000
    assert whole.quality.shape == (12,)
    with pytest.raises(StrainHasGap, match=r"1006.*1004"):
        join([parts[0], parts[2]])
    with pytest.raises(StrainHasGap):
        join([*parts, parts[1]])


def test_join_refuses_mixtures(tmp_path):
    write_gwosc(tmp_path / "a.hdf5", noise(4096), 1000, "H1")
    write_gwosc(tmp_path / "b.hdf5", noise(4096), 1001, "L1")
    write_gwosc(tmp_path / "c.hdf5", noise(2048), 1001, "H1", sample_rate=2048)
    a, b, c = (read(tmp_path / f"{n}.hdf5") for n in "abc")
    with pytest.raises(DetectorMismatch):
        join([a, b])
    with pytest.raises(WrongSampleRate):
        join([a, c])


@pytest.mark.parametrize(
    ("gps", "utc"),
    [
        (1126051217, "2015-09-12T00:00:00"),  # start of O1
        (1137254417, "2016-01-19T16:00:00"),  # end of O1: 129 d 16 h later
        (1187008882, "2017-08-17T12:41:04"),  # GW170817, after the leap second of 2017
    ],
)
def test_utc(gps, utc):
    assert gwosc_files.utc(gps) == utc
