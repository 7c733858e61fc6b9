"""What `make results` calls: says how long it will take, removes a dead lock, becomes Snakemake."""

import argparse
import csv
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Read the options of `make results` and replace this process by Snakemake."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=["smoke", "laptop", "paper"], default="laptop")
    parser.add_argument("--experiment", default="", help="comma-separated; empty means all")
    parser.add_argument("--profile", default="default")
    parser.add_argument("--mirror", default="", help="folder or base URL tried before the archives")
    parser.add_argument("--cores", default="")
    parser.add_argument(
        "--report", default="", help="write a report of finished results to this file instead"
    )
    parser.add_argument("--target", default="", help="make this file alone")
    parser.add_argument("--dry-run", action="store_true")
    options, more = parser.parse_known_args()  # what is not listed here is Snakemake's to understand
    os.chdir(ROOT)
    if not Path("profiles", options.profile, "config.yaml").is_file():
        known = ", ".join(sorted(path.name for path in Path("profiles").iterdir()))
        sys.exit(f"profiles/{options.profile}: no such profile; there is {known}.")
    arguments = command(options, more)
    if not options.report:
        announce(options.scale, options.experiment)
    remove_dead_lock()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *arguments])


def command(options: argparse.Namespace, more: list[str]) -> list[str]:
    """Arguments of Snakemake for one run; ``more`` go to it as they are."""
    settings = []
    if options.experiment:
        settings.append(f"experiments=[{options.experiment}]")
    if options.mirror:
        mirror = options.mirror if "://" in options.mirror else str(Path(options.mirror).resolve())
        settings.append(f"mirrors=['{mirror}']")
    arguments = ["-m", "snakemake", "--workflow-profile", f"profiles/{options.profile}"]
    if options.scale != "laptop":
        arguments += ["--configfile", f"config/{options.scale}.yaml"]
    if settings:
        arguments += ["--config", *settings]
    if options.cores:
        arguments += ["--cores", options.cores]
    if options.report:
        arguments += ["--report", options.report]
    if options.dry_run:
        arguments += ["--dry-run", "--quiet", "rules"]
    arguments += more
    return [*arguments, "--", options.target] if options.target else arguments


def announce(scale: str, experiment: str) -> None:
    """Print what the run is expected to take, from config/durations.tsv."""
    with open("config/durations.tsv", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["scale"] == scale]
    for row in rows:
        if not experiment or row["experiment"] in experiment.split(","):
            size = f"{row['minutes']} minutes, {row['gigabytes']} GB on {row['hardware']}"
            print(f"{row['experiment']}, scale {scale}: {size}; finished steps are not repeated.")


def remove_dead_lock() -> None:
    """Remove the lock of a Snakemake that was killed; leave that of one that lives."""
    locks = Path(".snakemake", "locks")
    if not locks.is_dir() or not any(locks.iterdir()):
        return
    alive = [pid for pid in other_snakemakes() if pid != os.getpid()]
    if alive:
        sys.exit(f"Another Snakemake (process {alive[0]}) is at work in {ROOT}; wait until it has ended.")
    print("Removing the lock of a run that was killed; its finished steps are kept.")
    shutil.rmtree(locks)


def other_snakemakes() -> list[int]:
    """Live processes that run Snakemake in this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            runs = b"snakemake" in words[:3] or any(word.endswith(b"/snakemake") for word in words[:3])
            if runs and Path(os.readlink(entry / "cwd")) == ROOT:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    main()
