"""What a rule script needs around its one call: log, parent watch, device, seed, provenance, fingerprint.

Nothing here imports a heavy library: the workflow itself uses ``fingerprint`` each time it is parsed.
"""

import ast
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from skyneedle.core.errors import FolderBusy, NoDevice, SkyneedleError

PACKAGE_ROOT = Path(__file__).resolve().parents[2]  # the folder that holds skyneedle/


@dataclass(frozen=True)
class Job:
    """What a rule script may know about the job it runs in.

    Attributes:
        seed: root seed of the experiment, -1 where the rule draws nothing.
        threads: as many as may run at once.
        device: ``cpu`` or ``cuda:0``; the only visible device is the one that this job holds.
        provenance: where the outputs come from; no time stamps and no host names.
    """

    seed: int
    threads: int
    device: str
    provenance: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def rule(snakemake: Any) -> Iterator[Job]:
    """Run the body of a rule script: logged, watched, on its own device.

    Args:
        snakemake: the object that Snakemake gives to a script.

    Yields:
        The job.

    Raises:
        SystemExit: with status 1 after an error, which stands in the log with its traceback and on the
            terminal in one sentence.
    """
    die_with_workflow()
    terminal = os.dup(2)
    with _redirected(snakemake.log[0] if snakemake.log else None):
        try:
            with device_slot(int(snakemake.resources.get("gpu", 0))) as device:
                yield Job(
                    seed=int(snakemake.params.get("seed", -1)),
                    threads=int(snakemake.threads),
                    device=device,
                    provenance=provenance(dict(snakemake.params.items()), device),
                )
        except Exception as error:
            traceback.print_exc()
            sentence = str(error) if isinstance(error, SkyneedleError) else f"{type(error).__name__}: {error}"
            os.write(terminal, f"{snakemake.rule}: {sentence}\n".encode())
            sys.stderr.flush()
            raise SystemExit(1) from None
        finally:
            os.close(terminal)


# --- log


@contextlib.contextmanager
def _redirected(log: str | None) -> Iterator[None]:
    """Send file descriptors 1 and 2 to the log, so that C libraries are caught too."""
    if log is None:
        yield
        return
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    saved = os.dup(1), os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in zip((1, 2), saved, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)


# --- parent watch


def die_with_parent() -> None:
    """End this process when the one that started it dies, even by ``kill -9`` (Linux only)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def die_with_workflow(poll_seconds: float = 0.5) -> None:
    """End this process when its parent, or the Snakemake above it, dies, even by ``kill -9``.

    A script that outlives its workflow would write beside the next one. The kernel tells only of the
    direct parent, which may be a shell; so the nearest Snakemake further up is polled too.
    """
    if not sys.platform.startswith("linux"):
        return
    die_with_parent()
    if os.getppid() == 1:
        os._exit(1)
    ancestor = _workflow_ancestor()
    if ancestor is None:
        return

    def watch() -> None:
        while _start_time(ancestor[0]) == ancestor[1]:
            time.sleep(poll_seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="workflow-watch").start()


def _workflow_ancestor() -> tuple[int, str] | None:
    pid = os.getppid()
    while pid > 1:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(Path(os.fsdecode(word)).name == "snakemake" for word in command[:3]):
                return pid, _start_time(pid)
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return None
    return None


def _start_time(pid: int) -> str:
    """Start time of a live process, which tells it from a later one of its number; '' when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


# --- locks and devices


@contextlib.contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Hold a lock file for as long as the body runs; the kernel frees it however the process ends.

    Raises:
        FolderBusy: if another live process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusy(
                f"{path.parent}: another process is writing here; wait until it has ended."
            ) from None
        yield


@contextlib.contextmanager
def device_slot(n_gpus: int) -> Iterator[str]:
    """Hold one visible accelerator, or none; Snakemake counts devices but does not say which one is free.

    Args:
        n_gpus: what the job was given; 0 hides all devices from it.

    Raises:
        NoDevice: if a device was promised and the machine shows none.
    """
    if n_gpus <= 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        yield "cpu"
        return
    devices = _visible_devices()
    if not devices:
        raise NoDevice(
            "The job was given a GPU, but none is visible here; set `gpu: 0` in the profile to use the CPU."
        )
    held: list[Any] = []
    try:
        while len(held) < min(n_gpus, len(devices)):
            for device in devices:
                name = f"skyneedle-{os.getuid()}-gpu-{device.replace('/', '_')}.lock"
                file = open(Path(tempfile.gettempdir()) / name, "a")  # noqa: SIM115 held while the body runs
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    held.append((device, file))
                except BlockingIOError:
                    file.close()
                if len(held) == min(n_gpus, len(devices)):
                    break
            else:
                time.sleep(1.0)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(device for device, _ in held)
        yield "cuda:0"
    finally:
        for _, file in held:
            file.close()


def _visible_devices() -> list[str]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [device for device in given.split(",") if device.strip()]
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(listing.splitlines()) if line.startswith("GPU ")]


# --- provenance


def provenance(params: dict[str, Any], device: str) -> dict[str, Any]:
    """Where an output comes from: commit, code fingerprint, settings, versions and class of device."""
    packages = ("skyneedle", "numpy", "scipy", "torch", "pycbc", "lalsuite")
    versions = {"python": platform.python_version()}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    settings = {key: value for key, value in params.items() if key not in ("code", "state")}
    text = json.dumps(settings, sort_keys=True, default=str)
    return {
        "commit": _commit(),
        "code": str(params.get("code", "")),
        "settings": hashlib.sha256(text.encode()).hexdigest()[:16],
        "seed": int(params.get("seed", -1)),
        "versions": versions,
        "device": "gpu" if device.startswith("cuda") else "cpu",
    }


@cache
def _commit() -> str:
    try:
        run = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=PACKAGE_ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=PACKAGE_ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return run.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


# --- fingerprint


def fingerprint(*files: str | Path) -> str:
    """Hash of what a rule script does: its syntax tree, and those of all modules here that it imports.

    Comments, docstrings, formatting and time stamps do not count; imports inside functions do.

    Args:
        *files: scripts or modules.

    Returns:
        16 hexadecimal digits; the same on every machine.
    """
    todo, seen = [Path(file).resolve() for file in files], set[Path]()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(_read_source(path)[1])
    digest = hashlib.sha256()
    for name, tree in sorted((_stable_name(path), _read_source(path)[0]) for path in seen):
        digest.update(f"{name}\0{tree}\0".encode())
    return digest.hexdigest()[:16]


def _stable_name(path: Path) -> str:
    return str(path.relative_to(PACKAGE_ROOT)) if path.is_relative_to(PACKAGE_ROOT) else path.name


@cache
def _read_source(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Syntax tree without docstrings, and the files of this package that are imported."""
    tree = ast.parse(path.read_text(), filename=str(path))
    imported: set[Path] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                imported |= _module_files(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute_module(path, node)
            for alias in node.names:
                imported |= _module_files(f"{base}.{alias.name}")
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = _without_docstring(node.body)
    return ast.dump(tree, include_attributes=False), tuple(sorted(imported))


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return body[1:]
    return body


def _absolute_module(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    if not path.is_relative_to(PACKAGE_ROOT):
        return node.module or ""
    package = path.relative_to(PACKAGE_ROOT).with_suffix("").parts[: -node.level]
    return ".".join((*package, *([node.module] if node.module else [])))


def _module_files(name: str) -> set[Path]:
    """Files that importing a dotted name runs: each package on the way down and the module itself."""
    if name.split(".")[0] != "skyneedle":
        return set()
    files, folder = set(), PACKAGE_ROOT
    for part in name.split("."):
        folder = folder / part
        for candidate in (folder / "__init__.py", folder.with_suffix(".py")):
            if candidate.is_file():
                files.add(candidate)
    return files
