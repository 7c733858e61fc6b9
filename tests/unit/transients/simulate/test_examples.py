"""What triplets contain: positions, fluxes, hosts, nights, and nothing that gives classes away."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skyneedle.core.errors import BadSetting
from skyneedle.transients.simulate import artifacts, catalogue, examples, fields, scenes, settings

SEED = 5  # of the examples in conftest.py


def table(made: list[examples.Example]) -> pd.DataFrame:
    return pd.DataFrame([one.truth for one in made])


def only(kind: str, **changes) -> settings.Settings:
    real = kind in settings.REAL_KINDS
    return settings.profile(
        "des",
        {
            "share_artifacts": 0.0 if real else 1.0,
            "reals" if real else "artifacts": {kind: 1.0},
            "label_noise": {"fake_on_defect": 0.0, "real_among_artifacts": 0.0},
            "n_blocks": 1,
            "bands": {"r": settings.DECAM_BANDS["r"]},
            **changes,
        },
    )


def test_an_example_is_rebuilt_from_its_id(made):
    few = settings.profile("des", {"n_blocks": 6})
    fields._KEPT.clear()
    again = examples.example(17, few, SEED)
    np.testing.assert_array_equal(again.stamps, made[17].stamps)
    assert str(again.truth) == str(made[17].truth)
    assert str(again.features) == str(made[17].features)
    assert not np.array_equal(examples.example(17, few, SEED + 1).stamps, again.stamps)


def test_triplets_are_finite_stamps_and_their_columns_are_complete(made):
    pixels = ("MASKFRAC", *catalogue.REFERENCE_COLUMNS)
    empty = {name for name, value in made[0].features.items() if math.isnan(value)} - set(pixels)
    for one in made:
        assert one.stamps.shape == (3, 51, 51)
        assert one.stamps.dtype == np.float32
        assert np.isfinite(one.stamps).all()
        assert tuple(one.truth) == examples.TRUTH_COLUMNS
        assert tuple(one.features) == catalogue.COLUMNS
        nan = {name for name, value in one.features.items() if math.isnan(value)}
        assert nan - set(catalogue.REFERENCE_COLUMNS) == empty
        assert (set(catalogue.REFERENCE_COLUMNS) <= nan) == one.truth["hostless"]
    assert empty.isdisjoint(("GFLUX", "MAG", "SNR", "A_IMAGE", "SPREAD_MODEL", "BAND", "CCDID"))


def test_both_classes_are_centred_on_detections_near_what_was_put_in(made):
    known = table(made)
    for kind, rows in known.groupby("kind"):
        reach = artifacts.REACH.get(kind, 3.0)
        assert np.hypot(rows["dx"], rows["dy"]).max() <= reach + 0.75, kind
    assert known["snr"].min() >= settings.profile("des").detection_sigma
    classes = known[known["kind"] != "saturated"].groupby("label_true")
    for axis in ("dx", "dy"):
        assert classes[axis].mean().abs().max() < 0.35


def test_hosts_and_nights_belong_to_one_block(made):
    known = table(made).assign(block=lambda t: t["id"] % 6)
    hosted = known[known["host_id"] >= 0]
    for name in ("night", "host_id", "expid"):
        assert (hosted.groupby(name)["block"].nunique() == 1).all()
    assert (known.groupby("block")["night"].nunique() == 2).all()
    assert (known.groupby("expid")[["night", "band", "fwhm_arcsec"]].nunique() == 1).all().all()
    nights = hosted.groupby("host_id")["night"].nunique()
    assert (nights == 2).any()  # hosts come back in another night


def test_a_share_has_no_host():
    known = [examples.example(number, only("supernova", hostless=0.5), 3).truth for number in range(60)]
    share = np.mean([one["hostless"] for one in known])
    assert 0.3 < share < 0.7
    assert all((one["host_id"] == -1) == one["hostless"] for one in known)
    assert all(math.isnan(one["host_mag"]) == one["hostless"] for one in known)


def test_supernovae_follow_the_light_of_their_hosts(made):
    """Ranks of the host's surface brightness at supernovae, among pixels by their light, are uniform."""
    few = settings.profile("des", {"n_blocks": 6})
    survey = fields.Survey(few, SEED)
    scale = survey.scale
    ranks = []
    for one in made:
        truth = one.truth
        if truth["kind"] != "supernova" or truth["host_id"] < 0:
            continue
        block, number = divmod(truth["host_id"], few.hosts_per_block + survey.n_stars + fields.N_BRIGHT)
        host = survey._host(block, number)
        distance = one.features["NN_DIST_RENORM"] / scale
        night = sorted({m.truth["night"] for m in made if m.truth["id"] % 6 == block}).index(truth["night"])
        exposure = survey.exposure(block, night, truth["band"])
        source = host.sources(50.0, 50.0, exposure, scale)[0]
        image = scenes.image(scenes.light([source]) * scenes.psf_transform(1.8))
        y, x = np.mgrid[: scenes.SIZE, : scenes.SIZE] - 50.0
        inside = np.hypot(x, y) < 4.0 / scale
        ranks.append(image[np.hypot(x, y) < distance].sum() / image[inside].sum())
    assert len(ranks) > 100
    # The width is that of errors of the detection, half a pixel and rounding.
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.1)
    assert 0.15 < np.mean(np.array(ranks) < 0.25) < 0.45


def test_measured_fluxes_scatter_around_injected_ones():
    """Without a host: the measured flux minus the injected one, over its error, is a unit normal."""
    alone = only(
        "supernova", hostless=1.0, snr={"minimum": 12.0, "maximum": 15.0, "index": 1.0}, scale_error=0.0
    )
    pulls, errors = [], []
    for number in range(150):
        one = examples.example(number, alone, 2)
        survey = fields.survey_of(alone, 2)
        exposure = survey.exposure(0, (one.truth["night"] - alone.first_night), "r")
        injected = exposure.flux(one.truth["mag"])
        measured = exposure.flux(one.features["MAG"])
        error = measured / one.features["SNR"]
        pulls.append((measured - injected) / error)
        errors.append(injected / one.truth["snr_injected"] / error)
    # Of the peak in a pixel next to the source: a little below, and a maximum over noise: a little above.
    assert abs(np.median(pulls)) < 0.5
    assert 0.7 < np.std(pulls) < 1.3
    # The detector also knows the noise of the source itself and that the template's is correlated.
    assert 0.85 < np.median(errors) < 1.02


def test_templates_alone_do_not_tell_classes_apart(made):
    """Nothing of the transient is in them; less is asked of what sits on bright sources by its nature."""
    known = table(made)
    distance = np.hypot(*np.mgrid[-25:26, -25:26])
    rows = []
    for one in made:
        template = one.stamps[0].astype(float)
        noise = 1.4826 * np.median(np.abs(template - np.median(template)))
        parts = [template[distance < r].mean() / noise for r in (2, 5, 12)]
        rows.append([*np.arcsinh(parts), np.arcsinh(template.max() / noise), np.log(noise)])
    rows, label = np.array(rows), known["label_true"].to_numpy()

    def auc(chosen: pd.Series) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        x, y = rows[chosen], label[chosen]
        return roc_auc_score(y, cross_val_predict(model, x, y, cv=5, method="predict_proba")[:, 1])

    assert 0.35 < auc(~known["kind"].isin(artifacts.ON_SOURCE)) < 0.65
    assert auc(known["kind"] != "saturated") < 0.75


def test_signal_to_noise_alone_does_not_tell_classes_apart(made):
    known = table(made)
    known = known[known["kind"] != "saturated"]
    assert 0.38 < roc_auc_score(known["label_true"], known["snr"]) < 0.65
    assert 0.42 < roc_auc_score(known["label_true"], known["ccd"]) < 0.58


@pytest.mark.parametrize("kind", settings.ARTIFACT_KINDS)
def test_every_kind_of_artifact_has_its_mark(kind):
    made = [examples.example(number, only(kind), 7) for number in range(6)]
    for one in made:
        template, search, difference = one.stamps
        centre = difference[23:28, 23:28]
        masked = difference == artifacts.MASKED
        noise = 1.4826 * np.median(np.abs(difference[~masked] - np.median(difference[~masked])))
        if kind in ("cosmic_ray", "hot_pixel"):  # sharper than the PSF: a neighbour two pixels on has little
            row, column = np.unravel_index(np.argmax(difference[20:31, 20:31]), (11, 11))
            peak = difference[20 + row, 20 + column]
            ring = difference[18 + row : 23 + row, 18 + column : 23 + column].copy()
            ring[1:4, 1:4] = np.nan
            assert peak > 4 * noise
            assert np.nanmedian(ring) < 0.25 * peak
        elif kind == "dipole":
            near = difference[19:32, 19:32]
            assert near.min() < -3 * noise
            assert near.max() > 3 * noise
        elif kind == "saturated":
            limit = settings.DECAM["saturation_adu"]
            assert (np.isclose(search, limit, rtol=1e-3)).sum() > 4
            assert search.max() <= limit * 1.001
        elif kind == "bad_column":
            parts = (difference, difference[:25], difference[26:])
            strongest = np.max([np.abs(np.median(part, axis=0)) for part in parts], axis=0)
            assert abs(int(np.argmax(strongest)) - 25) <= 4
        elif kind == "edge":
            assert masked.any()
            assert (search[masked] == artifacts.MASKED).all()
            assert (template != artifacts.MASKED).all()
            assert not masked[25, 25] or centre.max() > 0
        elif kind == "trail":
            assert (difference > 2 * noise).sum() > 40
        assert one.features["MASKFRAC"] == pytest.approx(masked.mean())


def test_moving_objects_are_drawn_out_and_variables_sit_on_sources():
    moving = only("moving", snr={"minimum": 80.0, "maximum": 100.0, "index": 1.0})
    axes = [examples.example(number, moving, 1).features for number in range(12)]
    still = only("supernova", snr={"minimum": 80.0, "maximum": 100.0, "index": 1.0})
    round_ones = [examples.example(number, still, 1).features for number in range(12)]
    assert np.median([f["ELLIPTICITY"] for f in axes]) > np.median([f["ELLIPTICITY"] for f in round_ones])
    variable = only("variable", both_signs=True)
    found = [examples.example(number, variable, 1).truth for number in range(20)]
    assert {np.sign(one["snr"]) for one in found} == {-1.0, 1.0}
    assert not any(one["hostless"] for one in found)


def test_what_is_never_found_says_so(monkeypatch):
    monkeypatch.setattr(examples, "_MOST_ATTEMPTS", 4)
    with pytest.raises(BadSetting, match="detection_sigma"):
        examples.example(3, only("dipole", detection_sigma=1e6), 1)
