"""Every figure of ayyar2022 by its name."""

from collections.abc import Callable
from pathlib import Path

from skyneedle.transients.figures import curves, diagrams, histograms, labels, learning, stamps, strata

FIGURES: dict[str, Callable[..., list[Path]]] = {
    "fig1_network": diagrams.fig1,
    "fig2_stamps": stamps.fig2,
    "fig3_confusion_scheme": diagrams.fig3,
    "fig4_old_labels": curves.fig4,
    "fig5_scores": histograms.fig5,
    "fig6_relabelled": stamps.fig6,
    "fig7_judged_by_new_labels": curves.fig7,
    "fig8_new_labels": curves.fig8,
    "fig9_roc": curves.fig9,
    "fig10_learning_curves": learning.fig10,
    "fig11_confusion": diagrams.fig11,
    "fig12_ongoing_survey": histograms.fig12,
    "fig13_real_bogus": histograms.fig13,
    "extra_crossed": labels.extra_crossed,
    "extra_importances": learning.extra_importances,
    "extra_kinds": stamps.extra_kinds,
    "extra_label_noise": labels.extra_label_noise,
    "extra_search": learning.extra_search,
    "extra_strata": strata.extra_strata,
    "extra_suspects": labels.extra_suspects,
}
