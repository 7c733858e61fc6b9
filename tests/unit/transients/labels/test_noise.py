import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadLabels, BadSetting
from skyneedle.transients.labels import noise
from tests.unit.transients.labels import planted


def flips(known, **options):
    return noise.flips(known["id"], known["label_true"], known["kind"], **({"seed": 5} | options))


@pytest.mark.parametrize("shape", noise.SHAPES)
def test_the_share_is_what_was_asked_for_and_larger_shares_contain_smaller(shape):
    known = planted.truth()
    assert not flips(known, share=0.0, shape=shape).any()
    few, many = flips(known, share=0.02, shape=shape), flips(known, share=0.10, shape=shape)
    n = len(known)
    assert few.sum() == pytest.approx(0.02 * n, abs=4 * np.sqrt(0.02 * n))
    assert many.sum() == pytest.approx(0.10 * n, abs=4 * np.sqrt(0.10 * n))
    assert not (few & ~many).any()


def test_structured_noise_falls_where_the_paper_found_it():
    known = planted.truth()
    flipped = known[flips(known, share=0.08, shape="structured")]
    of_artifacts = flipped[flipped["label_true"] == 1]
    assert set(of_artifacts["kind"]) == {"saturated", "bad_column", "trail", "edge", "hot_pixel"}
    assert len(of_artifacts) / len(flipped) == pytest.approx(5636 / 7402, abs=0.07)
    assert set(known.loc[flips(known, share=0.1, shape="uniform"), "kind"]) == set(known["kind"])


def test_an_examples_draw_is_its_own(tmp_path):
    known = planted.truth(400)
    whole = flips(known, share=0.1, shape="uniform")
    turned = known.iloc[::-1]
    assert (flips(turned, share=0.1, shape="uniform") == whole[::-1]).all()
    assert (flips(known, share=0.1, shape="uniform", seed=6) != whole).any()
    parts = [known.iloc[:150], known.iloc[150:]]
    for k, part in enumerate(parts):
        part.to_parquet(tmp_path / f"{k}.parquet")
    paths = [tmp_path / f"{k}.parquet" for k in range(2)]
    noise.write(tmp_path / "out.parquet", paths, share=0.1, shape="uniform", seed=5)
    written = pd.read_parquet(tmp_path / "out.parquet")
    assert written["id"].tolist() == known["id"].tolist()
    assert (written["label"].to_numpy() != known["label_true"].to_numpy()).tolist() == whole.tolist()
    assert written.attrs["n_flipped"] == whole.sum()


def test_what_cannot_be_is_refused():
    known = planted.truth(200)
    with pytest.raises(BadSetting, match="the share is 0"):
        flips(known, share=0.5, shape="uniform")
    with pytest.raises(BadSetting, match="structured"):
        flips(known, share=0.1, shape="clustered")
    with pytest.raises(BadLabels, match="simulate more"):
        flips(known.assign(kind="dipole"), share=0.1, shape="structured")
