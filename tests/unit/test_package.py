"""What is installed is complete, also without the repository."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_wheel_brings_the_trained_networks_along(tmp_path):
    source = tmp_path / "source"  # building writes into its source
    for name in ("src", "reference"):
        shutil.copytree(
            ROOT / name,
            source / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path / "wheel", source], check=True, timeout=120)
    installed = tmp_path / "installed"
    with zipfile.ZipFile(next((tmp_path / "wheel").iterdir())) as wheel:
        wheel.extractall(installed)
    code = (
        "from skyneedle.strain.scan import trained\n"
        "found = trained.find(None)\n"
        "print(found.stem)\nprint(trained.operating_point(found).origin)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
    )
    stem, origin = done.stdout.splitlines()
    assert stem == str(installed.resolve() / "skyneedle" / "reference" / "strain" / "fcn")
    assert origin.startswith(str(installed.resolve()))
    for page in (ROOT / "src/skyneedle/transients/review/page").iterdir():
        beside = installed / "skyneedle/transients/review/page" / page.name
        assert beside.read_bytes() == page.read_bytes()
    brought = installed / "skyneedle" / "reference"
    for committed in (ROOT / "reference").rglob("*.safetensors"):
        beside = brought / committed.relative_to(ROOT / "reference")
        assert beside.read_bytes() == committed.read_bytes()
        assert beside.with_suffix(".json").read_bytes() == committed.with_suffix(".json").read_bytes()
