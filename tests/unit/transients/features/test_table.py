"""Features of a survey: streamed over shards, with the catalogue's columns, NaN kept."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.errors import BadSetting, NotACatalogue, NotADataSet
from skyneedle.transients.features import table
from skyneedle.transients.features.pixels import CHANNELS, PIXEL_FEATURES, measure
from skyneedle.transients.features.table import CATALOGUE_FEATURES, FEATURES

# As in the survey's file, where both kinds are mixed.
ORDER = sorted(FEATURES)


def shard(path, first, n, columns=ORDER, channels=CHANNELS, dtype=np.float32):
    rng = np.random.default_rng(first)
    stamps = rng.normal(100, 20, size=(n, 3, 51, 51)).astype(dtype)
    arrays = {"stamps": stamps}
    attributes = {"channels": list(channels), "pixel_mode": "fits"}
    if columns:
        catalogue = rng.normal(size=(n, len(columns))).astype(np.float32)
        catalogue[0, [columns.index(name) for name in table.REFERENCE_FEATURES]] = np.nan
        arrays["catalogue"] = catalogue
        attributes["catalogue_columns"] = list(columns)
    ids = pd.DataFrame({"id": np.arange(first, first + n, dtype=np.int64)})
    store.write(path, arrays, ids, attributes)
    return path, arrays


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_of_all_shards_in_order(tmp_path, workers):
    paths, arrays = zip(
        *(shard(tmp_path / f"{k}.h5", 2**40 + 100 * k, 70 + k) for k in range(2)), strict=True
    )
    table.write(tmp_path / "out.parquet", paths, workers=workers, provenance={"commit": "x"})
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["id"].tolist() == [*range(2**40, 2**40 + 70), *range(2**40 + 100, 2**40 + 171)]
    assert list(found.columns) == ["id", *FEATURES, "complete"]
    both = np.concatenate([part["stamps"] for part in arrays])
    np.testing.assert_allclose(found[list(PIXEL_FEATURES)], measure(both), rtol=1e-5)
    catalogue = np.concatenate([part["catalogue"] for part in arrays])
    for name in CATALOGUE_FEATURES:
        np.testing.assert_array_equal(found[name], catalogue[:, ORDER.index(name)])
    assert (~found["complete"]).to_numpy().nonzero()[0].tolist() == [0, 70]
    assert found.attrs["n_incomplete"] == 2
    assert found.attrs["n_missing"] == dict.fromkeys(table.REFERENCE_FEATURES, 2)


def test_pixel_features_of_the_catalogue_where_asked_for(tmp_path):
    path, arrays = shard(tmp_path / "0.h5", 0, 5, dtype=np.uint8)
    found = table.of_shard(path, "catalogue")
    for name in FEATURES:
        np.testing.assert_array_equal(found[name], arrays["catalogue"][:, ORDER.index(name)])
    with pytest.raises(BadSetting, match="not from 'gif'"):
        table.write(tmp_path / "out.parquet", [path], pixels="gif")


def test_stamps_without_a_catalogue(tmp_path):
    path, _ = shard(tmp_path / "0.h5", 0, 5, columns=())
    found = table.of_shard(path)
    assert list(found.columns) == ["id", *PIXEL_FEATURES, "complete"]
    with pytest.raises(BadSetting, match="no catalogue"):
        table.of_shard(path, "catalogue")


def test_bad_shards_are_refused(tmp_path):
    swapped, _ = shard(tmp_path / "swapped.h5", 0, 2, channels=("srch", "temp", "diff"))
    with pytest.raises(NotADataSet, match=r"swapped\.h5: channels are"):
        table.of_shard(swapped)
    short, _ = shard(tmp_path / "short.h5", 0, 2, columns=[name for name in ORDER if name != "GFLUX"])
    with pytest.raises(NotACatalogue, match="lacks \\['GFLUX'\\]"):
        table.of_shard(short)


def test_empty_pixel_columns_of_a_catalogue_are_measured_on_the_stamps(tmp_path):
    path, arrays = shard(tmp_path / "0.h5", 0, 5)
    arrays["catalogue"][:, [ORDER.index(name) for name in PIXEL_FEATURES]] = np.nan
    attributes = {"channels": list(CHANNELS), "catalogue_columns": ORDER}
    store.write(path, arrays, pd.DataFrame({"id": np.arange(5)}), attributes)
    pd.testing.assert_frame_equal(table.of_shard(path, "catalogue"), table.of_shard(path, "stamps"))
    # One column that is there is taken, the others are measured.
    arrays["catalogue"][:, ORDER.index("MASKFRAC")] = 0.25
    store.write(path, arrays, pd.DataFrame({"id": np.arange(5)}), attributes)
    found = table.of_shard(path, "catalogue")
    assert (found["MASKFRAC"] == 0.25).all()
    pd.testing.assert_series_equal(found["LACOSMIC"], table.of_shard(path)["LACOSMIC"])
