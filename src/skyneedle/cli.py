"""The command line: `skyneedle scan | classify | score | review`. Nothing heavy is loaded before one runs."""

import argparse
import os
import sys
from collections.abc import Sequence

from skyneedle.core.errors import BadSetting, SkyneedleError

SCAN_TEXT = """\
Search strain of any length for mergers with a trained network.

Strain comes from files or folders (GWOSC HDF5 or text format, 4096 Hz), one word a detector, from the archive
for a GPS interval, or both: then the interval is cut out of the files. Writes triggers.csv, one picture a
trigger, and scan.json about what was searched. The same command again goes on where a killed one stopped.
"""
SCAN_EXAMPLES = """\
examples:
  skyneedle scan H1=H-H1_LOSC_4_V2-1126259446-32.hdf5 L1=L-L1_LOSC_4_V2-1126259446-32.hdf5
  skyneedle scan H1=o1/ L1=o1/ --out o1_triggers
  skyneedle scan --gps 1126259446 1126259478 --mirror /data/gwosc
"""

CLASSIFY_TEXT = """\
Score stamps of galaxies as strong lenses with a trained network.

Stamps come from FITS or HDF5 files or folders of them, 200 x 200 pixels of 0.1 arcsec in VIS and 66 x 66 of
0.3 arcsec in J, Y and H. Writes scores.csv and scores.parquet, best first; top.png, the best in colour;
left_out.csv, what could not be scored and why; and classify.json about what was scored with what. The same
command again goes on where a killed one stopped.
"""
CLASSIFY_EXAMPLES = """\
files:
  HDF5 (.h5, .hdf5, .hdf)  arrays vis (n, 200, 200) and nisp (n, 3, 66, 66) in the order J, Y, H; the data
                           sets of this package
  FITS (.fits, .fit,       one file a band: VIS, Y, J or H is a word of its name, and the paths of an object's
  or packed: .fits.gz)     files differ in nothing else (EUC_VIS/EUC_VIS-7.fits, EUC_J/EUC_J-7.fits); or one
                           file an object: extensions VIS, Y, J, H, or a Euclid Q1 cutout

examples:
  skyneedle classify stamps/
  skyneedle classify stamps/ more.h5 --network ou66 --attribution --out candidates
  skyneedle classify stamps/ --network results/laptop/lenses/models/resnet10/seed0
"""

SCORE_TEXT = """\
Score candidates of transients, real or bogus, with a trained network.

A candidate is a triplet of template, search and difference image. Writes scores.csv and scores.parquet, the
most real first, and those that cannot be scored last, each with the reason; candidates.html, a page of
pictures; and score.json about what was scored with what. Of stamps larger than 51 x 51 pixels the centre is
scored as it is; a warning says so, and where another survey made them.
"""
SCORE_EXAMPLES = """\
files:
  folder           files (temp|srch|diff)<id>.fits or .gif at any depth, or any of the below
  .tar             the same in an archive of the survey, which is not unpacked
  .h5              data sets of this package
  .avro, .parquet  alert packets of ZTF, DECam and others with FITS cutouts

examples:
  skyneedle score stamps_0.tar
  skyneedle score alert.avro alerts.parquet --network results/laptop/transients/models/cnn1/seed0 --out scored
"""

REVIEW_TEXT = """\
Review candidates whose label is suspected to be wrong, in a page of your own browser.

Takes a table of suspects and the data set they come from, mixes in controls, and serves the page on this
machine alone. Every answer is in the log before the next candidate appears; the same command goes on with it.
Several reviewers, each with a name of their own, may share one log. With --export, writes what was reviewed.
"""
REVIEW_EXAMPLES = """\
examples:
  skyneedle review suspects.parquet results/laptop/transients/data/des --log review.sqlite
  skyneedle review --export reviewed --log review.sqlite
"""


def parser() -> argparse.ArgumentParser:
    """The parser of all sub-commands."""
    top = argparse.ArgumentParser(prog="skyneedle", description="Find rare things in the sky.")
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    scan = commands.add_parser(
        "scan",
        help="search gravitational-wave strain with a trained network",
        description=SCAN_TEXT,
        epilog=SCAN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = scan.add_argument
    add("strain", nargs="*", metavar="DETECTOR=PATH", help="file or folder of one detector, as H1=o1/")
    add("--gps", nargs=2, type=float, metavar=("START", "END"), help="GPS interval in s; fetched if no PATH")
    add("--mirror", action="append", default=[], metavar="M", help="folder or base URL, before the archive")
    add("--weights", metavar="STEM", help="trained network: STEM.safetensors and STEM.json")
    add("--threshold", type=float, metavar="T", help="of the smoothed output; default: the operating point")
    add("--window", type=int, metavar="N", help="of the smoothing, in samples at 2048 Hz; default likewise")
    add("--out", default="scan", metavar="FOLDER", help="where results go (default: ./scan)")
    add("--device", default="cpu", choices=("cpu", "cuda"), help="where the network runs")
    add("--no-pictures", dest="pictures", action="store_false", help="write the table only")
    scan.set_defaults(run=_scan, words="strain")
    classify = commands.add_parser(
        "classify",
        help="score stamps as strong lenses with a trained network",
        description=CLASSIFY_TEXT,
        epilog=CLASSIFY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = classify.add_argument
    add("stamps", nargs="+", metavar="PATH", help="file or folder of stamps")
    add(
        "--network",
        metavar="NAME",
        help="ou66 (default) or ou200, or the path of trained or published weights",
    )
    add("--top", type=int, default=30, metavar="N", help="objects in top.png (default: 30; 0: no picture)")
    add("--attribution", action="store_true", help="show in top.png where each score comes from")
    add("--out", default="classify", metavar="FOLDER", help="where results go (default: ./classify)")
    add("--device", default="cpu", choices=("cpu", "cuda"), help="where the network runs")
    classify.set_defaults(run=_classify, words="stamps")
    score = commands.add_parser(
        "score",
        help="score candidates of transients, real or bogus, with a trained network",
        description=SCORE_TEXT,
        epilog=SCORE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = score.add_argument
    add("candidates", nargs="+", metavar="PATH", help="file or folder of candidates")
    add("--network", metavar="NAME", help="cnn1 (default) or cnn4, or the path of trained weights")
    add("--top", type=int, default=60, metavar="N", help="candidates on the page (default: 60; 0: no page)")
    add("--out", default="score", metavar="FOLDER", help="where results go (default: ./score)")
    add("--device", default="cpu", choices=("cpu", "cuda"), help="where the network runs")
    score.set_defaults(run=_score, words="candidates")
    review = commands.add_parser(
        "review",
        help="review suspect labels of transients in a local web page",
        description=REVIEW_TEXT,
        epilog=REVIEW_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = review.add_argument
    add("paths", nargs="*", metavar="PATH", help="table of suspects (parquet or CSV), then the data set")
    add("--log", required=True, metavar="FILE", help="SQLite file that answers are added to")
    add("--reviewer", default="", metavar="NAME", help="name that the page proposes")
    add("--port", type=int, default=8765, metavar="P", help="on 127.0.0.1 (default: 8765; 0: any)")
    add("--controls", type=float, default=0.15, metavar="SHARE", help="of the deck (default: 0.15)")
    add("--seed", type=int, default=0, metavar="N", help="of the controls and orders (default: 0)")
    add("--show-labels", action="store_true", help="show given label and score: not blinded")
    add("--export", metavar="FOLDER", help="write log, labels and agreement there instead of serving")
    review.set_defaults(run=_review, words="paths")
    return top


def _scan(arguments: argparse.Namespace) -> None:
    sources: dict[str, list[str]] = {}
    for word in arguments.strain:
        detector, equals, path = word.partition("=")
        if not (detector and equals and path):
            raise BadSetting(
                f"'{word}': strain is given as DETECTOR=PATH, for instance H1=o1/ or H1=file.hdf5."
            )
        sources.setdefault(detector.upper(), []).append(path)
    # Threads that spin while they wait cost a busy machine most of its time: ten times slower was seen.
    # OpenMP reads this when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from skyneedle.strain.scan import search

    search.scan(
        sources,
        gps=tuple(arguments.gps) if arguments.gps else None,
        mirrors=arguments.mirror,
        weights=arguments.weights,
        threshold=arguments.threshold,
        window=arguments.window,
        out=arguments.out,
        device=arguments.device,
        pictures=arguments.pictures,
    )


def _classify(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see _scan
    from skyneedle.lenses.classify import search

    search.classify(
        arguments.stamps,
        network=arguments.network,
        top=arguments.top,
        attribution=arguments.attribution,
        out=arguments.out,
        device=arguments.device,
    )


def _score(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see _scan
    from skyneedle.transients.score import run

    run.score(
        arguments.candidates,
        network=arguments.network,
        top=arguments.top,
        out=arguments.out,
        device=arguments.device,
    )


def _review(arguments: argparse.Namespace) -> None:
    from skyneedle.transients.review import serve

    if arguments.export:
        serve.export(arguments.log, arguments.export)
        return
    serve.review(
        arguments.paths,
        log=arguments.log,
        reviewer=arguments.reviewer,
        port=arguments.port,
        blinded=not arguments.show_labels,
        share=arguments.controls,
        seed=arguments.seed,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command.

    Args:
        argv: words of the command line; those of the process if not given.

    Returns:
        Exit status: 0, or 2 after bad input, which stands on stderr in one sentence; 130 after Ctrl-C.
    """
    top = parser()
    arguments, rest = top.parse_known_args(argv)
    # argparse takes only one run of positional words: those after an option are left over.
    is_strain = arguments.words == "strain"
    if any(word.startswith("-") or (is_strain and "=" not in word) for word in rest):
        top.error(f"unrecognised: {' '.join(rest)}")
    getattr(arguments, arguments.words).extend(rest)
    try:
        arguments.run(arguments)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except (SkyneedleError, OSError) as error:
        print(f"skyneedle: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("skyneedle: stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
