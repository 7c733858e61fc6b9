"""The same images by plain calls of lenstronomy: the reference of tests and of the benchmark."""

import math

import numpy as np
from lenstronomy.Data.pixel_grid import PixelGrid
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util.param_util import phi_q2_ellipticity
from scipy.special import gammaincinv, gammaln

from skyneedle.lenses.simulate.render import Light, Scene


def scene_of(system):
    """Deflector, source and companions of a drawn system."""
    lights = (
        Light(system.deflector.profile, system.deflector.flux, "lens"),
        Light(system.source.profile, system.source.flux, "source", 1),
        *(Light(one.profile, one.flux, "rest") for one in system.companions),
    )
    return Scene(lights, (system.lens,), system.source.z)


def sersic(light, band):
    """Keywords for SERSIC_ELLIPSE; its radius is chosen so that its approximate b gives the exact shape."""
    profile = light.profile
    b, approximate = float(gammaincinv(2 * profile.n, 0.5)), 1.9992 * profile.n - 0.3271
    central = math.exp(2 * profile.n * math.log(b) - gammaln(2 * profile.n)) / (2 * math.pi * profile.n)
    e1, e2 = phi_q2_ellipticity(profile.phi, profile.q)
    return {
        "amp": light.flux[band] * central / profile.radius**2 * math.exp(-approximate),
        "R_sersic": profile.radius * (approximate / b) ** profile.n,
        "n_sersic": profile.n,
        **{"e1": e1, "e2": e2, "center_x": profile.x, "center_y": profile.y},
    }


def image(scene, instrument, band, supersampling, layer=None, fine_blur=True):
    """One band of a scene with one lens plane.

    Args:
        scene: all of it, or one layer.
        instrument: with what.
        band: index of the band.
        supersampling: samples along a pixel.
        layer: of the lights that are drawn; all by default.
        fine_blur: blur the supersampled image; by default lenstronomy blurs that of whole pixels.
    """
    one, lens = instrument.bands[band], scene.lenses[0]
    scale, n = one.pixel_scale_arcsec, one.n_pixels
    grid = PixelGrid(
        nx=n,
        ny=n,
        transform_pix2angle=np.eye(2) * scale,
        ra_at_xy_0=-(n - 1) / 2 * scale,
        dec_at_xy_0=-(n - 1) / 2 * scale,
    )
    picked = [light for light in scene.lights if layer in (None, light.layer)]
    direct = [light for light in picked if not light.plane]
    lensed = [light for light in picked if light.plane]
    e1, e2 = phi_q2_ellipticity(lens.phi, lens.q)
    mass = {"theta_E": lens.theta_e, "e1": e1, "e2": e2, "center_x": lens.x, "center_y": lens.y}
    shear = {"gamma1": lens.gamma1, "gamma2": lens.gamma2, "ra_0": lens.x, "dec_0": lens.y}
    model = ImageModel(
        grid,
        PSF("GAUSSIAN", fwhm=one.fwhm_arcsec, pixel_size=scale, truncation=5),
        LensModel(["SIE", "SHEAR"]),
        LightModel(["SERSIC_ELLIPSE"] * len(lensed)),
        LightModel(["SERSIC_ELLIPSE"] * len(direct)),
        kwargs_numerics={"supersampling_factor": supersampling, "supersampling_convolution": fine_blur},
    )
    return model.image(
        [mass, shear], [sersic(light, band) for light in lensed], [sersic(light, band) for light in direct]
    )
