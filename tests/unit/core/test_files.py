"""Files that appear complete or not at all."""

import os
import subprocess
import sys

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


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "table.csv"
    program = (
        "import os, signal, sys\nfrom skyneedle.core.files import appearing\n"
        "with appearing(sys.argv[1]) as partial:\n"
        "    partial.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], env=dict(os.environ), timeout=60)
    assert len(list(tmp_path.iterdir())) == 1
    live = tmp_path / f".table.csv.{os.getppid()}.partial"  # another process is at work on its own
    live.write_text("so far")
    with appearing(path) as partial:
        partial.write_text("whole")
    assert sorted(tmp_path.iterdir()) == [live, path]
