"""Stamps and a network that the tests of `skyneedle classify` share."""

import pytest

from tests.unit.lenses.classify.made import images, write_network


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="module")
def planes():
    return images()
