"""Every figure of wilde2022 by its name."""

from collections.abc import Callable
from pathlib import Path

from skyneedle.lenses.figures import architectures, attribution, dreams, images, judging, learning, selection

FIGURES: dict[str, Callable[..., list[Path]]] = {
    "fig1_training_images": images.fig1,
    "fig2_compound_images": images.fig2,
    "fig3_known_compounds": judging.fig3,
    "fig4_accuracy": learning.fig4,
    "fig5_loss": learning.fig5,
    "fig6_roc": judging.fig6,
    "fig7_ou66": architectures.fig7,
    "fig8_ou200": architectures.fig8,
    "fig9_embedding": judging.fig9,
    "fig10_groups": judging.fig10,
    "fig11_occlusion_singles": attribution.fig11,
    "fig12_occlusion_compounds": attribution.fig12,
    "fig13_occlusion_known": attribution.fig13,
    "fig14_kernels_ou66": dreams.fig14,
    "fig15_kernels_ou200": dreams.fig15,
    "fig16_dreams": dreams.fig16,
    "fig17_guided_grad_cam": attribution.fig17,
    "extra_attribution_scores": attribution.extra_scores,
    "extra_colour_stress": selection.extra_colour_stress,
    "extra_completeness": selection.extra_completeness,
    "extra_compound_recipes": images.extra_compound_recipes,
    "extra_false_positives": selection.extra_false_positives,
    "extra_impostors": images.extra_impostors,
    "extra_matched_compounds": selection.extra_matched_compounds,
    "extra_psf_orientation": selection.extra_psf_orientation,
    "extra_unseen_impostors": selection.extra_unseen_impostors,
}
