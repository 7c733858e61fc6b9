import hashlib
import json
import multiprocessing
from pathlib import Path

import pytest

from skyneedle.core.download import check_disk
from skyneedle.core.errors import ChecksumMismatch, DiskTooSmall, SourceUnavailable, TruncatedFile
from skyneedle.core.manifest import read_manifest
from skyneedle.strain.fetch.download import download, fetch_optional

DATASETS = Path(__file__).resolve().parents[4] / "config" / "datasets.tsv"
QUICK = {"timeout_s": 0.25, "retries": 2, "backoff_s": 0.01}


@pytest.fixture
def served(archive, strain_file):
    """Name, bytes and address of one strain file on the server."""
    archive.files[strain_file.name] = strain_file.read_bytes()
    return strain_file.name, strain_file.read_bytes(), f"{archive.url}/data/{strain_file.name}"


def left(folder):
    return sorted(p.name for p in Path(folder).iterdir())


def test_interrupted_download_is_resumed(archive, served, tmp_path):
    name, data, url = served
    third = len(data) // 3
    archive.cut_at[name] = [third, 10, third]
    status = download(name, tmp_path / "out", urls=[url], **QUICK)
    assert (tmp_path / "out" / name).read_bytes() == data
    assert status.sha256 == hashlib.sha256(data).hexdigest()
    assert (status.bytes, status.url) == (len(data), url)
    ranges = ["", f"bytes={third}-", f"bytes={third + 10}-", f"bytes={2 * third + 10}-"]
    assert archive.asked(name) == ranges  # nothing is fetched twice
    assert left(tmp_path / "out") == [name]


def test_real_file_over_a_broken_line(archive, real_strain, tmp_path):
    name = "H-H1_LOSC_4_V2-1126259446-32.hdf5"
    archive.files[name] = (real_strain / name).read_bytes()
    archive.cut_at[name] = [300_000, 300_000]
    rows = [line.split("\t") for line in DATASETS.read_text().splitlines()]
    known = {row[0]: row for row in rows}[name]
    status = download(
        name, tmp_path, urls=[f"{archive.url}/{name}"], sha256=known[2], n_bytes=int(known[3]), **QUICK
    )
    assert status.bytes == 1040592
    assert archive.asked(name) == ["", "bytes=300000-", "bytes=600000-"]


def test_a_killed_run_goes_on_from_its_partial_file(archive, served, tmp_path):
    name, data, url = served
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{name}.partial").write_bytes(data[:5000])
    download(name, tmp_path / "out", urls=[url], **QUICK)
    assert archive.asked(name) == ["bytes=5000-"]
    assert (tmp_path / "out" / name).read_bytes() == data


def test_a_partial_file_of_something_else_is_thrown_away(archive, served, tmp_path):
    name, data, url = served
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{name}.partial").write_bytes(b"x" * 5000)
    download(name, tmp_path / "out", urls=[url], **QUICK)
    assert archive.asked(name) == ["bytes=5000-", ""]
    assert (tmp_path / "out" / name).read_bytes() == data


def test_a_partial_file_that_was_damaged_is_thrown_away(archive, served, tmp_path):
    """As a machine that lost its power leaves it: it begins well, and so only the whole file shows it."""
    name, data, url = served
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{name}.partial").write_bytes(data[:20_000] + bytes(40_000))
    download(name, tmp_path / "out", urls=[url], **QUICK)
    assert archive.asked(name) == ["bytes=60000-", ""]
    assert (tmp_path / "out" / name).read_bytes() == data
    assert left(tmp_path / "out") == [name]


def test_partial_file_longer_than_the_file(archive, served, tmp_path):
    name, data, url = served
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{name}.partial").write_bytes(data + b"tail")
    download(name, tmp_path / "out", urls=[url], **QUICK)
    assert (tmp_path / "out" / name).read_bytes() == data


def test_server_without_ranges_starts_again(archive, served, tmp_path):
    name, data, url = served
    archive.ranges = False
    archive.cut_at[name] = [len(data) // 2]
    download(name, tmp_path / "out", urls=[url], **QUICK)
    assert (tmp_path / "out" / name).read_bytes() == data


def test_without_a_length_the_truncation_shows_in_the_file(archive, served, tmp_path):
    name, data, url = served
    archive.no_length = True
    archive.cut_at[name] = [len(data) - 2000]
    download(name, tmp_path / "out", urls=[url], **QUICK)
    assert archive.asked(name)[1] == f"bytes={len(data) - 2000}-"
    assert (tmp_path / "out" / name).read_bytes() == data


def test_file_truncated_at_its_source(archive, served, tmp_path):
    name, data, url = served
    archive.files[name] = data[: len(data) // 2]
    with pytest.raises(SourceUnavailable, match="ends early"):
        download(name, tmp_path / "out", urls=[url], **QUICK)
    assert left(tmp_path / "out") == []


def test_busy_server_is_asked_again(archive, served, tmp_path):
    name, data, url = served
    archive.busy[name] = 2
    assert download(name, tmp_path, urls=[url], **QUICK).bytes == len(data)
    archive.busy[name] = 3
    with pytest.raises(SourceUnavailable, match="503 after 3 tries"):
        download(name, tmp_path / "other", urls=[url], **QUICK)


def test_time_out(archive, served, tmp_path):
    name, _, url = served
    archive.silent.add(name)
    with pytest.raises(SourceUnavailable, match="time-out after 2 tries"):
        download(name, tmp_path / "out", urls=[url], timeout_s=0.2, retries=1, backoff_s=0.01)
    assert len(archive.asked(name)) == 2
    assert left(tmp_path / "out") == []


def test_not_found_goes_on_to_the_next_mirror(archive, served, tmp_path, strain_file):
    name, _, url = served
    elsewhere = url.replace(name, "gone/" + name[:-5] + ".h5")
    status = download(name, tmp_path / "out", [tmp_path / "no_such_folder"], [elsewhere, url], **QUICK)
    assert status.url == url
    assert status.mirrors[0].endswith("no such folder")
    assert "HTTP 404" in status.mirrors[1]
    assert len(archive.asked(name[:-5] + ".h5")) == 1  # an answer, not a reason to try again


def test_html_page_instead_of_the_file(archive, served, tmp_path):
    name, _, url = served
    archive.files[name] = b"<html><body>Please log in</body></html>"
    with pytest.raises(SourceUnavailable, match="HTML page"):
        download(name, tmp_path / "out", urls=[url], **QUICK)
    assert left(tmp_path / "out") == []


def test_wrong_checksum(archive, served, tmp_path):
    name, _, url = served
    with pytest.raises(ChecksumMismatch, match="sha256"):
        download(name, tmp_path / "out", urls=[url], sha256="0" * 64, **QUICK)
    assert left(tmp_path / "out") == []


def test_wrong_checksum_in_one_mirror_is_healed_by_the_next(archive, served, tmp_path, strain_file):
    name, data, url = served
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / name).write_bytes(data + b"\0")
    status = download(name, tmp_path / "out", [bad], [url], sha256=hashlib.sha256(data).hexdigest(), **QUICK)
    assert status.url == url
    assert (tmp_path / "out" / name).read_bytes() == data


def test_trust_on_first_use(archive, served, tmp_path):
    name, data, url = served
    manifest = tmp_path / "manifest.tsv"
    download(name, tmp_path / "one", urls=[url], manifest=manifest, **QUICK)
    digest = hashlib.sha256(data).hexdigest()
    assert read_manifest(manifest) == {
        name: {"name": name, "url": url, "sha256": digest, "bytes": str(len(data))}
    }
    archive.files[name] = data + b"\0"  # opens as well, but is another file
    with pytest.raises(ChecksumMismatch, match=digest):
        download(name, tmp_path / "two", urls=[url], manifest=manifest, **QUICK)
    (tmp_path / "one" / name).write_bytes(data + b"\0")
    with pytest.raises(ChecksumMismatch, match="delete the file"):
        download(name, tmp_path / "one", urls=[url], manifest=manifest, **QUICK)


def test_the_table_of_published_files_comes_before_the_manifest(archive, served, tmp_path):
    name, data, url = served
    manifest, datasets = tmp_path / "manifest.tsv", tmp_path / "datasets.tsv"
    archive.files[name] = data + b"\0"
    download(name, tmp_path / "one", urls=[url], manifest=manifest, **QUICK)  # what came first is trusted
    row = f"{name}\t\t{hashlib.sha256(data).hexdigest()}\t{len(data)}\tlicence\tcitation\n"
    datasets.write_text("name\turl\tsha256\tbytes\tlicence\tcitation\n" + row)
    options = {"urls": [url], "manifest": manifest, "datasets": datasets, **QUICK}
    with pytest.raises(TruncatedFile, match=f"{len(data)} were expected"):
        download(name, tmp_path / "one", **options)
    with pytest.raises(SourceUnavailable, match=f"{len(data)} were expected"):
        download(name, tmp_path / "two", **options)
    archive.files[name] = data
    status = download(name, tmp_path / "two", **options)
    assert read_manifest(manifest)[name]["sha256"] == status.sha256 == hashlib.sha256(data).hexdigest()


def test_real_files_are_those_of_the_table(real_strain):
    rows = read_manifest(DATASETS)
    known = [path for path in real_strain.glob("*.hdf5") if path.name in rows]
    assert len(known) == 6
    for path in known:
        data = path.read_bytes()
        assert rows[path.name]["sha256"] == hashlib.sha256(data).hexdigest()
        assert rows[path.name]["bytes"] == str(len(data))


def test_name_and_content_must_agree(archive, served, tmp_path):
    name, data, _ = served
    wrong = name.replace("H-H1", "L-L1")
    archive.files[wrong] = data
    with pytest.raises(SourceUnavailable, match=r"L1 from GPS.*holds H1"):
        download(wrong, tmp_path / "out", urls=[f"{archive.url}/{wrong}"], **QUICK)


def test_mirrors_are_tried_in_order(archive, served, tmp_path, strain_file):
    name, data, _ = served
    nested = tmp_path / "mirror" / "O1" / "deep"
    nested.mkdir(parents=True)
    (nested / name).write_bytes(data)
    base = f"{archive.url}/mirror"
    first = download(name, tmp_path / "a", [tmp_path / "mirror", base], **QUICK)
    assert first.url == ""
    assert archive.requests == []
    second = download(name, tmp_path / "b", [f"{base}/", tmp_path / "mirror"], **QUICK)
    assert second.url == f"{base}/{name}"
    assert (nested / name).read_bytes() == data  # a mirror is never changed


def test_truncated_file_in_a_folder_is_passed_over(archive, served, tmp_path):
    name, data, url = served
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / name).write_bytes(data[:-3000])
    status = download(name, tmp_path / "out", [bad], [url], **QUICK)
    assert status.url == url
    assert "ends early" in status.mirrors[0]


def test_network_switched_off(archive, served, tmp_path, strain_file):
    name, _, url = served
    with pytest.raises(SourceUnavailable, match="network is switched off"):
        download(name, tmp_path / "out", [archive.url], [url], network=False, **QUICK)
    assert archive.requests == []
    status = download(name, tmp_path / "out", [archive.url, strain_file.parent], network=False, **QUICK)
    assert status.status == "fetched"


def test_what_is_there_is_not_fetched_again(archive, served, tmp_path):
    name, data, url = served
    download(name, tmp_path, urls=[url], **QUICK)
    again = download(name, tmp_path, urls=[url], **QUICK)
    assert len(archive.asked(name)) == 1
    assert again.sha256 == hashlib.sha256(data).hexdigest()
    (tmp_path / name).write_bytes(data[:100])
    with pytest.raises(TruncatedFile):
        download(name, tmp_path, urls=[url], **QUICK)


def _download(name, folder, url):
    download(name, folder, urls=[url], **QUICK)


def test_two_processes_fetch_once(archive, served, tmp_path):
    name, _, url = served
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_download, args=(name, tmp_path / "out", url)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(timeout=20)
    assert [p.exitcode for p in both] == [0, 0]
    assert len(archive.asked(name)) == 1
    assert left(tmp_path / "out") == [name]


def test_optional_file_that_nobody_has(archive, tmp_path):
    status_path = tmp_path / "resources" / "strain" / "x.json"
    name = "H-H1_LOSC_4_V1-1126256640-4096.hdf5"
    status = fetch_optional(status_path, name, tmp_path / "out", mirrors=[archive.url, tmp_path], **QUICK)
    assert status == json.loads(status_path.read_text())
    assert (status["status"], status["path"], status["bytes"]) == ("missing", "", 0)
    assert "HTTP 404" in status["reason"]
    assert "not in this folder" in status["reason"]
    assert status["mirrors"] == [archive.url, str(tmp_path)]


def test_optional_file_that_is_there(archive, served, tmp_path):
    name, data, url = served
    status = fetch_optional(tmp_path / "x.json", name, tmp_path / "out", urls=[url], **QUICK)
    assert status["status"] == "fetched"
    assert Path(status["path"]).read_bytes() == data
    assert status["bytes"] == len(data)


def test_disk_too_small(tmp_path):
    check_disk(tmp_path / "not" / "yet", 1000, reserve=0)
    with pytest.raises(DiskTooSmall, match=r"1000000\.0 GB are to be fetched"):
        check_disk(tmp_path / "not" / "yet", 10**15)
