"""The benchmark of the features runs to its end in miniature; times are not judged here."""

import json

import pytest

from tests.unit.test_benchmarks import run

pytestmark = pytest.mark.slow


def test_features_agree_with_scipy():
    measured = json.loads(run("bench_transients_features.py", "64"))
    assert measured["max_deviation_of_medians"] == 0
    assert measured["max_excess_of_chi2"] < 1e-9
    assert measured["stamps_per_s_per_core"] > 0
    assert measured["peak_memory_mb"] < 2000
