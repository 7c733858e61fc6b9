"""Metrics of a cross-validation, by hand."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import metrics
from skyneedle.core.errors import BadScores, GridMismatch, NotADataSet
from skyneedle.transfer.evaluate import scored
from tests.unit.transfer.evaluate import made


def small():
    """Two folds: in the first a lens is above both others, in the second one of two is not."""
    return pd.DataFrame(
        {
            "label": [1, 0, 0, 1, 0, 1],
            "score": [0.9, 0.6, 0.1, 0.7, 0.5, 0.4],
            "logit": [2.2, 0.4, -2.2, 0.8, 0.0, -0.4],
            "parent_id": [0, 1, 2, 3, 4, 5],
            "fold": [0, 0, 0, 1, 1, 1],
        }
    )


def test_f1_is_by_its_definition_and_not_as_the_thesis_prints_it():
    part = scored.of_table(small())
    # Called from 0.5 on: 0.9, 0.6, 0.7, 0.5. TP 2, FP 2, FN 1.
    tp, fp, fn = 2, 2, 1
    _, f1, _ = scored.Folds(part).pooled()
    assert f1 == pytest.approx(2 * tp / (2 * tp + fp + fn)) == pytest.approx(4 / 7)
    as_printed = 2 * tp**2 / (2 * tp + fp + fn)  # Eq. 7: above 1 here, about 1800 for 15,000 lenses
    assert as_printed > 1
    assert f1 != pytest.approx(as_printed)


def test_each_fold_and_their_mean():
    auc, f1, auprc = scored.Folds(scored.of_table(small())).each()
    assert auc == pytest.approx([1.0, 0.5])
    assert f1 == pytest.approx([2 / 3, 0.5])  # TP 1, FP 1; TP 1, FP 1, FN 1
    assert auprc == pytest.approx([1.0, (1 + 2 / 3) / 2])
    assert scored.Folds(scored.of_table(small())).mean()[0] == pytest.approx(0.75)
    assert scored.Folds(scored.of_table(small())).mean_auc() == pytest.approx(0.75)
    assert scored.spread(auc) == pytest.approx(np.sqrt(0.125))


def test_auc_agrees_with_an_independent_implementation():
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    table = made.out_of_fold()
    auc, f1, auprc = scored.Folds(scored.of_table(table)).pooled()
    assert auc == pytest.approx(roc_auc_score(table["label"], table["logit"]))
    assert f1 == pytest.approx(f1_score(table["label"], table["score"] >= 0.5))
    assert auprc == pytest.approx(average_precision_score(table["label"], table["logit"]))


def test_a_fold_of_one_class_is_no_part_of_the_mean():
    table = small().assign(label=[1, 0, 0, 1, 1, 1])
    folds = scored.Folds(scored.of_table(table))
    assert np.isnan(folds.each()[0]).tolist() == [False, True]
    assert folds.mean()[0] == pytest.approx(1.0)


def test_stamps_of_one_parent_are_redrawn_together():
    # Every parent has ten stamps that agree, so that independent redraws would give intervals far too narrow.
    base = small().assign(parent_id=range(6))
    many = pd.concat([base] * 10, ignore_index=True)
    parents = scored.of_table(many).parents
    of = scored.Folds(scored.of_table(many))
    grouped = metrics.bootstrap(lambda w: of.pooled(w)[0], parents, 200)
    apart = metrics.bootstrap(lambda w: of.pooled(w)[0], np.arange(len(many)), 200)
    assert grouped["n"] == 6
    assert grouped["high"] - grouped["low"] > 2 * (apart["high"] - apart["low"])


def test_a_fold_that_a_redraw_leaves_empty_is_no_part_of_its_mean():
    folds = scored.Folds(scored.of_table(small()))
    first_only = np.array([1.0, 1, 1, 0, 0, 0])
    assert folds.mean(first_only) == pytest.approx([1.0, 2 / 3, 1.0])
    assert np.isnan(folds.each(first_only)[:, 1]).all()


def test_weights_of_parents_reach_the_stamps_of_all_parts():
    first, second = (scored.of_table(made.out_of_fold(seed=k)) for k in (0, 1))
    second = second.chosen(second.parents > 40)
    parents, places = scored.common_parents([first, second])
    assert (parents[places[1]] == second.parents).all()
    assert scored.mean_auc([first, second], places)(np.ones(len(parents))) == pytest.approx(
        (scored.Folds(first).mean_auc() + scored.Folds(second).mean_auc()) / 2
    )
    with pytest.raises(GridMismatch):
        scored.common_parents([])


def test_without_logits_scores_rank():
    part = scored.of_table(small().assign(logit=None))
    assert (part.logits == part.scores).all()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda t: t.drop(columns="fold"), NotADataSet, "fold"),
        (lambda t: t[:0], NotADataSet, "no row"),
        (lambda t: t.assign(label=2), NotADataSet, "0 or 1"),
        (lambda t: t.assign(score=np.nan), BadScores, "not a number"),
    ],
)
def test_what_cannot_be_judged_is_named(change, error, said):
    with pytest.raises(error, match=said):
        scored.of_table(change(small()), "some.parquet")
