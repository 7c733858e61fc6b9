"""Least squares of a round Gaussian to many stamps at once.

The Gaussian is a product of a function of the row and one of the column, and its amplitude enters linearly.
So the sum of squares of the residuals at the best amplitude is S - P^2 / N, with P the product of image and
Gaussian and N the Gaussian's own square, and P, N and all their derivatives are small matrix products.
"""

from typing import NamedTuple

import numpy as np

REACH = 0.5  # px that the centre may move from the middle of the stamp along each axis
SIGMAS = (0.3, 1000.0)  # px; a narrower one is one pixel, a wider one a constant
N_START = 32  # widths that are tried first
ROUNDS = 40
SETTLED = 1e-10  # relative gain in the sum of squares
LEAST_GAIN = 1e-13
# Pairs (order in the centre, order in log sigma) of the derivatives of a one-dimensional Gaussian.
PLAIN, IN_CENTRE, IN_WIDTH, TWICE_CENTRE, MIXED, TWICE_WIDTH = range(6)


class Fit(NamedTuple):
    """A round Gaussian for each stamp.

    Attributes:
        chi2: sum of the squared residuals over good pixels, shape (n,).
        sigma: width in pixels, shape (n,), within ``SIGMAS``.
        amplitude: peak value in units of the image, of either sign, shape (n,).
        row: of the centre in pixels, shape (n,), within ``REACH`` of the middle.
        column: likewise.
    """

    chi2: np.ndarray
    sigma: np.ndarray
    amplitude: np.ndarray
    row: np.ndarray
    column: np.ndarray


def fit(images: np.ndarray, good: np.ndarray | None = None) -> Fit:
    """Fit one round Gaussian without background to each image.

    Args:
        images: shape (n, side, side); bad pixels hold zero.
        good: False for pixels that do not count, same shape; all count if left out.

    Returns:
        The least sum of squares that Newton's method finds from the best of ``N_START`` widths; where an
        image is zero the amplitude is, too.

    Source: Goldstein et al. 2015, Table 2 (GAUSS, SCALE, AMP); the centre is bounded as in their code.
    """
    images = np.asarray(images, np.float64)
    total = np.einsum("nij,nij->n", images, images)
    masks = None if good is None else np.asarray(good, np.float64)
    at = _start(images, masks)
    value, slope, curvature = _measure(images, masks, total, at)
    damping = np.full(len(images), 1e-4)
    active = np.flatnonzero(total > 0)
    middle = (images.shape[1] - 1) / 2
    low = np.array([middle - REACH, middle - REACH, np.log(SIGMAS[0])])
    high = np.array([middle + REACH, middle + REACH, np.log(SIGMAS[1])])
    for _ in range(ROUNDS):
        if not len(active):
            break
        step = _step(at[active], slope[active], curvature[active], damping[active], low, high)
        tried = np.clip(at[active] + step, low, high)
        new = _measure(images[active], None if masks is None else masks[active], total[active], tried)
        gain = value[active] - new[0]
        better = gain >= 0
        took = active[better]
        at[took], value[took], slope[took], curvature[took] = tried[better], *(part[better] for part in new)
        damping[active] = np.where(better, damping[active] / 10, damping[active] * 10)
        done = (better & (gain < SETTLED * (1 + new[0]) + LEAST_GAIN)) | (damping[active] > 1e6)
        active = active[~done]
    return _fitted(images, masks, total, at)


def _start(images: np.ndarray, masks: np.ndarray | None) -> np.ndarray:
    """Middle of the stamp and the best of some widths: row, column, log sigma; shape (n, 3)."""
    side = images.shape[1]
    middle = (side - 1) / 2
    widths = np.geomspace(*SIGMAS, N_START)
    rows = np.exp(-0.5 * ((np.arange(side)[:, None] - middle) / widths) ** 2)
    product = np.einsum("niw,iw->nw", images @ rows, rows)
    if masks is None:
        norm = np.sum(rows**2, axis=0) ** 2
    else:
        norm = np.einsum("niw,iw->nw", masks @ rows**2, rows**2)
    best = np.argmax(np.divide(product**2, norm, out=np.zeros_like(product), where=norm > 0), axis=1)
    found = np.full((len(images), 3), middle)
    found[:, 2] = np.log(widths[best])
    return found


def _derivatives(centre: np.ndarray, log_sigma: np.ndarray, side: int) -> np.ndarray:
    """A one-dimensional Gaussian and its derivatives, shape (n, 6, side), in the order named above."""
    sigma = np.exp(log_sigma)[:, None]
    z = (np.arange(side) - centre[:, None]) / sigma
    squared = z * z
    bell = np.exp(-0.5 * squared)
    return np.stack(
        [
            bell,
            bell * z / sigma,
            bell * squared,
            bell * (squared - 1) / sigma**2,
            bell * z * (squared - 2) / sigma,
            bell * squared * (squared - 2),
        ],
        axis=1,
    )


def _squares(d: np.ndarray) -> np.ndarray:
    """The same derivatives of the squared Gaussian."""
    bell = d[:, PLAIN]
    return np.stack(
        [
            bell**2,
            2 * bell * d[:, IN_CENTRE],
            2 * bell * d[:, IN_WIDTH],
            2 * (d[:, IN_CENTRE] ** 2 + bell * d[:, TWICE_CENTRE]),
            2 * (d[:, IN_CENTRE] * d[:, IN_WIDTH] + bell * d[:, MIXED]),
            2 * (d[:, IN_WIDTH] ** 2 + bell * d[:, TWICE_WIDTH]),
        ],
        axis=1,
    )


def _assemble(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, gradient and Hessian in (row, column, log sigma) from products of row and column parts.

    ``pairs[n, a, b]`` is the product with derivative a of the row part and b of the column part.
    """
    value = pairs[:, PLAIN, PLAIN]
    slope = np.stack(
        [
            pairs[:, IN_CENTRE, PLAIN],
            pairs[:, PLAIN, IN_CENTRE],
            pairs[:, IN_WIDTH, PLAIN] + pairs[:, PLAIN, IN_WIDTH],
        ],
        axis=1,
    )
    row_width = pairs[:, MIXED, PLAIN] + pairs[:, IN_CENTRE, IN_WIDTH]
    column_width = pairs[:, PLAIN, MIXED] + pairs[:, IN_WIDTH, IN_CENTRE]
    width = pairs[:, TWICE_WIDTH, PLAIN] + 2 * pairs[:, IN_WIDTH, IN_WIDTH] + pairs[:, PLAIN, TWICE_WIDTH]
    curvature = np.stack(
        [
            *(pairs[:, TWICE_CENTRE, PLAIN], pairs[:, IN_CENTRE, IN_CENTRE], row_width),
            *(pairs[:, IN_CENTRE, IN_CENTRE], pairs[:, PLAIN, TWICE_CENTRE], column_width),
            *(row_width, column_width, width),
        ],
        axis=1,
    ).reshape(-1, 3, 3)
    return value, slope, curvature


def _products(
    images: np.ndarray, masks: np.ndarray | None, at: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """P and N with their derivatives."""
    side = images.shape[1]
    rows, columns = (_derivatives(at[:, axis], at[:, 2], side) for axis in (0, 1))
    image_pairs = rows @ (images @ columns.transpose(0, 2, 1))
    row_squares, column_squares = _squares(rows), _squares(columns)
    if masks is None:
        norm_pairs = row_squares.sum(axis=2)[:, :, None] * column_squares.sum(axis=2)[:, None, :]
    else:
        norm_pairs = row_squares @ (masks @ column_squares.transpose(0, 2, 1))
    return _assemble(image_pairs), _assemble(norm_pairs)


def _measure(
    images: np.ndarray, masks: np.ndarray | None, total: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of squares at the best amplitude over that of the image, its gradient and its Hessian."""
    (p, dp, ddp), (n, dn, ddn) = _products(images, masks, at)
    scale = np.maximum(total, np.finfo(float).tiny)
    n = np.maximum(n, 1e-12)  # every pixel under the Gaussian is bad
    a = p / n  # the best amplitude
    # d(P^2/N) = 2 a dP - a^2 dN, and once more.
    slope = 2 * a[:, None] * dp - a[:, None] ** 2 * dn
    da = (dp - a[:, None] * dn) / n[:, None]
    curvature = (
        2 * a[:, None, None] * ddp
        - a[:, None, None] ** 2 * ddn
        + 2 * n[:, None, None] * da[:, :, None] * da[:, None, :]
    )
    return 1 - p * a / scale, -slope / scale[:, None], -curvature / scale[:, None, None]


def _step(
    at: np.ndarray,
    slope: np.ndarray,
    curvature: np.ndarray,
    damping: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Newton's step with the curvature made positive; a centre that leans on its bound stays there."""
    stuck = ((at <= low) & (slope > 0)) | ((at >= high) & (slope < 0))
    slope = np.where(stuck, 0, slope)
    curvature = np.where(stuck[:, :, None] | stuck[:, None, :], 0, curvature)
    curvature[:, range(3), range(3)] += stuck
    sizes, axes = np.linalg.eigh(curvature)
    sizes = np.abs(sizes)
    sizes = sizes + damping[:, None] * np.maximum(sizes.max(axis=1, keepdims=True), 1e-12)
    along = np.einsum("nij,ni->nj", axes, slope) / sizes
    return np.clip(-np.einsum("nij,nj->ni", axes, along), -REACH, REACH)


def _fitted(images: np.ndarray, masks: np.ndarray | None, total: np.ndarray, at: np.ndarray) -> Fit:
    (p, _, _), (n, _, _) = _products(images, masks, at)
    amplitude = np.divide(p, n, out=np.zeros_like(p), where=n > 0)
    return Fit(np.maximum(total - p * amplitude, 0), np.exp(at[:, 2]), amplitude, at[:, 0], at[:, 1])
