"""Conditioning against PyCBC, the geometry of windows and labels, and bad input."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import signal

from skyneedle.core.errors import BadSetting, ConstantStrain, GridMismatch, StrainHasNaN, StrainTooShort
from skyneedle.strain import preprocess

VALID = slice(int(2.25 * 2048), int(13.75 * 2048))


def _red_noise(seed, *shape):
    """Noise that rises towards low frequencies like a detector's, at strain-like scale."""
    white = np.random.default_rng(seed).standard_normal(shape)
    return 1e-21 * (signal.lfilter([1], [1, -0.97], white, axis=-1) + 0.2 * white)


def test_condition_faithful_equals_pycbc():
    from pycbc.types import TimeSeries

    raw = _red_noise(0, 2, 65536)
    ours = preprocess.condition(raw, "faithful")
    for row, series in enumerate(raw):
        white = TimeSeries(series[::2].copy(), delta_t=1 / 2048).whiten(4, 4, remove_corrupted=False)
        theirs = white.highpass_fir(20, 512, remove_corrupted=False).numpy()
        deviation = np.abs(ours[row] - theirs)[VALID].max()
        assert deviation < 1e-6 * theirs[VALID].std()


def test_condition_corrected_equals_pycbc_but_for_resampling_and_its_roll():
    """The same physics: PyCBC after a clean decimation, less the one sample that its FIR filter is early."""
    from pycbc.types import TimeSeries

    raw = _red_noise(1, 65536)
    clean = signal.resample_poly(raw, 1, 2, window=signal.firwin(81, 0.5, window=("kaiser", 8.0)))
    white = TimeSeries(clean, delta_t=1 / 2048).whiten(4, 4, remove_corrupted=False)
    theirs = np.roll(white.highpass_fir(20, 512, remove_corrupted=False).numpy(), 1)
    ours = preprocess.condition(raw, "corrected")
    assert np.abs(ours - theirs)[VALID].max() < 1e-3 * theirs[VALID].std()


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_whitened_noise_is_white_with_std_32(recipe):
    conditioned = preprocess.condition(_red_noise(2, 4, 65536), recipe)[:, VALID]
    assert conditioned.std() == pytest.approx(np.sqrt(2048 / 2), rel=0.05)
    frequency, density = signal.welch(conditioned, 2048, nperseg=2048)
    mean = density.mean(axis=0)
    for low, high in ((30, 100), (100, 300), (300, 800)):
        band = (frequency > low) & (frequency < high)
        assert mean[band].mean() == pytest.approx(1.0, rel=0.12)
    assert mean[frequency < 12].max() < 0.01  # high-passed


def test_highpass_response_is_half_at_20_hz():
    response = np.abs(preprocess._highpass_response("corrected"))
    assert response[20 * 16] == pytest.approx(0.5, abs=0.01)
    assert response[18 * 16] == pytest.approx(0.07, abs=0.02)
    assert response[23 * 16] == pytest.approx(0.99, abs=0.01)


def test_decimation_keeps_the_noise_below_800_hz():
    """Spec F2: noise up to 1.7 kHz, loud above 1 kHz, must not fold onto the signal band."""
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.standard_normal(65536))
    frequency = np.fft.rfftfreq(65536, 1 / 4096)
    spectrum *= np.where(frequency < 1000, 1, np.where(frequency < 1700, 5, 0))
    raw = np.fft.irfft(spectrum)

    def ratio(recipe):
        resampled, _ = preprocess._resample(raw, recipe)
        power = np.abs(np.fft.rfft(resampled)) ** 2 * 4
        truth = np.abs(np.fft.rfft(raw)[:16385]) ** 2
        bins = np.arange(1, 8) * 1600  # of 100 Hz
        return [np.sqrt(power[b : b + 1600].sum() / truth[b : b + 1600].sum()) for b in bins]

    assert all(0.95 < value < 1.05 for value in ratio("corrected"))
    assert max(ratio("faithful")) > 2  # what the published recipe does


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_crop_keeps_off_the_corrupted_margins(recipe):
    start = preprocess.crop_start(recipe) / 2048
    assert start >= preprocess.VALID_MARGIN_S
    assert start + preprocess.CROP_S <= preprocess.WINDOW_S - preprocess.VALID_MARGIN_S


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_a_jump_at_the_edge_stays_in_the_corrupted_margin(recipe):
    """With the whitening filter held fixed, what happens in the first 30 ms does not reach the valid part."""
    raw = _red_noise(4, 65536)
    response = preprocess._whitening_response(raw[::2].copy())
    bump = np.zeros(65536)
    bump[:64] = 1e-20
    _, spectrum = preprocess._resample(bump, recipe)
    reached = np.fft.irfft(spectrum * response * preprocess._highpass_response(recipe))
    assert np.abs(reached[VALID]).max() < 1e-7 * np.abs(reached).max()


def test_batch_does_not_change_bits():
    raw = _red_noise(5, 2, 3, 65536)
    together = preprocess.condition(raw, "corrected")
    assert together.shape == (2, 3, 32768)
    assert np.array_equal(together[1, 2], preprocess.condition(raw[1, 2], "corrected"))


def test_float32_input_is_conditioned_in_float64():
    raw = _red_noise(6, 65536).astype(np.float32)  # 1e-21 squared underflows in float32
    assert np.isfinite(preprocess.condition(raw, "corrected")).all()


# --- labels


def test_faithful_labels_are_the_published_ones():
    label = preprocess.labels(np.array([11264]), 16384, "faithful")[0]
    assert label.shape == (12289,)
    assert label.sum() == 410
    assert np.flatnonzero(label)[0] == 11059 - 2047
    assert np.flatnonzero(label)[-1] == 11468 - 2047
    assert 11264 - preprocess.OUTPUT_OFFSET == 9217  # the published index of the event in the output


def test_corrected_labels_are_centred_on_the_event():
    events = np.array([2560, 13824, -1, 7000])
    label = preprocess.labels(events, 16384, "corrected")
    assert label.dtype == np.float32
    assert label.sum(axis=1).tolist() == [409, 409, 0, 409]
    centre = np.flatnonzero(label[3]).mean() + preprocess.OUTPUT_OFFSET
    assert centre == 7000


def test_output_length_follows_receptive_field():
    assert preprocess.n_outputs(16384) == 12289
    assert preprocess.n_outputs(4096) == 1
    with pytest.raises(StrainTooShort):
        preprocess.n_outputs(4095)


# --- normalisation


class _TwoBlocks:
    def blocks(self, name, size):
        assert name == "strain"
        scale = np.array([1.0, 2.0, 30.0])[:, None, None] * np.array([1.0, 10.0])[None, :, None]
        wave = np.tile([1.0, -1.0], 50)
        data = (5 + scale * wave).astype(np.float32)
        yield slice(0, 2), data[:2]
        yield slice(2, 3), data[2:]


def test_normalisation_is_median_over_examples_and_undone_by_it():
    found = preprocess.normalisation(_TwoBlocks())
    assert found["std"] == pytest.approx([2.0, 20.0])  # the loud third example does not count
    assert found["mean"] == pytest.approx([5.0, 5.0])
    x = np.array([[7.0, 3.0], [25.0, -15.0]])
    assert preprocess.normalise(x, found).tolist() == [[1.0, -1.0], [1.0, -1.0]]
    with pytest.raises(GridMismatch):
        preprocess.normalise(x[:1], found)


# --- windows and streams


@pytest.mark.parametrize("extra", [0, 1, 2, 4096, 32767, 32768, 32770, 100001, 5 * 32768])
def test_windows_tile_what_can_be_judged(extra):
    n_raw = 65536 + extra
    found = preprocess.windows(n_raw)
    grid = (n_raw - extra % 2) // 2
    assert found[0].first == int(3.25 * 2048)
    assert found[-1].last == grid - int(3.25 * 2048)
    for before, after in pairwise(found):
        assert before.last == after.first
    for window in found:
        assert 0 <= window.start <= n_raw - 65536
        assert window.start % 2 == 0
        assert window.first - window.start // 2 >= 3.25 * 2048
        assert window.last - window.start // 2 <= 12.75 * 2048


def test_interior_windows_deliver_their_seconds_4_to_12():
    inner = preprocess.windows(4096 * 64)[2]
    assert (inner.first - inner.start // 2, inner.last - inner.start // 2) == (4 * 2048, 12 * 2048)


def test_a_stretch_shorter_than_a_window_is_refused():
    with pytest.raises(StrainTooShort, match="16 s"):
        preprocess.windows(65535)


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_an_example_comes_out_of_the_stream_bit_for_bit(recipe):
    raw = _red_noise(7, 2, 65536)
    example = preprocess.crop(preprocess.condition(raw, recipe), recipe)
    ((offset, piece),) = preprocess.stream(raw, recipe)
    first_input = round(offset * 2048) - preprocess.OUTPUT_OFFSET
    inside = preprocess.crop_start(recipe) - first_input
    assert np.array_equal(piece[:, inside : inside + 16384], example)


def test_pieces_of_a_stream_join_and_do_not_depend_on_cutting():
    raw = _red_noise(8, 1, 65536 + 3 * 32768)
    pieces = list(preprocess.stream(raw, "corrected"))
    times = [offset * 2048 for offset, _ in pieces]
    lengths = [preprocess.n_outputs(piece.shape[-1]) for _, piece in pieces]
    assert times[0] == 3.25 * 2048
    assert np.array_equal(times[1:], np.array(times[:-1]) + lengths[:-1])
    # Starting one step later gives the same inner pieces.
    later = list(preprocess.stream(raw, "corrected", start_sample=32768))
    assert later[1][0] == pieces[2][0]
    assert np.array_equal(later[1][1], pieces[2][1])
    with pytest.raises(GridMismatch):
        next(preprocess.stream(raw, "corrected", start_sample=1))


def test_each_output_sees_only_its_own_window():
    """Changing raw samples outside a window changes nothing of what that window delivers."""
    raw = _red_noise(9, 1, 65536 + 2 * 32768)
    middle = list(preprocess.stream(raw, "corrected"))[1][1]
    raw[:, : 32768 - 1] = 1e-18
    raw[:, 32768 + 65536 :] *= -3
    assert np.array_equal(list(preprocess.stream(raw, "corrected"))[1][1], middle)


# --- bad input


def test_bad_strain_is_named():
    raw = _red_noise(10, 2, 65536)
    with pytest.raises(StrainTooShort, match="65535"):
        preprocess.condition(raw[:, :-1], "corrected")
    with pytest.raises(GridMismatch):
        preprocess.condition(np.concatenate([raw, raw], axis=-1), "corrected")
    with pytest.raises(BadSetting, match="recipe"):
        preprocess.condition(raw, "correct")
    with_nan = raw.copy()
    with_nan[1, 5] = np.nan
    with pytest.raises(StrainHasNaN, match="1 samples"):
        preprocess.condition(with_nan, "corrected")
    constant = raw.copy()
    constant[1] = 3e-19
    with pytest.raises(ConstantStrain):
        preprocess.condition(constant, "corrected")
    dead = raw.copy()
    dead[0, : 12 * 4096] = 0
    with pytest.raises(ConstantStrain):
        preprocess.condition(dead, "faithful")


def test_real_strain_is_whitened(real_strain):
    import h5py

    path = next(real_strain.glob("H-H1_LOSC_4_V2-1126259446-32.hdf5"))
    with h5py.File(path) as file:
        strain = file["strain/Strain"][: 65536 * 2]
    for _, piece in preprocess.stream(strain[None], "corrected"):
        assert np.isfinite(piece).all()
        assert 28 < piece.std() < 45
