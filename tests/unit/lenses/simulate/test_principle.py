"""The drawing of how lensing works: paths end where they should, and the ring has the Einstein radius."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.lenses.simulate import principle
from skyneedle.lenses.simulate.instruments import instrument


def _ends(paths, kind, place):
    rows = paths[(paths["kind"] == kind) & (paths["place"] == place)]
    return rows["height_kpc"].to_numpy()


def test_light_of_the_images_comes_from_the_source():
    one = principle.lens()
    for offset in (0.0, 0.3):
        paths = principle.light_paths(one, principle.Z_SOURCE, offset)
        images = paths[paths["kind"] == "image"].drop_duplicates("ray")["theta_arcsec"].to_numpy()
        # An isothermal sphere: two images, at the offset plus and minus the Einstein radius.
        assert np.allclose(sorted(images), [offset - one.theta_e, offset + one.theta_e], rtol=1e-3)
        far = paths["distance_mpc"].max()
        height = np.radians(offset / 3600) * far * 1000
        assert np.allclose(_ends(paths, "image", "source"), height, atol=1e-3)
        assert np.abs(_ends(paths, "other", "source") - height).min() > 5
        assert (paths.loc[paths["place"] == "observer", "height_kpc"] == 0).all()


def test_seeming_paths_are_straight_and_real_ones_bend_at_the_lens():
    paths = principle.light_paths(principle.lens(), principle.Z_SOURCE)
    for kind, straight in (("apparent", True), ("image", False), ("other", False)):
        slopes = [
            _ends(paths, kind, place) / paths.loc[paths["place"] == place, "distance_mpc"].iloc[0]
            for place in ("lens", "source")
        ]
        assert np.allclose(*slopes, rtol=1e-6) == straight


def test_the_ring_is_where_the_einstein_radius_says(tmp_path):
    principle.write(tmp_path / "rays.csv", tmp_path / "ring.parquet", 1)
    row = pd.read_parquet(tmp_path / "ring.parquet").iloc[0]
    image = np.asarray(row["vis"]).reshape(row["n"], row["n"])
    y, x = (np.indices(image.shape) - (row["n"] - 1) / 2) * row["pixel_scale_arcsec"]
    radius = np.hypot(x, y)
    bins = np.arange(0.6, 2.4, 0.1)
    mean = [image[(radius >= low) & (radius < low + 0.1)].mean() for low in bins]
    assert bins[np.argmax(mean)] + 0.05 == pytest.approx(row["theta_e"], abs=0.1)
    band = instrument("hst_f814w").bands[0]
    assert row["sky_sigma"] == band.sky_sigma
    assert tuple(pd.read_csv(tmp_path / "rays.csv").columns) == principle.RAY_COLUMNS
