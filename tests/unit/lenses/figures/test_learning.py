"""Learning curves: the epoch whose weights were kept, and histories of one epoch or without an accuracy."""

import pandas as pd

from skyneedle.lenses.figures import draw


def history(folder, name, losses, **columns):
    path = folder / name / "history.csv"
    path.parent.mkdir()
    n = len(losses)
    table = pd.DataFrame(
        {
            "epoch": [epoch for epoch in range(1, n + 1) for _ in (0, 1)],
            "split": ["train", "validation"] * n,
            "loss": [value for loss in losses for value in (2 * loss, loss)],
        }
        | {key: [value] * 2 * n for key, value in columns.items()}
    )
    table.to_csv(path, index=False)
    return path


def test_the_weights_kept_are_those_of_the_lowest_validation_loss(tmp_path):
    paths = [history(tmp_path, "one", [0.7, 0.5, 0.6], accuracy=0.8), history(tmp_path, "two", [0.4])]
    draw.FIGURES["fig5_loss"](histories=paths, stem=tmp_path / "fig5", provenance={})
    drawn = pd.read_csv(tmp_path / "fig5.csv")
    assert len(drawn) == 2 * 3 + 2 * 1
    kept = drawn[drawn["is_kept"]].set_index(["network", "split"])
    assert kept["epoch"].to_dict() == {
        ("one", "train"): 2,
        ("one", "validation"): 2,
        ("two", "train"): 1,
        ("two", "validation"): 1,
    }
    assert kept["loss"].tolist() == [1.0, 0.5, 0.8, 0.4]


def test_a_history_without_accuracy_says_so_in_its_panel(tmp_path):
    paths = [history(tmp_path, "one", [0.7, 0.5], accuracy=0.8), history(tmp_path, "two", [0.4])]
    draw.FIGURES["fig4_accuracy"](histories=paths, stem=tmp_path / "fig4", provenance={})
    assert set(pd.read_csv(tmp_path / "fig4.csv")["network"]) == {"one"}
    assert "no accuracy" in (tmp_path / "fig4.svg").read_text()
