"""What is installed is complete, also without the repository."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


# Part of how a declared package is used, in the version that it asks for itself: whose it is.
BROUGHT = {
    "cycler": "matplotlib",
    "huggingface_hub": "timm",
    "lal": "pycbc",
    "lalsimulation": "pycbc",
    "tenacity": "gwosc",
    "threadpoolctl": "scikit-learn",
    "urllib3": "requests",
    "werkzeug": "flask",
}
KNOWN = {"skyneedle", *sys.stdlib_module_names, *BROUGHT}


def plain(name):
    """The name of a distribution as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_that_is_imported_is_declared():
    """What another package happens to bring along may be gone with its next release."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        listed = tomllib.load(file)["project"]["dependencies"]
    declared = {plain(re.match(r"[\w.-]+", line)[0]) for line in listed}
    origins = packages_distributions()
    assert declared >= set(BROUGHT.values())
    for name, whose in BROUGHT.items():
        needed = {plain(re.match(r"[\w.-]+", line)[0]) for line in requires(whose)}
        assert needed & set(map(plain, origins[name])), name
    lacking = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            for name in {name.split(".")[0] for name in names} - KNOWN:
                if not declared & set(map(plain, origins.get(name, [name]))):
                    lacking.add((name, path.name))
    assert sorted(lacking) == []


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
