"""`skyneedle score`: every kind of file gives the same scores; what is bad is named, the rest is scored."""

import gzip
import io
import json
import tarfile

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from astropy.io import fits
from PIL import Image
from safetensors.torch import save_file

from skyneedle import cli
from skyneedle.core import store
from skyneedle.core.errors import UnknownNetwork
from skyneedle.transients import networks
from skyneedle.transients.preprocess import CHANNELS
from skyneedle.transients.score import from_alerts, page, run, trained

N = 5
OPTIONS = {"blocks": [{"widths": [4], "kernel": 3, "pool": 5}], "dense": 8}


def stamps(n=N, size=51, seed=0):
    """Noise, a galaxy, and a source in the middle of search and difference image."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size // 2
    found = rng.normal(0, 10, (n, 3, size, size))
    found[:, :2] += 500 * np.exp(-np.hypot(x - 4, y + 2) / 4)
    found[:, 1:] += np.linspace(50, 400, n)[:, None, None, None] * np.exp(-(x**2 + y**2) / 8)
    return found.astype(np.float32)


def write_network(stem, pixel_mode="fits", seed=3, **card):
    """A small network that has learned nothing, with its card as training writes it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = networks.build("searched", **OPTIONS)
    stem.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), f"{stem}.safetensors")
    recipe = "corrected" if pixel_mode == "fits" else "faithful"
    scaling = {"channels": list(CHANNELS), "recipe": recipe, "pixel_mode": pixel_mode}
    if recipe == "corrected":
        scaling |= {"softening": 5.0, "mean": [0.1, 0.1, 0.0], "std": [2.0, 2.0, 2.0]}
    entries = {
        "name": "tiny",
        "source": "searched",
        "options": OPTIONS,
        "registry": "skyneedle.transients.networks",
        "normalisation": scaling,
        "provenance": {"scale": "smoke"},
    }
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(entries | card))
    return stem


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("weights") / "tiny")


def fits_bytes(plane):
    buffer = io.BytesIO()
    fits.PrimaryHDU(np.asarray(plane, np.float32)).writeto(buffer)
    return buffer.getvalue()


def gif_bytes(plane):
    buffer = io.BytesIO()
    Image.fromarray(plane).save(buffer, "GIF")
    return buffer.getvalue()


def write_tar(path, planes, encode=fits_bytes, ending="fits"):
    with tarfile.open(path, "w") as archive:
        for one, triplet in enumerate(planes):
            for channel, plane in zip(CHANNELS, triplet, strict=True):
                content = encode(plane)
                member = tarfile.TarInfo(
                    f"SNWG/Archive/2013/Y1/20130901/2{one}/{channel}{100 + one}.{ending}"
                )
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def write_folder(path, planes):
    for one, triplet in enumerate(planes):
        for channel, plane in zip(CHANNELS, triplet, strict=True):
            file = path / "20130901" / f"2{one}" / f"{channel}{100 + one}.fits"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(fits_bytes(plane))
    return path


def write_set(path, planes, pixel_mode="fits"):
    n = len(planes)
    table = pd.DataFrame({"id": 100 + np.arange(n), "label_given": np.arange(n) % 2})
    attributes = {"channels": list(CHANNELS), "pixel_mode": pixel_mode}
    store.write(path, {"stamps": planes}, table, attributes)
    return path


def alerts(planes, survey="ZTF (www.ztf.caltech.edu)", **changes):
    keys = [from_alerts.CUTOUTS[channel] for channel in CHANNELS]
    found = []
    for one, triplet in enumerate(planes):
        alert = {"objectId": "ZTF", "candid": 100 + one, "publisher": survey, "candidate": {"drb": 0.5}}
        for key, plane in zip(keys, triplet, strict=True):
            alert[key] = gzip.compress(fits_bytes(plane))
        found.append(alert | changes)
    return found


def write_avro(path, records):
    parts = [{"name": name, "type": ["null", "bytes"]} for name in from_alerts.CUTOUTS.values()]
    about = {"type": "record", "name": "c", "fields": [{"name": "drb", "type": "double"}]}
    fields = [
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "publisher", "type": "string"},
        {"name": "candidate", "type": about},
    ]
    schema = {"type": "record", "name": "alert", "fields": fields + parts}
    with open(path, "wb") as file:
        fastavro.writer(file, schema, records)
    return path


def write_parquet(path, records):
    names = from_alerts.CUTOUTS.values()
    wrapped = [
        record | {name: {"fileName": "x.fits.gz", "stampData": record[name]} for name in names}
        for record in records
    ]
    pyarrow.parquet.write_table(pa.Table.from_pylist(wrapped), path)
    return path


def score(paths, weights, out, **options):
    paths = paths if isinstance(paths, list) else [paths]
    return run.score(paths, network=weights, out=out, **{"top": 0, "tell": lambda _: None} | options)


def expected(planes, weights):
    """By the network alone: 1 - P(artifact)."""
    chosen = trained.find(weights)
    with torch.no_grad():
        logit = chosen.network(torch.from_numpy(chosen.scaling(planes))).numpy()
    return 1 - 1 / (1 + np.exp(-logit.astype(float)))


# --- kinds of files

WRITERS = {
    "x.tar": write_tar,
    "folder": write_folder,
    "x.h5": write_set,
    "x.avro": lambda path, planes: write_avro(path, alerts(planes)),
    "x.parquet": lambda path, planes: write_parquet(path, alerts(planes)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_networks_own_scores(name, weights, tmp_path):
    planes = stamps()
    path = WRITERS[name](tmp_path / name, planes)
    found = score(path, weights, tmp_path / "out")
    assert list(found) == list(run.COLUMNS)
    assert found["score_real"].is_monotonic_decreasing
    by_id = found.set_index(found["name"].str[-3:].astype(int)).sort_index()
    np.testing.assert_allclose(by_id["score_real"], expected(planes, weights), atol=1e-6)
    np.testing.assert_allclose(found["score_real"], 1 - 1 / (1 + np.exp(-found["logit_artifact"])))
    assert (found["network"] == "tiny").all()
    assert found["weights_sha256"].str.fullmatch("[0-9a-f]{16}").all()
    is_alert = name.endswith(("avro", "parquet"))
    assert (found["warning"] != "").all() == is_alert
    assert (found["survey_score"] == 0.5).all() == is_alert
    if name == "x.h5":
        assert by_id["label"].tolist() == [0, 1, 0, 1, 0]
    else:
        assert found["label"].isna().all()
    written = pd.read_csv(tmp_path / "out" / "scores.csv")
    np.testing.assert_allclose(written["score_real"], found["score_real"])
    parquet = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    pd.testing.assert_frame_equal(parquet, found)
    assert parquet.attrs["network"]["provenance"] == {"scale": "smoke"}
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["score.json", "scores.csv", "scores.parquet"]


def test_pictures_of_8_bits_go_to_a_network_that_knows_them(weights, tmp_path):
    stem = write_network(tmp_path / "gif", "gif")
    planes = np.clip(stamps() / 4 + 60, 0, 255).astype(np.uint8)
    path = write_tar(tmp_path / "x.tar", planes, gif_bytes, "gif")
    found = score(path, stem, tmp_path / "out").sort_values("name")
    np.testing.assert_allclose(found["score_real"], expected(planes, stem), atol=1e-6)
    for words in (
        [str(path), "--network", str(weights)],
        [str(write_set(tmp_path / "x.h5", planes, "gif")), "--network", str(weights)],
        [str(write_avro(tmp_path / "x.avro", alerts(stamps()))), "--network", str(stem)],
    ):
        assert cli.main(["score", *words, "--out", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()


def test_the_centre_of_larger_stamps_is_cut_and_never_resampled(weights, tmp_path):
    for size in (52, 63, 64):
        larger = stamps(2, size)
        first = size // 2 - 25
        inner = larger[:, :, first : first + 51, first : first + 51]
        path = write_avro(tmp_path / f"{size}.avro", alerts(larger))
        found = score(path, weights, tmp_path / "out").sort_values("name")
        np.testing.assert_allclose(found["score_real"], expected(inner, weights), atol=1e-6)
        assert (found["pixels"] == f"{size} x {size}").all()
        assert found["warning"].str.contains("ZTF").all()
    folder = write_folder(tmp_path / "folder", stamps(2, 63))
    found = score(folder, weights, tmp_path / "out")
    assert (found["warning"] == "centre of 63 x 63 pixels").all()


# --- none, one, many


def test_one_blank_candidate_alone_is_an_error_and_leaves_nothing(weights, tmp_path, capsys):
    path = write_tar(tmp_path / "x.tar", np.zeros((1, 3, 51, 51), np.float32))
    words = ["score", str(path), "--network", str(weights), "--out", str(tmp_path / "out")]
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert "every pixel is 0.0" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_nothing_is_an_error(weights, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    write_avro(tmp_path / "x.avro", [])
    (tmp_path / "x.txt").write_text("id")
    with tarfile.open(tmp_path / "x.tar", "w"):
        pass
    for name, words in (
        ("empty", "nothing to score"),
        ("x.avro", "no candidate"),
        ("x.txt", "nothing to score"),
        ("x.tar", "x.tar"),
        ("absent", "no such file"),
    ):
        path = str(tmp_path / name)
        assert cli.main(["score", path, "--network", str(weights), "--out", str(tmp_path / "out")]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_many_batches_and_a_killed_run(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "BATCH", 4)
    monkeypatch.setattr(run, "PART", 2)
    planes = stamps(30)
    path = write_tar(tmp_path / "x.tar", planes)
    whole = score(path, weights, tmp_path / "whole")
    np.testing.assert_allclose(whole.sort_values("name")["score_real"], expected(planes, weights), atol=1e-6)
    seen, batch = [], run._score_batch

    def killed_at_the_fifth(plan, prepared, candidates):
        seen.append(len(candidates))
        if len(seen) == 5:
            raise KeyboardInterrupt
        return batch(plan, prepared, candidates)

    monkeypatch.setattr(run, "_score_batch", killed_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        score(path, weights, tmp_path / "out")
    told = []
    again = score(path, weights, tmp_path / "out", tell=told.append)
    assert any("after 16 candidates" in line for line in told)
    assert sum(seen[5:]) == 14
    pd.testing.assert_frame_equal(again, whole)


# --- what is bad


def damaged():
    """Alerts, each wrong in its own way, and one good one."""
    nan, flat, small = stamps(3), stamps(3), stamps(3, 41)
    nan[:, 2, 30, 30] = np.nan
    flat[:, 0] = 7.0
    good = alerts(stamps(1))
    bad = {
        "StampHasNaN": alerts(nan)[1],
        "ConstantStamp": alerts(flat)[1],
        "WrongStampSize": alerts(small)[1],
        "MissingChannel": alerts(stamps(2), cutoutScience=None)[1],
        "NotAStamp": alerts(stamps(2), cutoutScience=b"<html>")[1],
        "TruncatedFile": alerts(stamps(2), cutoutScience=good[0]["cutoutScience"][:500])[1],
    }
    for number, alert in enumerate(bad.values()):
        alert["candid"] = 500 + number
    return good, bad


def test_what_cannot_be_scored_is_a_row_with_a_reason(weights, tmp_path):
    good, bad = damaged()
    path = write_avro(tmp_path / "x.avro", good + list(bad.values()))
    told = []
    found = score(path, weights, tmp_path / "out", top=10, tell=told.append)
    assert found["name"].iloc[0] == "ZTF:100"
    assert found["score_real"].notna().tolist() == [True] + [False] * len(bad)
    by_error = found.set_index("error")
    for number, error in enumerate(bad):
        assert by_error.loc[error, "name"] == f"ZTF:{500 + number}"
        assert f"ZTF:{500 + number}" in by_error.loc[error, "reason"]
    assert sum(line.startswith("No score") for line in told) == len(bad)
    html = (tmp_path / "out" / "candidates.html").read_text()
    assert html.count("<img") == 3
    assert all(str(500 + number) in html for number in range(len(bad)))
    assert "other survey" in html or "another survey" in html
    assert json.loads((tmp_path / "out" / "score.json").read_text())["n_without_score"] == len(bad)


def test_nan_outside_the_cut_does_no_harm(weights, tmp_path):
    planes = stamps(1, 63)
    planes[0, 1, 2, 2] = np.nan
    found = score(write_avro(tmp_path / "x.avro", alerts(planes)), weights, tmp_path / "out")
    assert found["score_real"].notna().all()


def test_masked_pixels_of_the_survey_are_not_missing_ones(weights, tmp_path):
    planes = stamps(1)
    planes[0, :, :5] = 1e-30
    found = score(write_tar(tmp_path / "x.tar", planes), weights, tmp_path / "out")
    np.testing.assert_allclose(found["score_real"], expected(planes, weights), atol=1e-6)


def test_a_plane_that_is_not_there_is_named(weights, tmp_path):
    folder = write_folder(tmp_path / "folder", stamps(2))
    next(folder.rglob("diff101.fits")).unlink()
    found = score(folder, weights, tmp_path / "out")
    assert found["error"].tolist() == ["", "MissingChannel"]
    assert "diff plane is missing" in found["reason"].iloc[1]


def test_a_file_that_ends_early_gives_what_it_has(weights, tmp_path):
    blocks = []
    for one, planes in enumerate(stamps(3)):  # a block of its own for each alert
        blocks.append(alerts(planes[None])[0] | {"candid": one})
    schema_of = write_avro(tmp_path / "x.avro", blocks[:1])
    with open(schema_of, "r+b") as file:
        for record in blocks[1:]:
            file.seek(0, 2)
            whole = file.tell()
            fastavro.writer(file, None, [record])
        file.truncate(whole + 2000)
    found = score(tmp_path / "x.avro", weights, tmp_path / "out")
    assert found["error"].tolist() == ["", "", "TruncatedFile"]
    assert "after 2 alerts" in found["reason"].iloc[2]


@pytest.mark.parametrize("name", ["x.avro", "x.parquet"])
def test_files_that_are_no_alerts_are_named(name, weights, tmp_path, capsys):
    (tmp_path / name).write_text("<!DOCTYPE html><html>Log in</html>")
    assert cli.main(["score", str(tmp_path / name), "--network", str(weights)]) == 2
    assert name in capsys.readouterr().err
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "other.parquet")
    assert cli.main(["score", str(tmp_path / "other.parquet"), "--network", str(weights)]) == 2
    assert "cutoutTemplate" in capsys.readouterr().err


# --- networks


def test_the_network_is_found_by_name_or_path(tmp_path, weights):
    write_network(tmp_path / "reference" / "cnn4")
    assert trained.find(None, tmp_path / "reference").name == "tiny"
    assert trained.find("cnn4", tmp_path / "reference").weights.name == "cnn4.safetensors"
    assert trained.find(f"{weights}.json").name == "tiny"
    for name, words in ((None, "no trained network"), ("cnn1", "results/laptop"), ("x", "no such file")):
        with pytest.raises(UnknownNetwork, match=words):
            trained.find(name, tmp_path / "nothing")
    other = write_network(tmp_path / "other", registry="skyneedle.lenses.networks", source="resnet10")
    with pytest.raises(UnknownNetwork):
        trained.find(other)
    unscaled = write_network(tmp_path / "unscaled", normalisation={"channels": ["temp"]})
    with pytest.raises(UnknownNetwork, match="how stamps are scaled"):
        trained.find(unscaled)


# --- real files


def test_the_real_alerts_are_scored_with_a_banner(test_data, weights, tmp_path, capsys):
    paths = [test_data / "transients" / "alert.avro", test_data / "transients" / "ztf" / "alerts.parquet"]
    if not all(path.is_file() for path in paths):
        pytest.skip(f"no alerts in {test_data}")
    words = ["score", *map(str, paths), "--network", str(weights), "--out", str(tmp_path / "out")]
    assert cli.main(words) == 0
    found = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert len(found) == 52
    # Eleven lie so close to an edge that their central 51 x 51 pixels have holes.
    assert found["error"].value_counts().to_dict() == {"StampHasNaN": 11}
    assert found["score_real"].notna().sum() == 41
    assert found["survey"].value_counts().to_dict() == {"ZTF": 51, "DESIRT": 1}
    assert set(found["pixels"].dropna()) == {"63 x 63"}
    decam = found.set_index("survey").loc["DESIRT"]
    assert decam["survey_score"] == pytest.approx(0.93080384)
    assert "41 of 52 candidates come from another survey (DESIRT, ZTF)" in capsys.readouterr().out
    html = (tmp_path / "out" / "candidates.html").read_text()
    assert html.count("<img") == 3 * 41
    assert 'role="note"' in html


def test_the_page_says_what_a_name_holds_and_does_not_run_it():
    table = pd.DataFrame([dict.fromkeys(run.COLUMNS, "")]).assign(
        name="<script>alert(1)</script>", score_real=0.5, label=1, survey_score=np.nan
    )
    network = {"name": "n", "weights_sha256": "0" * 64, "recipe": "corrected", "scale": "smoke"}
    html = page.render(table, [stamps(1)[0]], network=network)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "given: artifact" in html


def test_the_network_that_comes_with_the_package_knows_a_point_source_from_a_dipole(tmp_path):
    random, y, x = np.random.default_rng(4), *(np.indices((51, 51)) - 25.0)
    star = 400 * np.exp(-((x - 0.5) ** 2 + y**2) / (2 * 2.0**2))
    dipole = star - np.roll(star, 3, axis=1)
    for name, planes in (("star", (0 * star, star, star)), ("dipole", (star, np.roll(star, 3, 1), -dipole))):
        many = random.normal(0, 20, (8, 3, 51, 51)).astype(np.float32) + np.stack(planes).astype(np.float32)
        write_set(tmp_path / f"{name}.h5", many)
        table = score([tmp_path / f"{name}.h5"], None, tmp_path / name)
        assert ((table["score_real"] > 0.5) == (name == "star")).all(), table["score_real"]
