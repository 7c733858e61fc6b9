"""Weights of two classes, and the loss that uses them."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from skyneedle.core import classes
from skyneedle.core.errors import BadSetting


def test_weights_give_both_classes_the_same_sum():
    negative, positive = classes.class_weights(np.array([0, 1, 1, 1]))
    assert (negative, positive) == (2.0, 2 / 3)
    # The published ones are the share of positives for negatives, and the other way round.
    assert negative / positive == pytest.approx(0.75 / 0.25)


def test_the_loss_is_that_of_torch_over_a_whole_set_and_adds_up_over_batches():
    torch.manual_seed(0)
    logits, labels = torch.randn(40, 2), torch.tensor([0, 1, 1, 1] * 10)
    loss = classes.WeightedCrossEntropy(classes.class_weights(labels.numpy()))
    expected = functional.cross_entropy(logits, labels, weight=torch.tensor(loss.weights))
    assert loss(logits, labels) == pytest.approx(float(expected), rel=1e-6)
    parts = [float(loss(logits[rows], labels[rows])) * len(rows) for rows in torch.arange(40).split(7)]
    assert sum(parts) / 40 == pytest.approx(float(expected), rel=1e-6)


def test_a_network_of_one_logit_is_refused():
    loss = classes.WeightedCrossEntropy((1.0, 1.0))
    with pytest.raises(BadSetting, match=r"shape \(3, 1\).*expected \(3, 2\)"):
        loss(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long))


def test_log_odds_and_accuracy_are_of_the_second_class():
    logits = torch.tensor([[0.0, 2.0], [3.0, 1.0]])
    assert classes.log_odds(logits).tolist() == [2.0, -2.0]
    assert classes.accuracy(logits, torch.tensor([1, 1])) == 0.5
