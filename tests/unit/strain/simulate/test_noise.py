"""Noise curves against PyCBC, and noise against its curve."""

import numpy as np
import pytest
from scipy import signal

from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.strain.simulate import noise

NAME = "aLIGOEarlyHighSensitivityP1200087"


@pytest.mark.parametrize("name", [NAME, "aLIGOZeroDetHighPower", "AdVEarlyHighSensitivityP1200087"])
def test_named_psd_equals_pycbc(name):
    from pycbc.psd import from_string

    ours = noise.noise_psd(name)
    theirs = from_string(name, 8193, 0.25, 10.0).numpy()
    assert ours[44:6552] == pytest.approx(theirs[44:6552], rel=1e-6)
    assert (
        ours[4 * 2000] < 1e-3 * theirs[4 * 2000]
    )  # as in the archive, whose files were decimated from 16 kHz
    assert (ours > 0).all()
    assert (ours[:40] == ours[40]).all()  # held below 10 Hz, where the curves end


def test_psd_file(tmp_path):
    frequency = np.arange(1, 3000, 3.0)
    path = tmp_path / "curve.txt"
    np.savetxt(path, np.column_stack([frequency, 1e-23 * (1 + 100 / frequency)]))
    psd = noise.noise_psd(str(path), 4096.0, "asd")
    assert psd[4 * 100] == pytest.approx((2e-23) ** 2, rel=1e-3)
    assert noise.noise_psd(str(path), 4096.0, "psd")[400] == pytest.approx(2e-23, rel=1e-3)


def test_psd_files_of_real_noise(real_strain):
    for detector in ("H1", "L1"):
        psd = noise.noise_psd(str(real_strain / f"lfigw_GW150914_PSD_{detector}.txt"))
        assert 1e-24 < np.sqrt(psd[400:1200].min()) < 1e-22  # 100 to 300 Hz


@pytest.mark.parametrize(
    "content", ["1 2 3\n4 5 6\n", "10 1e-46\n5 1e-46\n", "10 -1\n20 1\n", "<html>\n", "10 0\n20 0\n"]
)
def test_bad_psd_files_are_named(tmp_path, content):
    path = tmp_path / "bad.txt"
    path.write_text(content)
    with pytest.raises(BadSetting, match=r"bad\.txt"):
        noise.noise_psd(str(path))


def test_unknown_psd_is_named():
    with pytest.raises(BadSetting, match="NoSuchCurve"):
        noise.noise_psd("NoSuchCurve")


def test_noise_has_its_psd():
    psd = noise.noise_psd(NAME)
    estimates = []
    for number in range(12):
        strain = noise.coloured_noise(generator(5, number), NAME, 65536)
        estimates.append(signal.welch(strain, 4096, nperseg=16384)[1])
    mean = np.mean(estimates, axis=0)
    frequency = np.arange(8193) * 0.25
    for low, high in ((20, 30), (30, 60), (60, 200), (200, 500), (500, 1000), (1000, 2000)):
        band = (frequency >= low) & (frequency < high)
        assert (mean[band] / psd[band]).mean() == pytest.approx(1, abs=0.05)


def test_noise_is_not_circular():
    """Where the end of circular noise would continue at its start, its slow part has no jump."""
    jumps, steps = [], []
    smooth = np.ones(200) / 200  # what 10 Hz noise looks like
    for number in range(40):
        slow = np.convolve(noise.coloured_noise(generator(6, number), NAME, 65536), smooth, "valid")
        jumps.append(slow[0] - slow[-1])
        steps.append(slow[200] - slow[-1 - 200] - slow[0] + slow[-1])
    assert np.std(jumps) > 0.5 * np.std(steps)


def test_noise_depends_on_the_generator_alone():
    first, again, other = (
        noise.coloured_noise(generator(*keys), NAME, 4096) for keys in ((1, 2), (1, 2), (1, 3))
    )
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.9
    assert not np.array_equal(first, other)
