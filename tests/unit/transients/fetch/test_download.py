"""The archive is fetched when it is asked for, and its absence is told, not raised."""

import functools
import http.server
import json
import threading

import numpy as np
import pytest

from skyneedle.core.errors import NotACatalogue, NotAnArchive, SourceUnavailable
from skyneedle.core.manifest import read_manifest, sha256_of
from skyneedle.transients.fetch import download
from tests.unit.transients.fetch import archives

ONE = ("stamps_0.tar",)


class _Handler(http.server.SimpleHTTPRequestHandler):
    asked: tuple[list, ...] = ([],)

    def log_message(self, *arguments):
        self.asked[0].append((self.command, self.path))


@pytest.fixture
def portal(tmp_path):
    """A server of one tar: its address and what was asked of it."""
    folder = tmp_path / "portal"
    planes = np.zeros((1, 3, 51, 51), np.uint8)
    archives.write_tar(folder / "stamps_0.tar", archives.members(planes, [5]))
    _Handler.asked[0].clear()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch(tmp_path, **options):
    status = download.fetch(
        tmp_path / "status.json",
        tmp_path / "files",
        **{"names": ONE, "manifest": tmp_path / "m.tsv"} | options,
    )
    assert json.loads((tmp_path / "status.json").read_text()) == status
    return status


def test_nothing_is_fetched_unasked(tmp_path, portal):
    status = fetch(tmp_path, portal=portal)
    assert status["status"] == "missing"
    assert status["reason"] == "not fetched: no mirror has it, and network is false"
    assert _Handler.asked[0] == []
    assert not (tmp_path / "files").exists()


def test_the_size_is_told_before_and_has_to_be_allowed(tmp_path, portal, capsys):
    size = (tmp_path / "portal" / "stamps_0.tar").stat().st_size
    status = fetch(tmp_path, portal=portal, network=True)
    assert status["bytes_to_fetch"] == size
    assert "are to be fetched, max_gb allows 0" in status["reason"]
    assert [command for command, _ in _Handler.asked[0]] == ["HEAD"]
    assert "1 files of the archive are to be fetched, 0.0 GB." in capsys.readouterr().out
    status = fetch(tmp_path, portal=portal, network=True, max_gb=size / 2e9)
    assert status["status"] == "missing"
    status = fetch(tmp_path, portal=portal, network=True, max_gb=1)
    assert (status["status"], status["reason"]) == ("fetched", "")
    found = tmp_path / "files" / "stamps_0.tar"
    assert found.read_bytes() == (tmp_path / "portal" / "stamps_0.tar").read_bytes()
    assert read_manifest(tmp_path / "m.tsv")["stamps_0.tar"]["sha256"] == sha256_of(found)


def test_a_file_that_is_there_is_kept_and_checked(tmp_path, portal):
    fetch(tmp_path, portal=portal, network=True, max_gb=1)
    _Handler.asked[0].clear()
    assert fetch(tmp_path, portal=portal, network=True)["status"] == "fetched"
    assert _Handler.asked[0] == []
    with open(tmp_path / "files" / "stamps_0.tar", "ab") as file:
        file.write(bytes(512))
    status = fetch(tmp_path, portal=portal, network=True, max_gb=1)
    assert status["status"] == "missing"
    assert "is recorded for stamps_0.tar" in status["reason"]


def test_mirrors_need_no_network(tmp_path, portal):
    status = fetch(tmp_path, mirrors=[tmp_path / "portal"])
    assert status["status"] == "fetched"
    assert _Handler.asked[0] == []
    assert status["files"]["stamps_0.tar"]["bytes"] == (tmp_path / "files" / "stamps_0.tar").stat().st_size


def test_what_no_place_has_is_missing(tmp_path, portal):
    status = fetch(tmp_path, names=download.NAMES[:2], portal=portal, network=True, max_gb=1)
    assert status["status"] == "missing"
    assert status["bytes_to_fetch"] is None
    assert status["files"]["stamps_0.tar"]["status"] == "fetched"
    assert "HTTP 404" in status["files"]["stamps_1.tar"]["reason"]
    assert len(download.TARS) == 11


def test_nothing_large_is_fetched_without_the_catalogue(tmp_path, portal):
    options = {"manifest": tmp_path / "m.tsv", "portal": portal, "network": True, "max_gb": 1}
    call = tmp_path / "status.json", tmp_path / "files", ONE
    with pytest.raises(SourceUnavailable, match=r"^autoscan_features.3.csv: .* Put what is missing into"):
        download.fetch_all(*call, **options)
    assert _Handler.asked[0] == []
    assert json.loads((tmp_path / "status.json").read_text())["status"] == "missing"
    archives.write_catalogue(tmp_path / "mirror" / download.CATALOGUE, [5], [0])
    options["mirrors"] = [tmp_path / "mirror"]
    with pytest.raises(SourceUnavailable, match=r"^stamps_0.tar: .* max_gb allows 0"):
        download.fetch_all(*call, **options | {"max_gb": 0})
    told = download.fetch_all(*call, **options)
    assert [one["status"] for one in told["files"].values()] == ["fetched", "fetched"]


def test_error_pages_are_no_archives(tmp_path):
    page = tmp_path / "stamps_0.tar"
    page.write_text("<html>" * 200)
    with pytest.raises(NotAnArchive, match="a tar was expected"):
        download.check(page, "stamps_0.tar")
    with pytest.raises(NotACatalogue, match="a comment line"):
        download.check(page, download.CATALOGUE)
    page.write_text(archives.HEADER + "ID,OBJECT_TYPE\n")
    download.check(page, download.CATALOGUE)
