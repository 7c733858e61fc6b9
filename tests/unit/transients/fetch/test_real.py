"""Real stamps and a real alert as optional files: there, absent, or another file under their name."""

import json
import shutil

import numpy as np
import pytest

from skyneedle.core.errors import BadScores, NoLabel, NotAStamp, WrongStampSize
from skyneedle.transients.fetch import real


def written(folder, n=4, labels=None, scores=None):
    rng = np.random.default_rng(0)
    stamps = rng.integers(0, 256, (n, 51, 51, 3)).astype(np.uint8)
    np.save(folder / real.STAMPS, stamps)
    np.savetxt(folder / real.LABELS, np.arange(n) % 2 if labels is None else labels)
    np.savetxt(folder / real.SCORES, np.linspace(0, 1, n) if scores is None else scores)
    return stamps


def files(folder):
    return [folder / name for name in (real.STAMPS, real.LABELS, real.SCORES)]


def test_planes_come_in_the_order_of_channels_bit_for_bit(tmp_path):
    stamps = written(tmp_path)
    found = real.read(*files(tmp_path))
    assert found.stamps.shape == (4, 3, 51, 51)
    np.testing.assert_array_equal(found.stamps[2, 1], stamps[2, :, :, 1])
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.scores.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_other_files_are_refused_with_the_reason(tmp_path):
    written(tmp_path, labels=[0, 1, 2, 1])
    with pytest.raises(NoLabel, match="other than 0"):
        real.read(*files(tmp_path))
    written(tmp_path, scores=[0, 1, 2, 1])
    with pytest.raises(BadScores, match="outside"):
        real.read(*files(tmp_path))
    written(tmp_path, scores=[0, 1])
    with pytest.raises(NotAStamp, match="4 stamps, 4 labels, 2 scores"):
        real.read(*files(tmp_path))
    np.save(tmp_path / real.STAMPS, np.zeros((4, 51, 51, 3)))
    with pytest.raises(WrongStampSize, match="float64"):
        real.read(*files(tmp_path))
    (tmp_path / real.STAMPS).write_bytes(b"no array")
    with pytest.raises(NotAStamp, match="cannot be read"):
        real.read(*files(tmp_path))


def test_what_is_not_there_is_told_without_a_folder(tmp_path):
    mirror, folder = tmp_path / "mirror", tmp_path / "real"
    mirror.mkdir()
    written(mirror)
    datasets = tmp_path / "datasets.tsv"
    rows = [
        "name\turl\tsha256\tbytes",
        f"{real.LABELS}\t\t{'0' * 64}\t",
        f"{real.SCORES}\thttp://x.invalid\t\t",
    ]
    datasets.write_text("\n".join(rows) + "\n")
    shutil.move(mirror / real.SCORES, tmp_path)
    found = real.fetch(
        tmp_path / "status.json", folder, mirrors=[str(mirror)], network=False, datasets=datasets
    )
    assert found == json.loads((tmp_path / "status.json").read_text())
    assert set(found) == set(real.NAMES)
    assert found[real.STAMPS]["status"] == "fetched"
    assert (folder / real.STAMPS).read_bytes() == (mirror / real.STAMPS).read_bytes()
    reasons = {name: one["reason"] for name, one in found.items() if one["status"] == "missing"}
    assert "another file" in reasons[real.LABELS]
    assert "network is false" in reasons[real.SCORES]
    assert "no address" in reasons[real.ALERT]
    assert str(tmp_path) not in "".join(reasons.values())
