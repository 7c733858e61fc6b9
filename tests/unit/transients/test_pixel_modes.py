"""8-bit forms of stamps: pixel by pixel, and what pixels of one class give away."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import metrics, store
from skyneedle.core.errors import WrongPixelMode
from skyneedle.core.store import DataSet
from skyneedle.transients import pixel_modes, training
from skyneedle.transients.simulate.archive import tick_marks
from tests.unit.transients.small import JOB, entry, made, write


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return made(tmp_path_factory.mktemp("sets"), 80)


def pictures(sets, folder, marked):
    shards, split = sets
    pixel_modes.write_pictures(folder / f"{marked}.h5", shards, split, marked)
    return DataSet(folder / f"{marked}.h5")


def test_pictures_keep_the_order_of_pixels_and_only_marks_are_burnt_in(sets, tmp_path):
    fluxes = DataSet(sets[0])
    plain, marked = (pictures(sets, tmp_path, marked) for marked in (False, True))
    pd.testing.assert_frame_equal(plain.table, fluxes.table)
    assert plain.attributes["pixel_mode"] == "gif"
    stamps, before, burnt = (data.read("stamps", slice(None)) for data in (plain, fluxes, marked))
    assert stamps.dtype == np.uint8
    for k in (0, 17):
        for plane in range(3):
            order = np.argsort(before[k, plane].ravel())
            assert (np.diff(stamps[k, plane].ravel()[order].astype(int)) >= 0).all()
            assert (stamps[k, plane].min(), stamps[k, plane].max()) == (0, 255)
            clipped = (stamps[k, plane] == 0).sum(), (stamps[k, plane] == 255).sum()
            assert 10 <= clipped[0] <= 30  # about 0.45 % of 2601, and what is rounded to it
            assert 1 <= clipped[1] <= 10
    marks = tick_marks()
    assert (burnt[:, :, marks] == 255).all()
    assert (burnt[:, :, ~marks] == stamps[:, :, ~marks]).all()


def test_pictures_of_pictures_are_refused(tmp_path):
    shards = write(tmp_path / "0.h5", 8, gif=True)
    pd.DataFrame({"id": np.arange(8), "split": "training"}).to_parquet(tmp_path / "split.parquet")
    with pytest.raises(WrongPixelMode, match="fits"):
        pixel_modes.write_pictures(tmp_path / "out.h5", shards, tmp_path / "split.parquet")
    assert not (tmp_path / "out.h5").exists()


def test_pixels_that_tell_a_class_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    n = 600  # more than one block
    stamps = rng.normal(size=(n, 3, 51, 51)).astype(np.float32)
    label = np.arange(n) % 2
    stamps[:, :, 0, 0] = 7  # the same in both classes
    stamps[label == 1, 0, 1, 1] = 3  # in artifacts alone
    stamps[:, 2, 5, 5] = label  # in both, but not the same
    store.write(tmp_path / "0.h5", {"stamps": stamps}, pd.DataFrame({"id": np.arange(n)}), {})
    data = DataSet(tmp_path / "0.h5")
    found = pixel_modes.constant_pixels(data, np.arange(n), label)
    assert found == {"non_artifacts": 4, "artifacts": 5, "differ": 2}
    stamps[n - 2, 2, 5, 5] = 0.5  # a non-artifact of the last block
    store.write(tmp_path / "1.h5", {"stamps": stamps}, pd.DataFrame({"id": np.arange(n)}), {})
    found = pixel_modes.constant_pixels(DataSet(tmp_path / "1.h5"), np.arange(n), label)
    assert found == {"non_artifacts": 3, "artifacts": 5, "differ": 2}


def test_burnt_in_marks_as_published_tell_nothing(sets, tmp_path):
    data = pictures(sets, tmp_path, True)
    labels = data.table["label_given"].to_numpy()
    learnt = np.arange(len(labels)) < 50
    form = pixel_modes.FORMS["gif_as_published"]
    found = pixel_modes.mark_scores(data, np.arange(len(labels)), labels, learnt, form)
    assert found["score"].nunique() == 1
    assert metrics.Ranking(labels, found["score"].to_numpy()).auroc() == 0.5


def test_every_form_is_trained_on_the_same_examples(sets, tmp_path):
    shards, split = sets
    labels = tmp_path / "labels.parquet"
    DataSet(shards).table[["id", "label_given"]].set_axis(["id", "label"], axis=1).to_parquet(labels)
    names = [name for name in pixel_modes.FORMS if name != "fits"]
    names += [f"marks_{name}" for name in pixel_modes.FORMS]
    out = {name: tmp_path / f"{name}.parquet" for name in names} | {"pixels": tmp_path / "pixels.csv"}
    out |= {f"{what}_gif": tmp_path / f"kept{ending}" for what, ending in pixel_modes.KEPT.items()}
    pixel_modes.train(
        entry(epochs=1), shards, split, labels, out, scale="smoke", state_dir=tmp_path / "s", job=JOB
    )
    testing = set(pd.read_parquet(split).query("split == 'testing'")["id"])
    assert all(set(pd.read_parquet(out[name])["id"]) == testing for name in names)
    counted = pd.read_csv(out["pixels"]).pivot(index="form", columns="pixels", values="n")
    assert counted["artifacts"].to_dict() == {
        "fits": 0,
        "gif_unmarked": 0,
        "gif": 120,
        "gif_as_published": 120,
    }
    assert (counted["differ"] == 0).all()
    card = training.load(tmp_path / "kept")[1]
    assert (card["normalisation"]["pixel_mode"], card["weights"]) == ("gif", "best")
