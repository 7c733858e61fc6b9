"""What the two recipes make of the same nominal SNR: the SNR that an injection really has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import fft

from skyneedle.strain.simulate.background import RAW_RATE
from skyneedle.strain.simulate.examples import example, has_injection
from skyneedle.strain.simulate.noise import noise_psd
from skyneedle.strain.simulate.settings import RECIPES, SNR_DETECTORS, Settings
from skyneedle.strain.simulate.snr import optimal_snrs, weights_of_smooth

F_LOW_HZ = 20.0
FIRST_ID = 900_000  # apart from the ids of all sets


def true_snrs(settings: Mapping[str, Any], n_examples: int, seed: int) -> pd.DataFrame:
    """Nominal SNR of injections, and their optimal SNR with the true PSD of the simulated noise.

    Args:
        settings: of the simulation; recipe and source are set here.
        n_examples: ids to make with each recipe; about three quarters have an injection.
        seed: root seed.

    Returns:
        Columns recipe, nominal, true; one row an injection.

    Source: spec F1.
    """
    rows = []
    for recipe in RECIPES:
        chosen = Settings(**{**settings, "recipe": recipe, "source": "simulated"})
        for number in range(FIRST_ID, FIRST_ID + n_examples):
            if has_injection(number, chosen.share_injection, seed):
                made = example(number, chosen, seed)
                rows.append(
                    {"recipe": recipe, "nominal": made.row["snr"], "true": _true(made.signal, chosen)}
                )
    return pd.DataFrame(rows)


def _true(signal: np.ndarray | None, settings: Settings) -> float:
    assert signal is not None
    picked = [settings.detectors.index(name) for name in SNR_DETECTORS]
    n = signal.shape[-1]
    weights = np.stack(
        [
            weights_of_smooth(
                noise_psd(settings.psd_of(name), RAW_RATE, settings.psd_file_holds), n, RAW_RATE, F_LOW_HZ
            )
            for name in SNR_DETECTORS
        ]
    )
    snrs = optimal_snrs(fft.rfft(signal[picked], axis=-1), weights, n, RAW_RATE)
    return float(np.sqrt((snrs**2).sum()))


def write(settings: Mapping[str, Any], n_examples: int, seed: int, path: str | Path) -> None:
    """Write the table of ``true_snrs`` as CSV."""
    true_snrs(settings, n_examples, seed).to_csv(path, index=False)
