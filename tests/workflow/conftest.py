"""Drives Snakemake itself; the smoke run that the other tests look at is done once."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = [sys.executable, "-m", "snakemake"]


def run(*arguments: str, cwd: Path = ROOT, check: bool = True, **options) -> subprocess.CompletedProcess:
    """Run a command and show its output where it fails."""
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )
    if check:
        assert done.returncode == 0, f"{' '.join(map(str, arguments))}\n{done.stdout[-6000:]}"
    return done


def launch(*arguments: str, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess:
    """What `make results` calls."""
    return run(sys.executable, "workflow/launch.py", *arguments, cwd=cwd, **options)


def dry_run(*arguments: str, cwd: Path = ROOT, scale: str = "smoke") -> dict[str, int]:
    """Jobs that Snakemake would run, by rule."""
    configfile = [] if scale == "laptop" else ["--configfile", f"config/{scale}.yaml"]
    output = run(*SNAKEMAKE, "--dry-run", *configfile, *arguments, cwd=cwd).stdout
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)
    if table is None:
        assert "Nothing to be done" in output, output[-3000:]
        return {}
    return {name: int(count) for name, count in (line.split() for line in table[1].splitlines())}


@pytest.fixture(scope="session")
def smoke_mirror(request) -> list[str]:
    """Options that let the smoke run see the real event files, where they are."""
    from tests.conftest import TEST_DATA

    return ["--mirror", str(TEST_DATA.resolve())] if TEST_DATA.is_dir() else []


@pytest.fixture(scope="session")
def smoke(smoke_mirror) -> Path:
    """Results of the smoke scale, made as a user makes them."""
    launch("--scale", "smoke", *smoke_mirror, timeout=1800)
    return ROOT / "results" / "smoke"


@pytest.fixture
def smoke_config(smoke_mirror) -> list[str]:
    """The same settings for a plain Snakemake call."""
    return ["--config", f"mirrors=['{smoke_mirror[1]}']"] if smoke_mirror else []


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the checkout without results, to be changed at will."""
    copy = tmp_path / "house"
    tracked = run("git", "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines()
    for name in tracked:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture
def house(smoke, checkout) -> Path:
    """The same with the smoke results."""
    for name in ("results/smoke", "resources", ".snakemake/metadata"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, symlinks=True)
    return checkout
