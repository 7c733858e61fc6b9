"""Packing archives of stamps: stamps a second from tar to HDF5, and memory.

Archives are made here in the survey's format, images (FITS) and pictures (GIF) apart, and packed in one
process each time. Time is that of the processor, so that whatever else the machine does counts little; the
second column is the clock's. Memory is that of a process of its own, for a small and a large archive.
"""

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from PIL import Image

from skyneedle.transients.fetch import pack, stamps

TARGET = 5000  # stamps a second
MEMORY_GB = 2.0
N_DIFFERENT = 64
FEATURES = [*(f"F{k}" for k in range(37)), "BAND"]


def contents(pixel_mode: str) -> list[bytes]:
    """Files of some planes of noise."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(3 * N_DIFFERENT):
        file = io.BytesIO()
        if pixel_mode == "gif":
            Image.fromarray(rng.normal(128, 30, (51, 51)).clip(0, 255).astype(np.uint8)).save(file, "GIF")
        else:
            fits.PrimaryHDU(rng.normal(size=(51, 51)).astype(np.float32)).writeto(file)
        made.append(file.getvalue())
    return made


def write_archive(folder: Path, n: int, pixel_mode: str) -> None:
    """A tar of n candidates and its catalogue."""
    files, ending = contents(pixel_mode), stamps.ENDINGS[pixel_mode]
    with tarfile.open(folder / "stamps.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for one in range(n):
            for k, channel in enumerate(("srch", "temp", "diff")):
                content = files[(3 * one + k) % len(files)]
                path = f"SNWG/Archive/2013/Y1/{20130901 + one // 10000}/{one // 100}/{channel}{one}.{ending}"
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    rows = [",".join(["ID", "OBJECT_TYPE", *FEATURES])]
    rows += [f"{one},{one % 2}," + ",".join(["0.123456"] * 37) + ",1" for one in range(n)]
    (folder / "features.csv").write_text("# autoscan\n" * 6 + "\n".join(rows) + "\n")


def packed(folder: Path, pixel_mode: str) -> None:
    pack.write_shard(folder / "0.h5", folder / "stamps.tar", folder / "features.csv", pixel_mode=pixel_mode)


ALONE = """
import resource, sys
from skyneedle.transients.fetch import pack
folder, mode = sys.argv[1:]
pack.write_shard(f"{folder}/0.h5", f"{folder}/stamps.tar", f"{folder}/features.csv", pixel_mode=mode)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


def memory_gb(folder: Path, pixel_mode: str) -> float:
    words = [sys.executable, "-c", ALONE, str(folder), pixel_mode]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamps", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'pixels':8}{'stamps':>8}{'stamps/s':>10}{'by clock':>10}{'peak GB':>9}{'of a tenth':>12}")
    passed = True
    for pixel_mode in ("fits", "gif"):
        with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
            write_archive(Path(few), max(arguments.stamps // 10, 1), pixel_mode)
            write_archive(Path(many), arguments.stamps, pixel_mode)
            used, clock = [], []
            for _ in range(arguments.repetitions):
                start = time.process_time(), time.perf_counter()
                packed(Path(many), pixel_mode)
                used.append(time.process_time() - start[0])
                clock.append(time.perf_counter() - start[1])
            rate, by_clock = (arguments.stamps / min(one) for one in (used, clock))
            peaks = memory_gb(Path(many), pixel_mode), memory_gb(Path(few), pixel_mode)
        passed &= rate >= TARGET and max(peaks) <= MEMORY_GB
        print(
            f"{pixel_mode:8}{arguments.stamps:8}{rate:10.0f}{by_clock:10.0f}{peaks[0]:9.2f}{peaks[1]:12.2f}",
            flush=True,
        )
    print(f"Wanted: {TARGET} stamps/s, at most {MEMORY_GB:g} GB: {'met' if passed else 'missed'}.")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
