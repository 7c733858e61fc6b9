"""Benchmarks run to their end in miniature; times are not judged here, physics and agreement are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(script: str, *words: str) -> str:
    command = [sys.executable, BENCHMARKS / script, *words]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=one_thread)
    assert done.returncode in (0, 1), done.stderr  # 1: a bound was missed, as on a busy machine
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_the_plain_recipe_gives_the_same_examples():
    result = json.loads(run("bench_simulation.py", "2"))
    assert 0 < result["max_deviation_over_std"] <= 1e-3
    assert result["ratio"] > 0


def test_training():
    words = "--channels 4 --batch 1 --gpu-batch 1 --repetitions 1 --threads 1"
    lines = run("bench_training.py", *words.split()).splitlines()
    rows = [line.split() for line in lines if line.startswith(("cpu", "cuda"))]
    assert rows
    # device, precision, channels, batch, step, examples/s, TFLOP/s for step 1 alone, conv1d, ratio
    assert {(row[4], len(row)) for row in rows} == {("1", 9), ("16", 8)}
    assert all(float(row[5]) > 0 and float(row[-1]) > 0 for row in rows)
    assert any(line.startswith("Peak memory") for line in lines)


def test_lens_training():
    words = "--batch 1 --gpu-batch 1 --repetitions 1 --threads 1"
    said = run("bench_lens_training.py", *words.split())
    rows = [line.split() for line in said.splitlines() if line.startswith(("ou66", "ou200"))]
    kinds = [(p, maps) for p in ("float32", "bfloat16") for maps in ("contiguous", "channels-last")]
    for name in ("ou66", "ou200"):
        assert [(row[2], row[3]) for row in rows if row[:2] == [name, "cpu"]] == kinds
    assert all(float(row[5]) > 0 and float(row[6]) > 0 for row in rows)
    assert {float(row[6]) for row in rows if row[2:4] == ["float32", "contiguous"]} == {1.0}
    assert "GPU: " in said  # named, or named as missing


def test_scan():
    words = "--channels 4 --repetitions 1 --threads 1 --seconds 32 --examples 8 --detectors 1 3 --device cpu"
    said = run("bench_scan.py", *words.split())
    assert "two files of 32 s" in said
    rows = [line.split() for line in said.splitlines() if "float32 " in line and line.startswith("      1")]
    assert [row[:3] for row in rows] == [["1", "1", "float32"], ["1", "3", "float32"]]
    assert all(float(row[-1]) < 1e-4 for row in rows)  # the narrow network runs exactly
    assert ", 0 different;" in said


def test_review_page_and_score_tool():
    lines = run("bench_transients_review.py", "--alerts", "4").splitlines()
    assert [line.split(":")[0].split(",")[0] for line in lines[:5]] == ["answer", *["picture"] * 3, "alerts"]
    assert lines[-1].startswith("peak memory")


def test_transients_loading():
    said = run("bench_transients_loading.py", "--stamps", "60", "--repetitions", "1")
    rows = [line.split() for line in said.splitlines() if line.startswith(("fits", "gif"))]
    assert [row[:2] for row in rows] == [["fits", "60"], ["gif", "60"]]
    assert all(float(value) > 0 for row in rows for value in row[2:])


def test_transients_training():
    words = "--networks cnn1 cnn4 --batch 2 --gpu-batch 2 --repetitions 1 --threads 1"
    said = run("bench_transients_training.py", *words.split())
    rows = [line.split() for line in said.splitlines() if line.startswith("cnn")]
    kinds = [(p, maps) for p in ("float32", "bfloat16") for maps in ("contiguous", "channels-last")]
    for name in ("cnn1", "cnn4"):
        assert [(row[2], row[3]) for row in rows if row[:2] == [name, "cpu"]] == kinds
    assert all(float(value) > 0 for row in rows for value in row[5:])
    assert {row[6] for row in rows if row[2:4] == ["float32", "contiguous"]} == {"1.00"}
    assert "Scaling: " in said


def test_transfer():
    words = "--stamps 28 --epochs 1 --size 75 --threads 1"
    lines = run("bench_transfer.py", *words.split()).splitlines()
    rates = [float(line.split(": ")[1].split()[0]) for line in lines if "stamps/s" in line]
    assert len(rates) == 3
    assert min(rates) > 0
    difference = next(line for line in lines if line.startswith("Largest difference in score"))
    assert float(difference.split(": ")[1].split()[0]) < 1e-4
    assert any(line.startswith("Ratio") for line in lines)
