"""The review page and the score tool: how long a reviewer waits, and candidates scored a second.

An answer is timed from the request to the reply, which comes after the log is on the disk; a picture without
the network. Alerts are decompressed, cut and scored on one core.
"""

import argparse
import gzip
import io
import resource
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from astropy.io import fits

from skyneedle.core import inference, store
from skyneedle.transients import networks
from skyneedle.transients.labels import deck
from skyneedle.transients.preprocess import CHANNELS, SIZE, Scaling
from skyneedle.transients.review.app import create_app
from skyneedle.transients.review.log import ReviewLog
from skyneedle.transients.review.pixels import STRETCHES, Stamps
from skyneedle.transients.score import from_alerts
from skyneedle.transients.score.candidates import cut
from skyneedle.transients.score.run import BATCH

N_SUSPECTS = 8093  # as many as the authors inspected


def stamps(n: int, size: int = SIZE) -> np.ndarray:
    """Noise with a source, shape (n, 3, size, size)."""
    y, x = np.mgrid[:size, :size] - size // 2
    noise = np.random.default_rng(0).normal(0, 10, (n, 3, size, size))
    return (noise + 300 * np.exp(-(x**2 + y**2) / 8)).astype(np.float32)


def review(folder: Path) -> None:
    """Waiting times of the page with a deck of the paper's size."""
    n = 256
    table = pd.DataFrame({"id": np.arange(n), "label_given": np.arange(n) % 2})
    about = {"channels": list(CHANNELS), "pixel_mode": "fits"}
    store.write(folder / "data" / "0.h5", {"stamps": stamps(n)}, table, about)
    given = pd.DataFrame({"id": np.arange(N_SUSPECTS), "label": np.int8(0)})
    log = ReviewLog.create(
        folder / "log.sqlite", deck.build(given["id"].to_numpy(), given, share=0, seed=0), 0
    )
    found = Stamps(folder / "data")
    client = create_app(log, found).test_client()
    sent = {"reviewer": "bench", "answer": "real", "seconds": 1}
    state = client.post("/api/state", json={"reviewer": "bench"}).json
    waits = []
    for k in range(300):
        start = time.perf_counter()
        key = f"key-{k:08d}"
        state = client.post("/api/answer", json=sent | {"candidate": state["candidate"], "key": key}).json
        waits.append(time.perf_counter() - start)
    worst = 1e3 * float(np.percentile(waits, 99))
    print(
        f"answer: median {1e3 * median(waits):.1f} ms, 99 % within {worst:.1f} ms ({N_SUSPECTS} candidates)"
    )
    for stretch in STRETCHES:
        start = time.perf_counter()
        for one in range(n):
            found.picture(one, "diff", stretch)
        print(f"picture, {stretch}: {1e3 * (time.perf_counter() - start) / n:.2f} ms")
    log.close()


def alerts(n: int, name: str) -> None:
    """Alerts a second, and stamps a second where they need no decompression."""
    planes = stamps(n, 63)
    packets = []
    for triplet in planes:
        packet = {}
        for channel, plane in zip(CHANNELS, triplet, strict=True):
            buffer = io.BytesIO()
            fits.PrimaryHDU(plane).writeto(buffer)
            packet[from_alerts.CUTOUTS[channel]] = gzip.compress(buffer.getvalue())
        packets.append(packet)
    network = networks.build(name).eval()
    scaling = Scaling(CHANNELS, "corrected", "fits")
    start = time.perf_counter()
    cuts = np.stack([cut(from_alerts.planes_of(packet, "alert"), "alert")[0] for packet in packets])
    read = time.perf_counter() - start
    prepared = inference.prepare(network)
    for first in range(0, n, BATCH):
        prepared(torch.from_numpy(scaling(cuts[first : first + BATCH])))
    whole = time.perf_counter() - start
    print(f"alerts: {n / read:.0f} a second read and cut, {n / whole:.0f} with scaling and {name}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=256, metavar="N", help="to read and score")
    parser.add_argument("--network", default="cnn1", choices=networks.NAMES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        review(Path(folder))
    alerts(arguments.alerts, arguments.network)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
