"""Files that appear complete or not at all."""

import pytest

from skyneedle.core.files import appearing


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "folder" / "table.csv"
    with appearing(path) as partial:
        partial.write_text("old")
    with appearing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail_halfway():
        with appearing(path) as partial:
            partial.write_text("ne")
            raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
