"""Examples that several tests look at."""

import pytest

from skyneedle.transients.simulate import examples, settings

SEED = 5


@pytest.fixture(scope="session")
def made() -> list[examples.Example]:
    """Examples of the default survey with few blocks, so that few exposures are needed."""
    few = settings.profile("des", {"n_blocks": 6})
    return [examples.example(number, few, SEED) for number in range(420)]
