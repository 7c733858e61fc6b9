import os
import subprocess
import sys

import pytest

from skyneedle import cli
from skyneedle.core.errors import StrainHasNaN
from skyneedle.lenses.classify import search as lens_search
from skyneedle.strain.scan import search
from skyneedle.transients.review import serve
from skyneedle.transients.score import run as candidate_search


def run(*words: str) -> subprocess.CompletedProcess:
    """The module in a fresh interpreter, with a list of what it imports on stderr."""
    command = [sys.executable, "-X", "importtime", "-m", "skyneedle.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))


@pytest.mark.parametrize("words", [[], ["scan"], ["classify"], ["score"], ["review"]])
def test_help_is_there_before_anything_heavy(words):
    done = run(*words, "--help")
    assert done.returncode == 0
    expected = [f"skyneedle {words[0]}"] if words else ["scan", "classify", "score", "review"]
    assert all(word in done.stdout for word in expected)
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "skyneedle.core.errors" in imported
    assert not imported & {
        "torch",
        "numpy",
        "scipy",
        "h5py",
        "pandas",
        "matplotlib",
        "lal",
        "requests",
        "flask",
    }


@pytest.fixture
def asked(monkeypatch):
    """Arguments that reach the search, which is not run."""
    calls = []
    monkeypatch.setattr(search, "scan", lambda sources, **options: calls.append((sources, options)))
    return calls


def test_words_reach_the_search_in_any_order(asked):
    words = (
        "scan H1=a h1=b --threshold 0.25 L1=c --gps 10 42.5 --mirror m --mirror n --window 64 --no-pictures"
    )
    assert cli.main(words.split()) == 0
    sources, options = asked[0]
    assert sources == {"H1": ["a", "b"], "L1": ["c"]}
    assert options["gps"] == (10.0, 42.5)
    assert options["mirrors"] == ["m", "n"]
    assert (options["threshold"], options["window"], options["pictures"]) == (0.25, 64, False)


def test_what_is_not_given_is_left_to_the_search(asked):
    assert cli.main(["scan"]) == 0
    sources, options = asked[0]
    assert sources == {}
    assert all(options[key] is None for key in ("gps", "weights", "threshold", "window"))
    assert options["pictures"]


def test_words_reach_the_classification_in_any_order(monkeypatch):
    calls = []
    monkeypatch.setattr(lens_search, "classify", lambda paths, **options: calls.append((paths, options)))
    words = "classify a b.h5 --network ou66 c.fits --top 5 --attribution d"
    assert cli.main(words.split()) == 0
    paths, options = calls[0]
    assert paths == ["a", "b.h5", "c.fits", "d"]
    assert (options["network"], options["top"], options["attribution"]) == ("ou66", 5, True)
    assert cli.main(["classify", "a"]) == 0
    assert calls[1][1]["network"] is None
    assert calls[1][1]["out"] == "classify"


def test_words_reach_the_scores_and_the_review(monkeypatch):
    calls = []
    monkeypatch.setattr(candidate_search, "score", lambda paths, **options: calls.append((paths, options)))
    monkeypatch.setattr(serve, "review", lambda paths, **options: calls.append((paths, options)))
    monkeypatch.setattr(serve, "export", lambda log, out: calls.append((log, out)))
    assert cli.main(["score", "a.tar", "--top", "3", "b.avro", "--network", "n", "--out", "o"]) == 0
    expected = {"network": "n", "top": 3, "out": "o", "device": "cpu"}
    assert calls[0] == (["a.tar", "b.avro"], expected)
    assert (
        cli.main(
            [
                "review",
                "s.parquet",
                "--log",
                "l",
                "--port",
                "0",
                "data",
                "--reviewer",
                "ann",
                "--controls",
                "0.2",
            ]
        )
        == 0
    )
    paths, options = calls[1]
    assert paths == ["s.parquet", "data"]
    assert options["blinded"]
    assert (options["log"], options["port"], options["reviewer"], options["share"]) == ("l", 0, "ann", 0.2)
    assert cli.main(["review", "s", "d", "--log", "l", "--show-labels"]) == 0
    assert not calls[2][1]["blinded"]
    assert cli.main(["review", "--export", "o", "--log", "l"]) == 0
    assert calls[3] == ("l", "o")


@pytest.mark.parametrize(
    "words",
    [
        "scan --treshold 0.5",
        "scan --device tpu",
        "scan H1=a --out o stray",
        "",
        "find",
        "classify",
        "classify a --nett b",
        "score",
        "review a b",
    ],
)
def test_unknown_words_are_refused(asked, words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(words.split())
    assert stop.value.code == 2
    assert not asked
    assert "usage" in capsys.readouterr().err


def test_a_word_without_detector_gets_a_sentence(capsys):
    assert cli.main(["scan", "file.hdf5"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'file.hdf5'" in error
    assert "H1=" in error


@pytest.mark.parametrize(
    "error", [StrainHasNaN("o1.hdf5: two\n lines"), PermissionError(13, "denied", "o1.hdf5")]
)
def test_bad_input_is_one_line_and_status_2(monkeypatch, capsys, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(search, "scan", fail)
    assert cli.main(["scan", "H1=o1.hdf5"]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert "o1.hdf5" in written.err


def test_a_bug_is_not_hidden(monkeypatch):
    monkeypatch.setattr(search, "scan", lambda *_, **__: [].pop())
    with pytest.raises(IndexError):
        cli.main(["scan", "H1=a"])


def test_ctrl_c_says_that_the_scan_goes_on(monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "scan", stop)
    assert cli.main(["scan", "H1=a"]) == 130
    assert "goes on" in capsys.readouterr().err
