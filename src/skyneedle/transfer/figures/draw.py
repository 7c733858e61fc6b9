"""Every figure of akhazhanov2018 by its name."""

from collections.abc import Callable
from pathlib import Path

from skyneedle.transfer.figures import architectures, leaks, results, stamps

FIGURES: dict[str, Callable[..., list[Path]]] = {
    "fig2-1_gravitational_lensing": stamps.fig2_1,
    "fig3-1_deeplens": architectures.fig3_1,
    "fig4-1_network": architectures.fig4_1,
    "fig4-2_vgg16": architectures.fig4_2,
    "fig4-3_inception": architectures.fig4_3,
    "fig4-4_residual_block": architectures.fig4_4,
    "fig4-5_nasnet": architectures.fig4_5,
    "fig5-1_training_data": stamps.fig5_1,
    "fig5-2_augmented_data": stamps.fig5_2,
    "extra_cross_validation": results.extra_cross_validation,
    "extra_grades": results.extra_grades,
    "extra_leak": leaks.extra_leak,
    "extra_morphology": stamps.extra_morphology,
    "extra_provenance": leaks.extra_provenance,
    "extra_roc": results.extra_roc,
    "extra_sets": stamps.extra_sets,
}
