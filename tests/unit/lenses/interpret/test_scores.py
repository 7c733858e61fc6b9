"""Attribution maps against a known truth, by hand-computed cases and properties."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import GridMismatch
from skyneedle.lenses import labels
from skyneedle.lenses.interpret import scores


def mask_of(*pixels, n=4):
    mask = np.zeros((n, n), bool)
    for pixel in pixels:
        mask[pixel] = True
    return mask


def test_the_mask_is_that_of_the_labelling_rule():
    random = np.random.default_rng(0)
    source = random.exponential(1, (20, 20))
    mask = scores.source_mask(source, 1.5)
    assert mask.sum() == labels.image_truth(source, 1, 1.5)["n_pix_source"]
    assert (source[mask] > 1.5).all()


def test_a_hit_is_the_largest_pixel_in_the_mask():
    values = np.arange(16.0).reshape(4, 4)
    assert scores.hit(values, mask_of((3, 3), (0, 0))) == 1
    assert scores.hit(values, mask_of((3, 2))) == 0
    values[0, 0] = 15  # two largest ones, one of them inside
    assert scores.hit(values, mask_of((0, 0))) == 0.5


def test_overlap_takes_as_many_pixels_as_the_mask_has():
    values = np.arange(16.0).reshape(4, 4)
    assert scores.overlap(values, mask_of((3, 3), (3, 2))) == 1
    assert scores.overlap(values, mask_of((3, 3), (0, 0))) == pytest.approx(1 / 3)
    assert scores.overlap(values, mask_of((0, 0), (0, 1))) == 0


def test_overlap_does_not_depend_on_a_stretch():
    random = np.random.default_rng(1)
    values, mask = random.normal(size=(30, 30)), random.random((30, 30)) < 0.1
    assert scores.overlap(values, mask) == scores.overlap(np.exp(3 * values) + 2, mask)


def test_equal_pixels_share_what_is_left():
    values, mask = np.zeros((4, 4)), mask_of((0, 0), (0, 1), (0, 2), (0, 3))
    # A constant map: 4 of 16 pixels at random, one of which is right on average.
    assert scores.overlap(values, mask) == pytest.approx(1 / 7)
    assert scores.hit(values, mask) == 0.25
    values[0, 0] = 1  # one is certain, three of the other fifteen at random: 3 * 3 / 15
    assert scores.overlap(values, mask) == pytest.approx(1.6 / (8 - 1.6))


def test_a_random_map_scores_the_share_of_the_mask():
    random = np.random.default_rng(2)
    mask = np.zeros((40, 40), bool)
    mask[5:15, 10:26] = True  # a tenth
    maps = random.random((300, 40, 40))
    assert np.mean([scores.hit(one, mask) for one in maps]) == pytest.approx(0.1, abs=0.05)
    assert np.mean([scores.overlap(one, mask) for one in maps]) == pytest.approx(0.1 / 1.9, rel=0.05)


@pytest.mark.parametrize("mask", [np.zeros((4, 4), bool), np.ones((3, 4), bool)])
def test_a_mask_that_does_not_fit_is_refused(mask):
    for measure in (scores.hit, scores.overlap):
        with pytest.raises(GridMismatch, match="mask"):
            measure(np.zeros((4, 4)), mask)


def test_likeness_is_of_ranks():
    random = np.random.default_rng(3)
    values = random.normal(size=(9, 9))
    assert scores.likeness(values, values**3) == pytest.approx(1)
    assert scores.likeness(values, -values) == pytest.approx(-1)
    assert np.isnan(scores.likeness(values, np.ones((9, 9))))


def test_references_know_the_image_at_most():
    vis = np.random.default_rng(4).normal(size=(10, 10))
    first, again, other = (scores.references(vis, who, 7) for who in (3, 3, 4))
    assert np.array_equal(first["brightness"], vis)
    assert np.array_equal(first["random map"], again["random map"])
    assert not np.array_equal(first["random map"], other["random map"])
    blob = first["central Gaussian"]
    assert np.allclose(blob, blob[::-1, ::-1])
    assert np.unravel_index(blob.argmax(), blob.shape) in {(4, 4), (4, 5), (5, 4), (5, 5)}
    assert blob[4, 4] / blob[4, 3] == pytest.approx(np.exp((1.5**2 - 0.5**2) / 2))  # sigma of one pixel


def table(n, **shares):
    """Judged maps of n images: hit and iou of each (network, method, weights) as given."""
    rows = [
        {"network": network, "method": method, "weights": weights, "id": i, "parent_id": i}
        | {"hit": float(i < share * n), "iou": share * (0.9 + 0.2 * (i % 2)), "likeness": 0.3}
        for (network, method, weights), share in shares["of"].items()
        for i in range(n)
    ]
    return pd.DataFrame(rows)


def test_a_method_is_believed_if_it_beats_brightness_and_its_own_random_weights():
    judged = table(
        60,
        of={
            (scores.NO_NETWORK, "brightness", "none"): 0.3,
            (scores.NO_NETWORK, "random map", "none"): 0.02,
            ("ou66", "occlusion", "trained"): 0.8,
            ("ou66", "occlusion", "random"): 0.1,
            ("ou66", "gradient", "trained"): 0.25,
            ("ou66", "gradient", "random"): 0.1,
            ("ou66", "Grad-CAM", "trained"): 0.6,
            ("ou66", "Grad-CAM", "random"): 0.6,
        },
    )
    summary = scores.summarise(judged, 100)
    assert tuple(summary.columns) == scores.SUMMARY_COLUMNS
    by = summary.set_index("method")
    assert by.loc["occlusion", "verdict"] == "can be believed"
    assert by.loc["gradient", "verdict"].startswith("does not beat brightness in hit rate and inter")
    assert by.loc["Grad-CAM", "verdict"].startswith("no better than with random weights in hit rate")
    assert by.loc["brightness", "verdict"] == "reference"
    assert summary["verdict"].tolist()[-2:] == ["reference"] * 2
    assert by.loc["occlusion", "hit_rate"] == pytest.approx(0.8)
    assert by.loc["occlusion", "hit_rate_over_brightness"] == pytest.approx(0.5)
    assert by.loc["occlusion", "iou_over_random_weights"] == pytest.approx(0.7)
    low, high = by.loc["occlusion", ["hit_rate_low", "hit_rate_high"]]
    binomial = (0.8 * 0.2 / 60) ** 0.5
    assert high - low == pytest.approx(2 * binomial, rel=0.35)
    assert by.loc["occlusion", "likeness_to_random_weights"] == pytest.approx(0.3)
    of_random = by.loc["Grad-CAM", [f"hit_rate_of_random_weights{end}" for end in ("", "_low", "_high")]]
    assert of_random.tolist()[0] == pytest.approx(0.6)
    assert of_random.iloc[2] - of_random.iloc[1] == pytest.approx(2 * (0.6 * 0.4 / 60) ** 0.5, rel=0.35)
    assert by.loc["brightness", [c for c in by if "random_weights" in c]].isna().all()


def test_a_margin_that_may_be_chance_is_not_enough():
    judged = table(
        12,
        of={
            (scores.NO_NETWORK, "brightness", "none"): 0.5,
            ("ou66", "occlusion", "trained"): 0.5,
            ("ou66", "occlusion", "random"): 0.0,
        },
    )
    # Better on half of the images, as much worse on the other half, and a hair better on average.
    trained = judged["weights"] == "trained"
    judged.loc[trained, "iou"] += np.where(judged.loc[trained, "id"] % 2, 0.2, -0.19)
    row = scores.summarise(judged, 200).set_index("method").loc["occlusion"]
    assert row["iou_over_brightness"] == pytest.approx(0.005)
    assert "does not beat brightness in hit rate and intersection over union" in row["verdict"]


def test_the_table_is_written_once_for_references_that_every_network_brings(tmp_path):
    reference = {(scores.NO_NETWORK, "brightness", "none"): 0.2}
    for name in ("ou66", "ou200"):
        of = reference | {(name, "occlusion", "trained"): 0.9, (name, "occlusion", "random"): 0.1}
        table(20, of=of).to_parquet(tmp_path / f"{name}.parquet")
    paths = [tmp_path / "ou66.parquet", tmp_path / "ou200.parquet"]
    scores.write(paths, tmp_path / "t.csv", tmp_path / "t.md", 50)
    summary = pd.read_csv(tmp_path / "t.csv")
    assert summary["network"].tolist() == ["ou66", "ou200", scores.NO_NETWORK]
    assert summary["n"].tolist() == [20, 20, 20]
    text = (tmp_path / "t.md").read_text()
    assert text.count("can be believed |") == 2
    assert "0.900 (" in text
    for other in ("brightness", "random weights"):
        assert f"hit rate over {other}" in text
        assert f"intersection over union over {other}" in text
    assert text.count("0.800 (") == 4  # both measures of both networks less those of random weights
