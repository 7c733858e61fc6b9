"""What surrounds the one call of a rule script."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from skyneedle.core import runtime
from skyneedle.core.errors import FolderBusy, NoDevice
from skyneedle.core.seeds import generator


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A tiny package named skyneedle and a script that uses it."""
    files = {
        "skyneedle/__init__.py": "",
        "skyneedle/core/__init__.py": "",
        "skyneedle/core/store.py": "def read():\n    return 1\n",
        "skyneedle/core/unused.py": "X = 1\n",
        "skyneedle/lenses/__init__.py": "",
        "skyneedle/lenses/simulate/__init__.py": "",
        "skyneedle/lenses/simulate/psf.py": "from .. import preprocess\n",
        "skyneedle/lenses/preprocess.py": (
            "def late():\n    from skyneedle.core import store\n    return store\n"
        ),
        "script.py": "from skyneedle.lenses.simulate import psf\nprint(psf)\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(runtime, "PACKAGE_ROOT", tmp_path)
    runtime._read_source.cache_clear()
    yield tmp_path
    runtime._read_source.cache_clear()


def changed(package: Path, name: str, text: str) -> bool:
    """Whether the fingerprint of the script changes when a file gets this text."""
    before = runtime.fingerprint(package / "script.py")
    path = package / name
    old = path.read_text()
    path.write_text(text)
    runtime._read_source.cache_clear()
    after = runtime.fingerprint(package / "script.py")
    path.write_text(old)
    runtime._read_source.cache_clear()
    return before != after


def test_fingerprint_follows_imports_inside_functions_and_relative_ones(package):
    assert changed(package, "skyneedle/core/store.py", "def read():\n    return 2\n")
    assert changed(package, "skyneedle/lenses/preprocess.py", "def late():\n    return None\n")
    assert changed(package, "skyneedle/core/__init__.py", "import os\n")
    assert not changed(package, "skyneedle/core/unused.py", "X = 2\n")


def test_fingerprint_is_blind_to_comments_docstrings_and_layout(package):
    text = '"""What it does."""\n# why\ndef  read( ):\n    """Doc."""\n\n    return (1)\n'
    assert not changed(package, "skyneedle/core/store.py", text)


def test_fingerprint_of_a_users_file_counts_its_own_code(package, tmp_path):
    mine = tmp_path / "elsewhere" / "mine.py"
    mine.parent.mkdir()
    mine.write_text("A = 1\n")
    one = runtime.fingerprint(package / "script.py", mine)
    mine.write_text("A = 2\n")
    runtime._read_source.cache_clear()
    assert runtime.fingerprint(package / "script.py", mine) != one


def run_job(tmp_path: Path, body: str) -> tuple[subprocess.CompletedProcess, Path]:
    """Run a rule script in a process of its own, as Snakemake does."""
    log = tmp_path / "logs" / "job.log"
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nfrom types import SimpleNamespace\nfrom skyneedle.core import errors, runtime\n"
        f"snakemake = SimpleNamespace(log=[{str(log)!r}], resources={{}}, threads=2, rule='simulate',\n"
        "    params={'seed': 5, 'code': 'abc'})\n"
        "with runtime.rule(snakemake) as job:\n" + textwrap.indent(textwrap.dedent(body), "    ")
    )
    return subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=30), log


def test_rule_catches_the_output_of_c_libraries(tmp_path):
    run, log = run_job(
        tmp_path,
        """
        os.system("echo from a child")
        print("from python")
        print(job.seed, job.threads, job.device, job.provenance["code"])
        print(sorted({"time", "date", "host", "hostname"} & set(job.provenance)))
        """,
    )
    assert run.returncode == 0
    assert log.read_text().splitlines() == ["from a child", "from python", "5 2 cpu abc", "[]"]
    assert run.stdout + run.stderr == ""


def test_rule_shows_bad_input_in_one_sentence(tmp_path):
    sentence = "a.hdf5: 3 s of strain, at least 16 s are needed."
    run, log = run_job(tmp_path, f"raise errors.StrainTooShort({sentence!r})")
    assert run.returncode == 1
    assert run.stderr == f"simulate: {sentence}\n"
    assert "Traceback" in log.read_text()


def test_lock_is_free_after_a_killed_holder(tmp_path):
    lock = tmp_path / "folder" / "lock"
    code = f"""
        import time
        from skyneedle.core import runtime
        with runtime.exclusive({str(lock)!r}):
            print("held", flush=True)
            time.sleep(60)
    """
    holder = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(FolderBusy, match="another process"), runtime.exclusive(lock):
        pass
    holder.kill()
    holder.wait()
    with runtime.exclusive(lock):
        pass


def test_scripts_die_with_the_workflow_above_the_shell(tmp_path):
    """A stand-in named snakemake starts a shell, which starts a script; only the stand-in is killed."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\nfrom skyneedle.core import runtime\nruntime.die_with_workflow(0.05)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    stand_in = tmp_path / "snakemake"
    stand_in.write_text(
        f"import subprocess\nsubprocess.run(['bash', '-c', 'true; {sys.executable} {script}; true'])\n"
    )
    workflow = subprocess.Popen([sys.executable, str(stand_in)])
    pid_file = tmp_path / "pid"
    deadline = time.monotonic() + 15
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    pid = int(pid_file.read_text())
    workflow.send_signal(signal.SIGKILL)
    workflow.wait()
    while runtime._start_time(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert runtime._start_time(pid) == ""


def test_a_job_without_gpu_sees_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with runtime.device_slot(0) as device:
        assert device == "cpu"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_two_jobs_get_two_devices(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    with runtime.device_slot(1):
        first = os.environ["CUDA_VISIBLE_DEVICES"]
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
        with runtime.device_slot(1) as device:
            second = os.environ["CUDA_VISIBLE_DEVICES"]
            assert device == "cuda:0"
    assert {first, second} == {"3", "5"}


def test_a_promised_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(NoDevice, match="none is visible"), runtime.device_slot(1):
        pass


def test_random_streams_depend_on_keys_alone():
    one = generator(1, 17, "noise").standard_normal(3)
    generator(1, 18, "noise").standard_normal(100)
    assert (generator(1, 17, "noise").standard_normal(3) == one).all()
    others = [(1, 18, "noise"), (1, 17, "signal"), (2, 17, "noise")]
    assert all((generator(*keys).standard_normal(3) != one).all() for keys in others)
