"""`skyneedle review`: open or resume a review and serve its page; or export what was reviewed."""

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import BadSetting, NotAReviewLog
from skyneedle.transients.labels import deck as decks
from skyneedle.transients.labels import relabel
from skyneedle.transients.review import agreement
from skyneedle.transients.review.log import ReviewLog, deck_digest
from skyneedle.transients.review.pixels import Stamps

LOOPBACK, PORT = "127.0.0.1", 8765
Tell = Callable[[str], Any]


def open_review(
    suspects: str | Path,
    data: Sequence[str | Path],
    log: str | Path,
    *,
    share: float = decks.SHARE,
    seed: int = 0,
) -> tuple[ReviewLog, Stamps]:
    """The log of a review, fresh or to go on with, and the stamps it is about.

    Args:
        suspects: parquet or CSV with ids, and scores where there are some.
        data: folder of shards, or shards.
        log: SQLite file.
        share: of controls in the deck.
        seed: of the controls and of the reviewers' orders.

    Raises:
        NotAReviewLog: if the log is of another review.
        BadLabels: if the data lack a suspect.
    """
    stamps = Stamps(data[0] if len(data) == 1 else list(data))
    listed = _read(suspects)
    deck = decks.build(listed["id"].to_numpy("int64"), stamps.labels(), share=share, seed=seed)
    if "score" in listed:
        deck["score"] = deck["id"].map(listed.set_index("id")["score"])
    path = Path(log)
    if not path.exists():
        return ReviewLog.create(path, deck, seed), stamps
    opened = ReviewLog(path)
    if opened.digest != deck_digest(deck):
        opened.close()
        raise NotAReviewLog(
            f"{log}: the log of another review: other suspects, controls, labels or seed. Give what it was "
            "begun with, or name a fresh file with --log."
        )
    return opened, stamps


def _read(suspects: str | Path) -> pd.DataFrame:
    path = Path(suspects)
    if not path.is_file():
        raise BadSetting(f"{path}: no such file; give suspects as parquet or CSV with a column id.")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise BadSetting(f"{path}: cannot be read as parquet or CSV ({error}).") from None
    if "id" not in table or not pd.api.types.is_integer_dtype(table["id"]):
        raise BadSetting(f"{path}: has no column id of whole numbers; its columns are {list(table)}.")
    return table.drop_duplicates("id")


def review(
    paths: Sequence[str],
    *,
    log: str | Path,
    reviewer: str = "",
    port: int = PORT,
    blinded: bool = True,
    share: float = decks.SHARE,
    seed: int = 0,
    tell: Tell = print,
) -> None:
    """Serve the page on this machine until it is stopped.

    Args:
        paths: suspects, then the data.
        log: see ``open_review``.
        reviewer: name that the page proposes.
        port: 0 takes any that is free.
        blinded: whether label and score stay hidden.
        share, seed: see ``open_review``.
        tell: gets one sentence at a time.

    Raises:
        BadSetting: if the port is taken, or there are no data.
    """
    from werkzeug.serving import WSGIRequestHandler, make_server

    from skyneedle.transients.review.app import create_app

    if len(paths) < 2:
        raise BadSetting("Give suspects and then their data: skyneedle review suspects.parquet data/")

    class Quiet(WSGIRequestHandler):
        """Does not tell of each request."""

        def log_request(self, *_: Any, **__: Any) -> None:
            pass

    opened, stamps = open_review(paths[0], paths[1:], log, share=share, seed=seed)
    try:
        listening = _listen(port)
        app = create_app(opened, stamps, reviewer=reviewer, blinded=blinded)
        server = make_server(LOOPBACK, port, app, threaded=True, request_handler=Quiet, fd=listening.fileno())
        where = f"http://{LOOPBACK}:{listening.getsockname()[1]}/"
        actions = len(opened.table())
        tell(f"{len(opened.token_of)} candidates, {actions} actions in {log}; nothing leaves this machine.")
        tell(f"Open {where} in a browser; stop with Ctrl-C, the same command goes on.")
        try:
            server.serve_forever()
        finally:
            server.server_close()
            listening.close()
    finally:
        opened.close()


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a killed server's port is free at once
    try:
        listening.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise BadSetting(
            f"Port {port} on {LOOPBACK} cannot be used ({error}); choose another with --port."
        ) from None
    listening.listen(64)
    return listening


def export(log: str | Path, out: str | os.PathLike, *, tell: Tell = print) -> None:
    """Write what was reviewed.

    ``review_log.csv`` and ``.parquet``: every action, the latter for ``labels.relabel``; ``relabelled.csv``:
    what the reviewers think of each candidate in the end, with who changed its label; ``agreement.csv``:
    Cohen's kappa of each pair; ``summary.json``: counts, and the share of wrong labels left by the controls.

    Args:
        log: SQLite file.
        out: folder.
        tell: gets one sentence at a time.

    Raises:
        NotAReviewLog: if it is no log.
    """
    opened = ReviewLog(log)
    try:
        table = opened.table()
    finally:
        opened.close()
    folder = Path(out)
    given = table.drop_duplicates("id")[["id", "label"]].sort_values("id", ignore_index=True)
    labels = relabel.relabel(given, table)
    kappa = agreement.pairs(table)
    left = relabel.remaining_errors(labels, table)
    summary = {**relabel.counts(labels, table), "remaining_error_rate": left}
    tables.write_csv(table, folder / "review_log.csv")
    tables.write_csv(labels[labels["is_reviewed"]], folder / "relabelled.csv")
    tables.write_csv(kappa, folder / "agreement.csv")
    tables.write_json(summary, folder / "summary.json")
    tables.write_parquet(table, folder / "review_log.parquet")
    tell(
        f"{summary['n_reviewed']} candidates reviewed by {summary['n_reviewers']}, "
        f"{summary['n_flipped']} labels changed."
    )
    for row in kappa.itertuples():
        tell(f"{row.first} and {row.second}: kappa {row.kappa:.2f} on {row.n_both} candidates.")
    names = "review_log.csv, review_log.parquet, relabelled.csv, agreement.csv, summary.json"
    tell(f"Written into {folder}: {names}.")
