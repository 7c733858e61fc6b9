"""Preimages: noise changed until the network reports a signal, under one of five constraints.

Source: Gebhard et al. 2019, Sec. VII D and Fig. 8; spec A4 and F20.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from skyneedle.core import metrics
from skyneedle.core.attribution import Ascent, ascend, frozen
from skyneedle.core.errors import BadSetting, ConstraintBroken, GridMismatch
from skyneedle.core.seeds import generator
from skyneedle.strain import preprocess

N_INPUTS = 6144  # 3 s
N_OUTPUTS = preprocess.n_outputs(N_INPUTS)
TARGET = slice(1024 - 102, 1024 + 102)  # outputs that are to be one: 0.1 s
MIDDLE = N_INPUTS // 2  # of the constraints
EVENT = 1024 + preprocess.OUTPUT_OFFSET  # input sample that the middle of the target is about
OUTPUT_TOLERANCE = 1e-3  # of a probability: a pass with another batch may sum in another order
SUCCESS_SHARE = 0.9  # of the ones and of the zeros of the target that the output has to reproduce


@dataclass(frozen=True)
class Mask:
    """Weights on the time axis that suppress one side of a window around the middle.

    Attributes:
        half_width: of the window in samples.
        inside, outside: the published weights; one of them is 1.
        box: length of the moving average that smooths the edges of the window.
    """

    half_width: int
    inside: float
    outside: float
    box: int

    def allowed(self) -> np.ndarray:
        """Samples where the strain is left alone, shape (6144,), booleans."""
        within = np.zeros(N_INPUTS, dtype=bool)
        within[MIDDLE - self.half_width : MIDDLE + self.half_width] = True
        return within if self.inside == 1 else ~within

    def weights(self, recipe: str) -> np.ndarray:
        """Shape (6144,), float32.

        ``faithful`` smooths with zeros beyond the ends, and across the edges of the window. ``corrected`` is
        exactly zero wherever the strain is not left alone, so that the constraint can be checked.
        """
        box = np.ones(self.box) / self.box
        if recipe == "faithful":
            return np.convolve(
                np.where(self.allowed(), 1.0, min(self.inside, self.outside)), box, "same"
            ).astype(np.float32)
        half = self.box // 2
        padded = np.pad(self.allowed(), 2 * half, mode="edge")
        eroded = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).all(axis=-1)
        smooth = np.convolve(eroded.astype(float), box, "valid")
        return np.where(self.allowed(), smooth, 0).astype(np.float32)

    def apply(self, x: torch.Tensor, recipe: str) -> torch.Tensor:
        """``x`` (..., 6144) that obeys the constraint."""
        return x * torch.from_numpy(self.weights(recipe)).to(x.device)

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Whether ``x`` of shape (row, detector, 6144) is zero where it has to be, shape (row,)."""
        return (x[..., ~self.allowed()] == 0).all(axis=(-2, -1))


@dataclass(frozen=True)
class Limits:
    """Values to which the strain is clipped, in standard deviations of the noise."""

    low: float
    high: float

    def apply(self, x: torch.Tensor, recipe: str) -> torch.Tensor:
        """``x`` (..., 6144) that obeys the constraint."""
        return x.clamp(self.low, self.high)

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Whether ``x`` of shape (row, detector, 6144) lies between the limits, shape (row,)."""
        low, high = np.float32(self.low), np.float32(self.high)
        return np.asarray(((x >= low) & (x <= high)).all(axis=(-2, -1)))


@dataclass(frozen=True)
class Constraint:
    """One row of the table of constraints.

    Attributes:
        optimised: the added "signal", which starts as white noise, or the whole "input", which starts as the
            noise of the example.
        weight: of the mean squared difference from the noise, beside the binary cross-entropy.
        share: of the steps at which the published code applies the constraint. The corrected recipe applies
            it at all of them, as it is to hold at the end.
        rule: what is applied to that which is optimised.
    """

    optimised: str
    weight: float
    share: float
    rule: Mask | Limits


CONSTRAINTS: Mapping[str, Constraint] = {
    "gw_like": Constraint("signal", 0.175, 0.5, Mask(512, inside=1, outside=0.01, box=15)),
    "minimal_perturbation": Constraint("signal", 5.0, 0.8, Mask(512, inside=0, outside=1, box=15)),
    "positive_strain": Constraint("input", 0.175, 1.0, Limits(0.0, np.inf)),
    "zero_coalescence": Constraint("input", 0.175, 1.0, Mask(256, inside=0, outside=1, box=7)),
    "minimal_amplitude": Constraint("input", 0.0, 1.0, Limits(-0.08, 0.08)),
}


class Preimages(NamedTuple):
    """Preimages, one row for each pair of constraint and example.

    Attributes:
        constraint: names, one a row.
        example: ids, one a row.
        original: noise that was started from, shape (row, detector, 6144), normalised.
        inputs: optimised inputs, likewise.
        output: probability, shape (row, 2049).
        holds: whether the constraint holds on ``inputs``, shape (row,).
        losses: shape (step, row).
    """

    constraint: list[str]
    example: np.ndarray
    original: np.ndarray
    inputs: np.ndarray
    output: np.ndarray
    holds: np.ndarray
    losses: np.ndarray


def target() -> np.ndarray:
    """The output that is asked for, shape (2049,), float32."""
    wanted = np.zeros(N_OUTPUTS, dtype=np.float32)
    wanted[TARGET] = 1
    return wanted


def preimages(
    network: nn.Module,
    noise: np.ndarray,
    examples: Sequence[int],
    constraints: Sequence[str] = tuple(CONSTRAINTS),
    recipe: str = "corrected",
    seed: int = 0,
    *,
    steps: int = 256,
    device: str = "cpu",
    rows_at_once: int = 20,
) -> Preimages:
    """Optimise inputs under each constraint from each noise example.

    Args:
        network: from (batch, detector, 6144) to logits (batch, 2049); its weights are not changed.
        noise: normalised noise, shape (example, detector, 6144).
        examples: their ids, which decide the random start together with the seed.
        constraints: names from ``CONSTRAINTS``.
        recipe: "faithful" reproduces the published order of steps: the constraint comes before the pass, and
            an optimised "input" is saved after the last step, one step ahead of the saved output. "corrected"
            ends with the constraint and another pass.
        seed: root seed.
        steps: of the optimisation.
        device: "cpu" or "cuda:0".
        rows_at_once: pairs of constraint and example in one batch; does not change any of them.

    Returns:
        The preimages, all examples of the first constraint first.

    Raises:
        GridMismatch: if the noise or the outputs have the wrong length.
        ConstraintBroken: if a corrected preimage does not obey its constraint or its output is another one's.
    """
    unknown = [name for name in constraints if name not in CONSTRAINTS]
    if unknown or recipe not in ("corrected", "faithful"):
        raise BadSetting(
            f"constraints are {list(constraints)}, recipe is {recipe!r}; expected names among "
            f"{list(CONSTRAINTS)}, and corrected or faithful."
        )
    noise = np.ascontiguousarray(noise, dtype=np.float32)
    if noise.ndim != 3 or noise.shape[-1] != N_INPUTS or len(noise) != len(examples):
        raise GridMismatch(
            f"Noise has shape {noise.shape} for {len(examples)} examples; expected (example, detector, "
            f"{N_INPUTS})."
        )
    rows = [(name, place) for name in constraints for place in range(len(noise))]
    batches = [rows[first : first + rows_at_once] for first in range(0, len(rows), rows_at_once)]
    network = network.to(device)
    with frozen(network):
        parts = [_optimise(network, noise, examples, batch, recipe, seed, steps, device) for batch in batches]
        inputs, output, holds = (np.concatenate([part[k] for part in parts]) for k in range(3))
        found = Preimages(
            constraint=[name for name, _ in rows],
            example=np.array([examples[place] for _, place in rows], dtype=np.int64),
            original=noise[[place for _, place in rows]],
            inputs=inputs,
            output=output,
            holds=holds,
            losses=np.concatenate([part[3] for part in parts], axis=1),
        )
        if recipe == "corrected":
            check(network, found, device, rows_at_once)
    return found


def _optimise(
    network: nn.Module,
    noise: np.ndarray,
    examples: Sequence[int],
    rows: Sequence[tuple[str, int]],
    recipe: str,
    seed: int,
    steps: int,
    device: str,
) -> tuple[np.ndarray, ...]:
    """Inputs, outputs, whether constraints hold, and losses of one batch."""
    of_row = [CONSTRAINTS[name] for name, _ in rows]
    original = noise[[place for _, place in rows]]
    adds = np.array([constraint.optimised == "signal" for constraint in of_row])[:, None, None]
    drawn = np.stack(
        [generator(seed, "preimage", examples[place]).standard_normal(noise.shape[1:]) for _, place in rows]
    )
    start = torch.from_numpy(np.where(adds, drawn, original).astype(np.float32)).to(device)
    base = torch.from_numpy(np.where(adds, original, np.float32(0))).to(device)
    reference = torch.from_numpy(original).to(device)
    wanted = torch.from_numpy(target()).to(device).expand(len(rows), -1)
    weight = torch.tensor([constraint.weight for constraint in of_row], device=device)

    def objective(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = base + x
        logits = network(inputs)
        if logits.shape != wanted.shape:
            raise GridMismatch(
                f"The network gives {tuple(logits.shape)} outputs for {N_INPUTS} samples, preimages need "
                f"{tuple(wanted.shape)}; choose a fully convolutional network with a receptive field of "
                f"{preprocess.RECEPTIVE_FIELD}."
            )
        entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=1)
        return entropy + weight * (inputs - reference).square().mean(dim=(1, 2)), logits

    def constrain(x: torch.Tensor, step: int) -> torch.Tensor:
        return torch.stack(
            [
                one.rule.apply(row, recipe) if recipe == "corrected" or step < one.share * steps else row
                for one, row in zip(of_row, x, strict=True)
            ]
        )

    ended = ascend(objective, start, constrain, steps=steps, settle=recipe == "corrected")
    inputs = (base + _saved(ended, adds)).cpu().numpy()
    return inputs, torch.sigmoid(ended.outputs).cpu().numpy(), _holds(rows, inputs, original), ended.losses


def _saved(ended: Ascent, adds: np.ndarray) -> torch.Tensor:
    # The published code forms the sum of noise and signal before the pass and saves that, but an optimised
    # input is changed in place by the last step.
    return torch.where(torch.from_numpy(adds).to(ended.inputs.device), ended.judged, ended.inputs)


def _holds(rows: Sequence[tuple[str, int]], inputs: np.ndarray, original: np.ndarray) -> np.ndarray:
    held = []
    for (name, _), given, noise in zip(rows, inputs, original, strict=True):
        constraint = CONSTRAINTS[name]
        changed = given - noise if constraint.optimised == "signal" else given
        held.append(constraint.rule.holds(changed[None])[0])
    return np.array(held)


def check(network: nn.Module, found: Preimages, device: str = "cpu", rows_at_once: int = 20) -> None:
    """Make sure that preimages are what they claim to be.

    Args:
        network: that they were made for.
        found: the preimages.
        device: of the network.
        rows_at_once: in one pass.

    Raises:
        ConstraintBroken: if an input does not obey its constraint, or its output is not the network's.
    """
    for number in np.flatnonzero(~found.holds):
        raise ConstraintBroken(
            f"Preimage {found.constraint[number]} of example {found.example[number]} does not obey its "
            f"constraint; this is a fault of the optimisation, please report it."
        )
    for first in range(0, len(found.inputs), rows_at_once):
        part = slice(first, first + rows_at_once)
        with torch.no_grad():
            again = torch.sigmoid(network(torch.from_numpy(found.inputs[part]).to(device))).cpu().numpy()
        off = np.abs(again - found.output[part]).max(axis=1)
        if not (off <= OUTPUT_TOLERANCE).all():
            number = first + int(np.argmax(off))
            raise ConstraintBroken(
                f"Preimage {found.constraint[number]} of example {found.example[number]} has an output "
                f"that is {off.max():.3g} off what the network gives for it; expected at most "
                f"{OUTPUT_TOLERANCE:g}: do not run the network with random layers."
            )


# --- tables


def preimage_table(found: Preimages, detectors: Sequence[str] = ("H1", "L1")) -> pd.DataFrame:
    """One row for each sample of each preimage.

    Args:
        found: the preimages.
        detectors: names.

    Returns:
        Columns constraint, example, sample, time_s (from the start of the 3 s), <detector>_original and
        <detector>_input (standard deviations of the noise), target and output (NaN where there is no output).
    """
    sample = np.arange(N_INPUTS)
    wide = np.full((2, N_INPUTS), np.nan, dtype=np.float32)
    judged = slice(preprocess.OUTPUT_OFFSET, preprocess.OUTPUT_OFFSET + N_OUTPUTS)
    frames = []
    for number, (constraint, example) in enumerate(zip(found.constraint, found.example, strict=True)):
        wide[0, judged], wide[1, judged] = target(), found.output[number]
        columns: dict[str, Any] = {"constraint": constraint, "example": example, "sample": sample}
        columns["time_s"] = sample / preprocess.SAMPLE_RATE
        for kind, values in (("original", found.original), ("input", found.inputs)):
            columns |= {f"{name}_{kind}": values[number, row].copy() for row, name in enumerate(detectors)}
        frames.append(pd.DataFrame(columns | {"target": wide[0].copy(), "output": wide[1].copy()}))
    return pd.concat(frames, ignore_index=True)


def reached(output: np.ndarray) -> np.ndarray:
    """Whether outputs (row, 2049) are on the right side of 0.5 for 9 of 10 ones, and zeros, of the target."""
    ones = target() == 1
    return ((output[:, ones] > 0.5).mean(axis=1) >= SUCCESS_SHARE) & (
        (output[:, ~ones] < 0.5).mean(axis=1) >= SUCCESS_SHARE
    )


def success_metrics(found: Preimages) -> dict[str, dict[str, Any]]:
    """Share of preimages that obey the constraint and give the target output, for each constraint.

    Returns:
        ``<constraint>_success`` to value, interval, n and definition.
    """
    done = reached(found.output) & found.holds
    names = np.array(found.constraint)
    definition = (
        "share of preimages that obey the constraint and whose output is on the right side of 0.5 for at "
        f"least {SUCCESS_SHARE:.0%} of the ones and of the zeros of the target"
    )
    return {
        f"{name}_success": metrics.binomial(done[names == name].sum(), (names == name).sum())
        | {"definition": definition}
        for name in dict.fromkeys(found.constraint)
    }
