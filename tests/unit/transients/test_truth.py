"""The truth of all shards as one table."""

import pandas as pd

from skyneedle.transients.truth import read_truth


def test_shards_are_joined_in_order_and_the_true_label_stands_as_label(tmp_path):
    paths = []
    for shard, ids in enumerate(([3, 5], [8])):
        paths.append(tmp_path / f"{shard:03d}.parquet")
        table = pd.DataFrame({"id": ids, "label_true": [shard] * len(ids), "label_given": 1 - shard})
        table.to_parquet(paths[-1])
    found = read_truth(paths)
    assert found["id"].tolist() == [3, 5, 8]
    assert found["label"].tolist() == found["label_true"].tolist() == [0, 0, 1]
    assert found.index.tolist() == [0, 1, 2]
