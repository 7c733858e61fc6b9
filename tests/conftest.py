"""The one place that knows where the real test data are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEST_DATA = Path(os.environ.get("SKYNEEDLE_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of the small real data files."""
    if not TEST_DATA.is_dir():
        pytest.skip(f"no real test data at {TEST_DATA}; set SKYNEEDLE_TEST_DATA")
    return TEST_DATA


@pytest.fixture(scope="session")
def real_strain(test_data: Path) -> Path:
    """Folder with 32-s O1 strain files of H1 and L1 and with noise curves."""
    if not (test_data / "strain").is_dir():
        pytest.skip(f"no folder strain/ in {test_data}")
    return test_data / "strain"


@pytest.fixture(scope="session")
def real_lenses(test_data: Path) -> Path:
    """Folder with real and challenge stamps, and the published weights of Wilde et al. 2022."""
    if not (test_data / "lenses").is_dir():
        pytest.skip(f"no folder lenses/ in {test_data}")
    return test_data / "lenses"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
