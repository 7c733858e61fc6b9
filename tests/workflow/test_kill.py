"""`kill -9` at any moment: the same command goes on, nobody writes twice, the bytes are the same."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import launch

STRAIN = "results/smoke/strain"
# What is made anew, the log that tells that it is being made, and what the log has to say before the kill.
CASES = {
    "simulation": (f"{STRAIN}/data/testing/001.h5", "logs/smoke/simulate_strain/testing_001.log", ""),
    "training": (f"{STRAIN}/models/fcn8/seed0.safetensors", "logs/smoke/train_strain/fcn8.log", "epoch 1/2"),
    "plotting": (
        "results/smoke/figures/gebhard2019/fig8_preimages.csv",
        "logs/smoke/figures/fig8_preimages.log",
        "",
    ),
}


def alive(house: Path) -> list[int]:
    """Processes that work in this copy of the house."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (
                Path(os.readlink(entry / "cwd")) == house
                and "Z" not in (entry / "stat").read_text().split()[2]
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def kill_in(house: Path, arguments: list[str], log: Path, word: str, whole_group: bool) -> None:
    """Start a run and kill it, or Snakemake alone, when the log has the word; all of it is gone then."""
    run = subprocess.Popen(
        [sys.executable, "workflow/launch.py", *arguments],
        cwd=house,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait(lambda: log.exists() and word in log.read_text())
    time.sleep(0.0 if word else 0.3)  # an empty log is there before the work begins
    os.killpg(run.pid, signal.SIGKILL) if whole_group else run.send_signal(signal.SIGKILL)
    run.wait()
    wait(lambda: not alive(house), 10)


@pytest.mark.parametrize(
    ("stage", "whole_group"),
    [("simulation", True), ("training", True), ("training", False), ("plotting", False)],
)
def test_a_killed_run_goes_on(house, smoke_mirror, stage, whole_group):
    target, log, word = CASES[stage]
    folder = (house / target).parent
    before = {path.name: path.read_bytes() for path in folder.glob(f"{Path(target).stem}.*")}
    arguments = ["--scale", "smoke", *smoke_mirror, "--target", target]
    # On a fast machine the job may end before the signal reaches it; that shows nothing, so once more.
    for _ in range(5):
        shutil.rmtree(folder) if stage == "training" else (house / target).unlink()
        (house / log).unlink(missing_ok=True)
        kill_in(house, arguments, house / log, word, whole_group)
        if not (house / target).exists():
            break
    assert not (house / target).exists()
    launch(*arguments, cwd=house, timeout=300)
    after = {path.name: path.read_bytes() for path in folder.glob(f"{Path(target).stem}.*")}
    assert after.keys() == before.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert not changed
    assert not list(folder.glob(".*partial*"))
