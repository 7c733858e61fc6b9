"""Packed challenges: fetched in the right order, unpacked whole, and nothing out of their folder."""

import io
import tarfile

import pytest

from skyneedle.core import archive
from skyneedle.core.errors import NotACatalogue, NotAnArchive, SourceUnavailable
from skyneedle.core.manifest import read_manifest
from skyneedle.lenses.fetch import archives
from tests.conftest import ROOT

PACK = "datapack2.0train.tar.gz"
IMAGES = {f"datapack/Public/EUC_{band}/imageEUC_{band}-200001.fits": band.encode() * 4000 for band in "JYH"}


def pack(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def mirror(tmp_path):
    pack(tmp_path / "mirror" / PACK, IMAGES | {"datapack/read.me": b"words"})
    (tmp_path / "mirror" / archives.CATALOGUE2).write_text("# ID: number\n,ID\n")
    return tmp_path / "mirror"


def fetch(tmp_path, *mirrors, name="challenge2", **options):
    call = tmp_path / "status.json", name, tmp_path / "files"
    return archives.fetch(*call, mirrors=[str(one) for one in mirrors], **options)


def test_a_mirror_gives_catalogue_and_images(tmp_path, mirror):
    told = fetch(tmp_path, mirror, manifest=tmp_path / "m.tsv")
    assert (told["status"], list(told["files"])) == ("fetched", [archives.CATALOGUE2, PACK])
    for name, content in IMAGES.items():
        assert (tmp_path / "files" / name).read_bytes() == content
    assert not (tmp_path / "files" / "datapack" / "read.me").exists()
    assert set(read_manifest(tmp_path / "m.tsv")) == {archives.CATALOGUE2, PACK}


def test_without_the_catalogue_no_images_are_asked_for(tmp_path, mirror):
    (mirror / archives.CATALOGUE2).unlink()
    with pytest.raises(
        SourceUnavailable, match=r"^image_catalog2.0train.csv: .*lenses.images.max_gb.*simulated"
    ):
        fetch(tmp_path, mirror)
    assert not (tmp_path / "files" / PACK).exists()


def test_addresses_are_those_of_the_list_and_need_a_size(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(archive, "size_of", lambda addresses: asked.extend(addresses) or 19_000_000_000)
    with pytest.raises(SourceUnavailable, match=r"19.0 GB are to be fetched, max_gb allows 5"):
        fetch(tmp_path, network=True, max_gb=5, datasets=ROOT / "config" / "datasets.tsv")
    assert asked == ["http://metcalf1.difa.unibo.it/DATA3/image_catalog2.0train.csv"]
    listed = read_manifest(ROOT / "config" / "datasets.tsv")
    assert all(listed[name]["url"] for names in archives.ARCHIVES.values() for name in names)


def test_unpacking_goes_on_and_mends_what_was_cut_off(tmp_path, mirror):
    archives.unpack(mirror / PACK, tmp_path)
    whole, cut, lost = (tmp_path / name for name in IMAGES)
    kept = whole.stat().st_mtime_ns
    cut.write_bytes(cut.read_bytes()[:100])
    lost.unlink()
    assert archives.unpack(mirror / PACK, tmp_path) == 3
    assert whole.stat().st_mtime_ns == kept
    assert [(tmp_path / name).read_bytes() for name in IMAGES] == list(IMAGES.values())


@pytest.mark.parametrize("name", ["../outside.fits", "/outside.fits", "inner/../../outside.fits"])
def test_nothing_is_written_out_of_the_folder(tmp_path, name):
    path = pack(tmp_path / "bad.tar.gz", {name: b"x"})
    with pytest.raises(NotAnArchive, match="would be written out of the folder"):
        archives.unpack(path, tmp_path / "inner")
    assert not (tmp_path / "outside.fits").exists()


def test_damaged_archives_are_named(tmp_path, mirror):
    content = (mirror / PACK).read_bytes()
    for damaged in (content[: len(content) // 2], content[:40] + bytes(40) + content[80:]):
        (tmp_path / PACK).write_bytes(damaged)
        with pytest.raises(NotAnArchive, match=f"{PACK}: .*fetch it again"):
            archives.unpack(tmp_path / PACK, tmp_path / "inner")
    with pytest.raises(NotAnArchive, match=r"holds no file \.fits or \.csv"):
        archives.unpack(pack(tmp_path / "empty.tar.gz", {"read.me": b"x"}), tmp_path / "inner")


def test_error_pages_are_neither(tmp_path):
    page = tmp_path / "page"
    page.write_text("<html>")
    with pytest.raises(NotAnArchive, match="a gzip file was expected"):
        archives.check(page, PACK)
    with pytest.raises(NotACatalogue, match="a comment line"):
        archives.check(page, archives.CATALOGUE2)


def test_a_file_that_is_alone_is_looked_at_once(tmp_path, monkeypatch):
    """Its hash takes as long as reading it whole."""
    (name,) = archives.ARCHIVES["challenge1"]
    pack(tmp_path / "mirror" / name, IMAGES)
    seen, download = [], archive.download
    monkeypatch.setattr(
        archive, "download", lambda *given, **more: seen.append(given[0]) or download(*given, **more)
    )
    assert fetch(tmp_path, tmp_path / "mirror", name="challenge1")["status"] == "fetched"
    assert seen == [name]
