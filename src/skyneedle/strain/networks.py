"""Networks for strain: the dilated fully convolutional network and the one-second classifier.

Every network here is a plain ``nn.Module`` from (batch, detector, time) to logits (batch, n_outputs) with
integers ``receptive_field`` (inputs that one output sees), ``output_offset`` (input sample that output 0 is
about) and ``step`` (input samples from one output to the next).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from skyneedle.core.errors import BadSetting, DetectorMismatch, StrainTooShort, UnknownNetwork

POOLED = 64  # samples that one feature of the classifier stands for: three poolings by four
FIRST_BIAS = 0.001  # of every layer of the published network
REQUIRED_ATTRIBUTES = ("output_offset",)  # what a network from a user's own file must have, all integers


class _DilatedPair(torch.autograd.Function):
    """ReLU of a convolution with two taps, as matrix products over contiguous rows.

    In the layout (time, channel) both taps of a dilated kernel are plain slices of rows, whatever the
    dilation; so the convolution is two products without any copy. On a CPU a training step takes half the
    time of the general convolution at 32 channels and two thirds at 512.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, dilation: int
    ) -> torch.Tensor:
        early, late = (tap.t().contiguous() for tap in weight.unbind(2))
        y = x.new_empty(len(x), x.shape[1] - dilation, weight.shape[0])
        for source, target in zip(_pieces(x), _pieces(y), strict=True):
            n = target.shape[1]
            torch.baddbmm(bias, source[:, :n], _every(early, source), out=target)
            target.baddbmm_(source[:, dilation:], _every(late, source)).relu_()
        ctx.save_for_backward(x, weight, y)
        ctx.dilation = dilation
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        early, late = (tap.contiguous() for tap in weight.unbind(2))
        d = ctx.dilation
        to_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        to_x_pieces = () if to_x is None else _pieces(to_x)
        # Sums over the batch are kept in at least single precision whatever the layer computes in.
        exact = torch.promote_types(weight.dtype, torch.float32)
        to_early, to_late = (torch.zeros_like(tap, dtype=exact) for tap in (early, late))
        to_bias = torch.zeros(len(early), device=x.device, dtype=exact)
        for i, (source, target, incoming) in enumerate(zip(*map(_pieces, (x, y, gradient)), strict=True)):
            n = target.shape[1]
            incoming = torch.ops.aten.threshold_backward(incoming, target, 0)
            flipped = incoming.transpose(1, 2)
            to_early += torch.bmm(flipped, source[:, :n]).sum(0, dtype=exact)
            to_late += torch.bmm(flipped, source[:, d:]).sum(0, dtype=exact)
            to_bias += incoming.sum((0, 1), dtype=exact)
            if to_x is not None:
                outgoing = to_x_pieces[i]
                torch.bmm(incoming, _every(early, source), out=outgoing[:, :n])
                outgoing[:, n:] = 0
                outgoing[:, d:].baddbmm_(incoming, _every(late, source))
        return to_x, torch.stack((to_early, to_late), 2).to(weight.dtype), to_bias.to(weight.dtype), None


def _pieces(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """One example at a time on a CPU, for its cache; the whole batch at once on an accelerator."""
    return tensor.split(1) if tensor.device.type == "cpu" else (tensor,)


def _every(matrix: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """The same matrix for every example, without a copy."""
    return matrix.expand(len(batch), *matrix.shape)


class FCN(nn.Module):
    """Fully convolutional network of dilated convolutions with two taps; see ``fcn``.

    Attributes:
        receptive_field: inputs that one output sees.
        output_offset: input sample that output 0 is about, the middle of its receptive field.
        step: input samples from one output to the next.
        training_step: the same while it is trained, a power of two.
        detectors: number of detectors.
        half_precision_pays: whether matrix products in bfloat16 are worth it on a processor that has them.
    """

    step = 1
    input: Any
    blocks: Any
    output: Any

    def __init__(self, detectors: int, channels: int, n_blocks: int, training_step: int = 1):
        super().__init__()
        if training_step not in (2**i for i in range(n_blocks + 1)):
            raise BadSetting(
                f"training_step is {training_step}; expected a power of two of at most {2**n_blocks}."
            )
        self.detectors, self.training_step = detectors, training_step
        self.half_precision_pays = channels >= 64
        self.input = nn.Conv1d(detectors, channels, 1)
        self.blocks = nn.ModuleList(nn.Conv1d(channels, channels, 2, dilation=2**i) for i in range(n_blocks))
        self.output = nn.Conv1d(channels, 1, 1)
        self.receptive_field = 2**n_blocks
        self.output_offset = self.receptive_field // 2 - 1
        for layer in (self.input, *self.blocks, self.output):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.constant_(layer.bias, FIRST_BIAS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch.

        Args:
            x: normalised whitened strain, shape (batch, detector, time).

        Returns:
            Logits, shape (batch, time - receptive_field + 1); in training every ``training_step``-th of them.

        Raises:
            StrainTooShort: if there are fewer samples than one receptive field.
            DetectorMismatch: if the number of detectors differs from the network's.
        """
        _check_input(x, self.detectors, self.receptive_field)
        kind = x.device.type  # custom functions do not see autocast, so its type is applied here
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        rows = x.transpose(1, 2).to(dtype)
        layers = [self.folded_first(), *((block.weight, block.bias) for block in self.blocks[1:])]
        step, reached = self.training_step if self.training else 1, 1
        for (weight, bias), block in zip(layers, self.blocks, strict=True):
            weight, bias = weight.to(dtype), bias.to(dtype)
            if reached < step:
                # Of every second output only, a block needs each pair of its rows once: one product of pairs.
                pairs = rows[:, : rows.shape[1] // 2 * 2].unflatten(1, (-1, 2)).flatten(2)
                rows = functional.linear(pairs, weight.transpose(1, 2).flatten(1), bias).relu()
                reached *= 2
            else:
                rows = _DilatedPair.apply(rows, weight, bias, block.dilation[0] // reached)
        return functional.linear(rows, self.output.weight[:, :, 0], self.output.bias)[:, :, 0]

    def folded_first(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (channel, detector, 2) and bias of the input layer and the first block as one layer.

        No ReLU stands between them, so two products of width ``channels`` become two of width ``detectors``.
        """
        first, inner = self.blocks[0], self.input
        with torch.autocast(first.weight.device.type, enabled=False):
            weight = torch.einsum("oik,id->odk", first.weight, inner.weight[:, :, 0])
            return weight, first.bias + first.weight.sum(2) @ inner.bias

    def for_inference(self, dtype: torch.dtype = torch.float32) -> "FoldedFCN":
        """The same function without gradients, in a type of one's choice."""
        return FoldedFCN(self, dtype)


class FoldedFCN(nn.Module):
    """An ``FCN`` for inference, without gradients, its matrix products in a type of one's choice."""

    step = 1
    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, network: FCN, dtype: torch.dtype):
        super().__init__()
        self.detectors = network.detectors
        self.receptive_field, self.output_offset = network.receptive_field, network.output_offset
        self.dtype = dtype
        with torch.no_grad():
            layers = [network.folded_first(), *((block.weight, block.bias) for block in network.blocks[1:])]
            for i, (weight, bias) in enumerate(layers):
                self.register_buffer(f"early_{i}", weight[:, :, 0].t().to(dtype).contiguous())
                self.register_buffer(f"late_{i}", weight[:, :, 1].t().to(dtype).contiguous())
                self.register_buffer(f"bias_{i}", bias.to(dtype))
            self.register_buffer("weight", network.output.weight[0, :, 0].detach().to(dtype))
            self.register_buffer("bias", network.output.bias.detach().float())
        self.dilations = [block.dilation[0] for block in network.blocks]

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits in single precision; shapes as in ``FCN.forward``."""
        _check_input(x, self.detectors, self.receptive_field)
        if x.device.type != "cpu":
            return self._judge(x)
        return torch.cat([self._judge(x[i : i + 1]) for i in range(len(x))])

    def _judge(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.transpose(1, 2).to(self.dtype).contiguous()
        for i, dilation in enumerate(self.dilations):
            early, late = (_every(getattr(self, f"{name}_{i}"), rows) for name in ("early", "late"))
            result = torch.baddbmm(getattr(self, f"bias_{i}"), rows[:, : rows.shape[1] - dilation], early)
            rows = result.baddbmm_(rows[:, dilation:], late).relu_()
        return (rows @ self.weight).float() + self.bias


class Classifier(nn.Module):
    """Binary classifier of short pieces with dense layers; see ``classifier``.

    Attributes:
        receptive_field: samples of one piece.
        output_offset: sample of the piece that its output is about, the middle.
        step: samples between the pieces that ``forward`` cuts out of a longer series.
    """

    def __init__(self, detectors: int, sample_rate: int, duration_s: float, step: int, dropout: float):
        super().__init__()
        self.detectors, self.step = detectors, step
        self.receptive_field = round(sample_rate * duration_s)
        self.output_offset = self.receptive_field // 2 - 1
        layers: list[nn.Module] = []
        n_channels, n_samples = detectors, self.receptive_field
        for i, (kernels, length) in enumerate(((8, 16), (8, 8), (16, 8), (16, 4), (32, 4), (32, 4))):
            layers += [nn.Conv1d(n_channels, kernels, length), nn.ELU()]
            n_channels, n_samples = kernels, n_samples - length + 1
            if i % 2:
                layers.append(nn.MaxPool1d(4))
                n_samples //= 4
            if n_samples < 1:
                raise StrainTooShort(
                    f"A piece of {self.receptive_field} samples is shorter than the kernels of the "
                    "classifier; lengthen it."
                )
        self.features = nn.Sequential(*layers)
        self.n_features = n_samples
        dense = (nn.Linear(n_channels * n_samples, 64), nn.Linear(64, 64), nn.Linear(64, 1))
        self.head = nn.Sequential(
            dense[0], nn.ELU(), nn.Dropout(dropout), dense[1], nn.ELU(), nn.Dropout(dropout), dense[2]
        )

    def classify(self, pieces: torch.Tensor) -> torch.Tensor:
        """Logits (batch,) of pieces (batch, detector, receptive_field)."""
        return self.head(self.features(pieces).flatten(1))[:, 0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a window that slides by ``step`` samples.

        Args:
            x: normalised whitened strain, shape (batch, detector, time).

        Returns:
            Logits, shape (batch, (time - receptive_field) // step + 1); output j is about input
            ``output_offset + j * step``.

        Raises:
            StrainTooShort: if there are fewer samples than one piece.
            DetectorMismatch: if the number of detectors differs from the network's.
        """
        _check_input(x, self.detectors, self.receptive_field)
        if self.step % POOLED:
            pieces = x.unfold(2, self.receptive_field, self.step).transpose(1, 2)
            return self.classify(pieces.flatten(0, 1)).view(pieces.shape[:2])
        # Pieces that start on the grid of the pooling share their convolutions: these are done once for all.
        n_outputs = (x.shape[2] - self.receptive_field) // self.step + 1
        maps = self.features(x).unfold(2, self.n_features, self.step // POOLED)[:, :, :n_outputs]
        return self.head(maps.transpose(1, 2).flatten(2))[..., 0]


def _check_input(x: torch.Tensor, detectors: int, receptive_field: int) -> None:
    if x.ndim != 3 or x.shape[1] != detectors:
        raise DetectorMismatch(
            f"The network takes (batch, {detectors} detectors, time), the data have shape {tuple(x.shape)}; "
            "choose a network for these detectors."
        )
    if x.shape[2] < receptive_field:
        raise StrainTooShort(
            f"{x.shape[2]} samples are fewer than one receptive field of {receptive_field} samples."
        )


def output_grid(network: Any, n_inputs: int, detectors: int = 2) -> torch.Tensor:
    """The input samples that the outputs of a network are about.

    Args:
        network: any network of this room or of a user's own file.
        n_inputs: length of the input in samples.
        detectors: number of detectors.

    Returns:
        Indices into the input, shape (n_outputs,): output_offset, output_offset + step, ...
    """
    was_training = network.training
    parameter = next(network.parameters(), torch.zeros(0))
    with torch.no_grad():
        n_outputs = network.eval()(parameter.new_zeros(1, detectors, n_inputs)).shape[1]
    network.train(was_training)
    return network.output_offset + getattr(network, "step", 1) * torch.arange(n_outputs)


def fcn(detectors: int = 2, channels: int = 512, n_blocks: int = 12, training_step: int = 1) -> FCN:
    """The published network: twelve dilated convolutions between two of width one.

    Args:
        detectors: number of detectors.
        channels: kernels of every layer; 512 in the paper.
        n_blocks: layers with two taps; the receptive field is 2 to this power.
        training_step: in training only every so-many-th output is computed; a power of two. Neighbours see
            almost the same input, and later layers have so much less to do: with 16, a training step takes an
            eighth of the time.

    Returns:
        A network from (batch, detector, n) to logits (batch, n - 2**n_blocks + 1); weights Kaiming-normal by
        fan-in, all biases 0.001. The input layer has no ReLU.

    Source: Gebhard et al. 2019, Sec. V A and Fig. 3.
    """
    return FCN(detectors, channels, n_blocks, training_step)


def classifier(
    detectors: int = 2,
    sample_rate: int = 2048,
    duration_s: float = 1.0,
    step: int = 128,
    dropout: float = 0.5,
) -> Classifier:
    """A classifier of one-second pieces with dense layers, the approach that the paper argues against.

    Args:
        detectors: number of detectors.
        sample_rate: in Hz.
        duration_s: length of a piece in s.
        step: samples between the pieces of a longer series; fast in multiples of 64.
        dropout: share of dense units left out in training.

    Returns:
        A network from (batch, detector, n) to logits (batch, (n - piece) // step + 1).

    Source: the kind of network of Gabbard et al. 2018 and George and Huerta 2018, as discussed in Gebhard et
        al. 2019, Sec. III; the sizes are a choice made here.
    """
    return Classifier(detectors, sample_rate, duration_s, step, dropout)


BUILDERS: dict[str, Callable[..., nn.Module]] = {"fcn": fcn, "classifier": classifier}
NAMES = tuple(BUILDERS)


def build(name: str, **options: Any) -> nn.Module:
    """A network by its name.

    Args:
        name: one of ``NAMES``.
        **options: arguments of the function of that name.

    Returns:
        The network with fresh weights.

    Raises:
        UnknownNetwork: if there is no such name, or an option it does not take.
    """
    if name not in BUILDERS:
        raise UnknownNetwork(
            f"There is no network '{name}' for strain; known are {', '.join(NAMES)}, "
            "or give your own as path/to/file.py:ClassName."
        )
    try:
        return BUILDERS[name](**options)
    except TypeError as error:
        raise UnknownNetwork(f"Network '{name}' cannot be built with {options}: {error}.") from error
