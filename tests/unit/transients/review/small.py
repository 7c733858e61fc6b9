"""A small data set of transients and its suspects, and the command line that serves them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd

from skyneedle.core import store
from skyneedle.transients.review import serve

N, FIRST = 60, 9_007_199_254_740_993  # ids that JavaScript's numbers cannot hold
LABELS = np.arange(N) % 2


def write(folder, n_suspects=17):
    """Data set of stamps with a source or a cosmic ray in the middle, and suspects among them."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:51, :51] - 25
    source = np.exp(-(x**2 + y**2) / 2 / 2.2**2)
    galaxy = np.exp(-np.hypot(x - 5, y + 3) / 5)
    stamps = rng.normal(0, 10, (N, 3, 51, 51))
    for i in range(N):
        stamps[i, :2] += 900 * galaxy * rng.uniform(0.2, 1)
        if LABELS[i]:
            k = rng.integers(-2, 3)
            stamps[i, 1:, 24:27, 22 + k : 29 + k] += 500 * rng.random((3, 7))
        else:
            stamps[i, 1:] += 400 * source * rng.uniform(0.3, 1)
    stamps[3, 1, :6] = 1e-30
    table = pd.DataFrame({"id": FIRST + np.arange(N), "label_given": LABELS})
    attributes = {"channels": ["temp", "srch", "diff"], "pixel_mode": "fits"}
    store.write(folder / "data" / "000.h5", {"stamps": stamps.astype(np.float32)}, table, attributes)
    ids = FIRST + rng.permutation(N)[:n_suspects]
    score = 1.0 - LABELS[ids - FIRST] * 0.98
    suspects = pd.DataFrame({"id": ids, "label": LABELS[ids - FIRST], "score": score})
    suspects.to_parquet(folder / "suspects.parquet")
    return folder


def opened(folder, name="log.sqlite"):
    return serve.open_review(folder / "suspects.parquet", [folder / "data"], folder / name)


class Server:
    """`skyneedle review` in a process of its own."""

    def __init__(self, folder, port=0):
        command = [sys.executable, "-m", "skyneedle.cli", "review", "suspects.parquet", "data"]
        command += ["--log", "log.sqlite", "--port", str(port)]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.lines, self.url = [], ""
        reading = threading.Thread(target=self._read, daemon=True)
        reading.start()
        end = time.monotonic() + 60
        while not self.url and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        assert self.url, "".join(self.lines)

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:\d+/", line)
            if found:
                self.url = found.group()

    @property
    def port(self):
        return int(self.url.rstrip("/").rsplit(":", 1)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.process.stdout.close()
