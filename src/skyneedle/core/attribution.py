"""What a network responds to: inputs changed along its gradient, with its weights left alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from skyneedle.core.errors import BadSetting

# Inputs (n, ...) to one number an example (n,) and the network's outputs (n, ...).
Objective = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Constrain = Callable[[torch.Tensor, int], torch.Tensor]  # inputs (n, ...) and number of the step to inputs


class Ascent(NamedTuple):
    """Inputs after gradient steps.

    Attributes:
        inputs: at the end, shape (n, ...).
        judged: inputs of the last forward pass, likewise: one step before ``inputs``, or the same if settled.
        outputs: of that pass.
        losses: before each step, shape (steps, n), on the CPU.
    """

    inputs: torch.Tensor
    judged: torch.Tensor
    outputs: torch.Tensor
    losses: np.ndarray


@contextmanager
def frozen(network: nn.Module) -> Iterator[nn.Module]:
    """A network in evaluation mode whose weights get no gradient; afterwards all is as it was."""
    modes = [(module, module.training) for module in network.modules()]
    wanted = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    network.eval().requires_grad_(False)
    try:
        yield network
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, want in wanted:
            parameter.requires_grad_(want)


def ascend(
    objective: Objective,
    start: torch.Tensor,
    constrain: Constrain | None = None,
    *,
    steps: int = 256,
    learning_rate: float = 0.3,
    min_learning_rate: float = 1e-4,
    settle: bool = True,
) -> Ascent:
    """Change inputs step by step so that a loss of them falls (the network's wanted response ascends).

    Adam with AMSGrad; its learning rate follows half a cosine down to ``min_learning_rate``. The losses of
    the examples are summed, not averaged, so no example's path depends on what else is in the batch.

    Args:
        objective: one loss for each example, and outputs; freeze the network in it with ``frozen``.
        start: first inputs, series, images or anything, shape (n, ...); not changed.
        constrain: applied to the inputs before each pass, outside of the gradient.
        steps: number of steps, at least one.
        learning_rate: at the start.
        min_learning_rate: at the end.
        settle: constrain the inputs once more after the last step and pass them again, so that the constraint
            holds on what is returned and the outputs belong to it.

    Returns:
        Inputs, outputs and the history of the losses.

    Raises:
        BadSetting: if there is no step, or a loss is not finite or not one number for each example.

    Source: Gebhard et al. 2019, Sec. VII D; spec A4.
    """
    if steps < 1:
        raise BadSetting(f"steps is {steps}; expected at least one.")
    inputs = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([inputs], lr=learning_rate, amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=min_learning_rate)
    history = []
    for step in range(steps):
        _apply(constrain, inputs, step)
        optimizer.zero_grad()
        losses, outputs = objective(inputs)
        if losses.shape != inputs.shape[:1]:
            raise BadSetting(
                f"The loss has shape {tuple(losses.shape)}; expected one number for each of the "
                f"{len(inputs)} examples: take means over all other axes."
            )
        losses.sum().backward()
        if step == steps - 1:
            judged = inputs.detach().clone()
        optimizer.step()
        schedule.step()
        history.append(losses.detach())
    if settle:
        _apply(constrain, inputs, steps - 1)
        judged = inputs.detach()
        with torch.no_grad():
            _, outputs = objective(judged)
    table = torch.stack(history).cpu().numpy()
    if not np.isfinite(table).all():
        raise BadSetting(
            f"The loss became {table[~np.isfinite(table)][0]} on the way of {steps} steps; "
            f"look for NaN in the inputs, or lower the learning rate of {learning_rate:g}."
        )
    return Ascent(inputs.detach(), judged, outputs.detach(), table)


def _apply(constrain: Constrain | None, inputs: torch.Tensor, step: int) -> None:
    if constrain is not None:
        with torch.no_grad():
            inputs.copy_(constrain(inputs, step))
