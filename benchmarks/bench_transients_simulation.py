"""Transient triplets per second and core: this package against the same steps in plain GalSim and SciPy.

Exit status 1 if the package is less than 5 times faster, makes less than 60 triplets a second (with all that
fail the detection and are drawn again), or if noise-free images or signal-to-noise ratios differ by more than
1 %.

One step is a supernova near a host: template and search image, noise, subtraction with the exposure's kernel,
matched filter. Both get the same sources and the same noise. The plain way draws each source with GalSim.

Run: python benchmarks/bench_transients_simulation.py [number of steps]
"""

import json
import resource
import sys
import time

import galsim
import numpy as np
from scipy.signal import fftconvolve

from skyneedle.core.seeds import generator
from skyneedle.transients.simulate import detect, examples, fields, scenes, settings
from skyneedle.transients.simulate.fields import Exposure
from skyneedle.transients.simulate.scenes import SIZE, Source

SEED = 1
SETTINGS = settings.profile("des", {"n_blocks": 4})
SURVEY = fields.survey_of(SETTINGS, SEED)
DARK = SETTINGS.instrument["read_noise"] ** 2
TARGET_RATIO = 5.0
TARGET_RATE = 60.0
TARGET_DEVIATION = 0.01


def drawn(number: int) -> tuple[list[Source], Source, Exposure, np.ndarray]:
    """Sources of a scene, a supernova in it, an exposure, and noise of unit deviation for two images."""
    random = generator(SEED, number, "benchmark")
    band = "griz"[number % 4]
    exposure = SURVEY.exposure(number % 4, 0, band)
    host = SURVEY.host(number % 4, "galaxies", random)
    x, y = 50 + random.uniform(-0.5, 0.5, 2)
    dx, dy = random.normal(0, 2, 2)
    sources = host.sources(x - dx, y - dy, exposure, SURVEY.scale)
    error = float(detect.flux_error(np.full((SIZE, SIZE), exposure.sky), exposure, 50, 50, 0)[0, 0])
    noise = random.standard_normal((2, SIZE, SIZE), dtype=np.float32)
    return sources, Source(x, y, 15 * error), exposure, noise


def ours(sources: list[Source], event: Source, exposure: Exposure, noise: np.ndarray):
    light = scenes.light(sources)
    template = scenes.image(light * exposure.psf_template)
    search = scenes.image((light + scenes.light([event])) * exposure.psf)
    variance = exposure.sky + DARK + np.maximum(search, 0)
    spread = np.sqrt((exposure.sky + DARK + np.maximum(template, 0)) / exposure.n_epochs)
    noisy, noisy_template = search + np.sqrt(variance) * noise[0], template + spread * noise[1]
    difference = noisy - scenes.image(scenes.transform(noisy_template) * exposure.kernel_transform)
    found = detect.strongest(difference, variance, exposure, (event.x, event.y), 3.0)
    return template, search, found.snr


def plain_image(sources: list[Source], psf: galsim.GSObject) -> np.ndarray:
    image = galsim.ImageF(SIZE, SIZE)
    for one in sources:
        profile = psf.withFlux(one.flux)
        if one.n:
            galaxy = galsim.Sersic(one.n, half_light_radius=one.radius, flux=one.flux)
            profile = galsim.Convolve(galaxy.shear(q=one.q, beta=one.phi * galsim.radians), psf)
        shifted = profile.shift(one.x - SIZE // 2, one.y - SIZE // 2)
        shifted.drawImage(image, scale=1.0, add_to_image=True)
    return image.array


def plain(sources: list[Source], event: Source, exposure: Exposure, noise: np.ndarray):
    psf = galsim.Moffat(beta=3, fwhm=exposure.fwhm).shear(g1=exposure.e1, g2=exposure.e2)
    psf_template = galsim.Moffat(beta=3, fwhm=exposure.fwhm_template)
    template = plain_image(sources, psf_template.shear(g1=exposure.e1_template, g2=exposure.e2_template))
    search = plain_image([*sources, event], psf)
    variance = exposure.sky + DARK + np.maximum(search, 0)
    spread = np.sqrt((exposure.sky + DARK + np.maximum(template, 0)) / exposure.n_epochs)
    noisy, noisy_template = search + np.sqrt(variance) * noise[0], template + spread * noise[1]
    difference = noisy - fftconvolve(noisy_template, exposure.kernel.pixels, mode="same")
    model = psf.drawImage(nx=21, ny=21, scale=1.0).array
    flux = fftconvolve(difference, model[::-1, ::-1], mode="same") / (model**2).sum()
    error = np.sqrt(fftconvolve(variance, model[::-1, ::-1] ** 2, mode="same")) / (model**2).sum()
    inner = flux[12:-12:2, 12:-12:2]
    quiet = np.sqrt(np.median(variance[::5, ::5]) / (model**2).sum())
    scale = 1.4826 * np.median(np.abs(inner - np.median(inner))) / quiet
    y, x = np.mgrid[:SIZE, :SIZE]
    near = np.hypot(x - event.x, y - event.y) <= 3.0
    return template, search, float((flux / error / scale)[near].max())


def main(n_steps: int = 60) -> dict[str, float]:
    """Time both in turn, so that whatever else the machine does hits both, and compare what they make."""
    for number in range(16):  # tables, exposures, GalSim's caches
        step = drawn(number)
        ours(*step)
        plain(*step)
    seconds = np.zeros(2)
    images, ratios = [], []
    for number in range(16, 16 + n_steps):
        step = drawn(number)
        marks = [time.process_time()]
        mine = ours(*step)
        marks.append(time.process_time())
        theirs = plain(*step)
        marks.append(time.process_time())
        seconds += np.diff(marks)
        images.append(np.abs(mine[1] - theirs[1]).max() / theirs[1].max())
        ratios.append(abs(mine[2] / theirs[2] - 1))
    start = time.process_time()
    for number in range(4 * n_steps):
        examples.example(number, SETTINGS, SEED)
    whole = time.process_time() - start
    return {
        "steps": n_steps,
        "ours_steps_per_s_per_core": n_steps / seconds[0],
        "plain_steps_per_s_per_core": n_steps / seconds[1],
        "ratio": seconds[1] / seconds[0],
        "triplets_per_s_per_core": 4 * n_steps / whole,
        "max_image_deviation_over_peak": float(max(images)),
        "max_snr_deviation": float(max(ratios)),
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


if __name__ == "__main__":
    result = main(*map(int, sys.argv[1:2]))
    print(json.dumps(result, indent=1))
    deviation = max(result["max_image_deviation_over_peak"], result["max_snr_deviation"])
    fast = result["ratio"] >= TARGET_RATIO and result["triplets_per_s_per_core"] >= TARGET_RATE
    sys.exit(not (fast and deviation <= TARGET_DEVIATION))
