"""Euclid Q1 cutouts: real files, and made-up ones where the right answer is known."""

import numpy as np
import pytest
from astropy.io import fits

from skyneedle.core.errors import MissingBand, WrongPixelScale, WrongStampSize
from skyneedle.lenses.fetch import euclid_q1
from tests.unit.lenses.fetch.fits_files import header, write_extensions

ZERO_POINTS = {"VIS": 24.6, "NIR_Y": 29.8, "NIR_J": 30.0, "NIR_H": 29.9}


def cutout(path, n=300, ending="FLUX", leave_out=(), scale=0.1, flux_njy=1000.0):
    """A source of the same flux in all bands on four pixels in the middle."""
    extensions = []
    for stem, zero_point in ZERO_POINTS.items():
        values = np.random.default_rng(len(stem)).normal(size=(n, n)).astype(np.float32) * 1e-6
        counts = flux_njy * 10 ** (0.4 * (zero_point - 31.4))
        values[n // 2 - 1 : n // 2 + 1, n // 2 - 1 : n // 2 + 1] += counts / 4
        if stem not in leave_out:
            extensions.append((f"{stem}_{ending}", values, header(scale, MAGZERO=zero_point, FILTER=stem)))
            extensions.append((f"{stem}_PSF", np.eye(5, dtype=np.float32), None))
    return write_extensions(path, extensions)


@pytest.mark.parametrize("ending", ["FLUX", "BGSUB"])
def test_flux_is_the_same_in_all_bands_and_stays_in_the_middle(tmp_path, ending):
    stamp = euclid_q1.read(cutout(tmp_path / "a.fits", ending=ending))
    assert (stamp["vis"].shape, stamp["nisp"].shape) == ((200, 200), (3, 66, 66))
    assert stamp["vis"].sum() == pytest.approx(1000, rel=0.01)
    np.testing.assert_allclose(stamp["nisp"].sum(axis=(1, 2)), 1000, rtol=0.01)
    np.testing.assert_allclose(stamp["vis"][99:101, 99:101], 250, rtol=0.01)
    np.testing.assert_allclose(stamp["nisp"][:, 32:34, 32:34], 250, rtol=0.01)


def test_the_real_group_has_the_values_of_its_file(real_lenses):
    path = real_lenses / "euclid_q1" / "sample_group" / "group.fits"
    stamp = euclid_q1.read(path)
    with fits.open(path) as file:
        vis = file["VIS_FLUX"].data.astype(float) * 10 ** (-0.4 * (24.6 - 31.4))
        np.testing.assert_allclose(stamp["vis"], vis[50:250, 50:250], rtol=1e-5)
        for i, (name, zero_point) in enumerate((("NIR_J", 30.0), ("NIR_Y", 29.8), ("NIR_H", 29.9))):
            whole = file[f"{name}_FLUX"].data.astype(float) * 10 ** (-0.4 * (zero_point - 31.4))
            assert stamp["nisp"][i].sum() == pytest.approx(whole[51:249, 51:249].sum(), rel=1e-4)
            assert stamp["nisp"][i, 0, 0] == pytest.approx(whole[51:54, 51:54].sum(), rel=1e-3, abs=0.1)
    # The same galaxy is brightest in both instruments, at the same place on the sky.
    vis_peak = np.array(np.unravel_index(stamp["vis"].argmax(), (200, 200)))
    nisp_peak = np.array(np.unravel_index(stamp["nisp"][2].argmax(), (66, 66)))
    assert np.abs((vis_peak - 99.5) * 0.1 - (nisp_peak - 32.5) * 0.3).max() < 0.3
    assert stamp["nisp"][2].sum() > stamp["vis"].sum()  # a group of red galaxies


def test_bad_cutouts_are_refused_by_name(tmp_path):
    with pytest.raises(MissingBand, match=r"b.fits: no J image \(extension NIR_J_BGSUB or NIR_J_FLUX\)"):
        euclid_q1.read(cutout(tmp_path / "b.fits", leave_out=("NIR_J",)))
    with pytest.raises(WrongPixelScale, match=r"0.3000 arcsec a pixel, expected 0.1"):
        euclid_q1.read(cutout(tmp_path / "c.fits", scale=0.3))
    with pytest.raises(WrongPixelScale, match="no world coordinates"):
        euclid_q1.read(cutout(tmp_path / "d.fits", scale=None))
    with pytest.raises(WrongStampSize, match="150 x 150"):
        euclid_q1.read(cutout(tmp_path / "e.fits", n=150))
    path = cutout(tmp_path / "f.fits")
    with fits.open(path, mode="update") as file:
        del file["NIR_H_FLUX"].header["MAGZERO"]
    with pytest.raises(MissingBand, match=r"NIR_H_FLUX.*MAGZERO"):
        euclid_q1.read(path)
