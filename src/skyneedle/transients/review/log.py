"""The log of a review: an SQLite file to which rows are only ever added.

Every action is on the disk before it is answered, so that a killed server or machine loses nothing. The file
refuses changes by itself: triggers stop updates and deletions, whoever asks for them.
"""

import hashlib
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core.errors import NotAReviewLog
from skyneedle.core.files import appearing
from skyneedle.transients.labels import deck as decks
from skyneedle.transients.labels.votes import LOG_COLUMNS

FORMAT = "skyneedle review 1"
SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE deck (
    id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, role TEXT NOT NULL, probability REAL NOT NULL,
    label INTEGER NOT NULL, score REAL
) STRICT;
CREATE TABLE actions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, reviewer TEXT NOT NULL, action TEXT NOT NULL,
    id INTEGER NOT NULL REFERENCES deck (id), answer TEXT NOT NULL, seconds REAL, time TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    CHECK (action IN ('answer', 'undo')), CHECK (answer IN ('real', 'bogus', 'unsure'))
) STRICT;
CREATE INDEX of_reviewer ON actions (reviewer);
"""
APPEND_ONLY = """
CREATE TRIGGER {table}_{what} BEFORE {what} ON {table}
BEGIN SELECT RAISE(ABORT, 'this log is only ever added to'); END;
"""


class AlreadyAnswered(Exception):
    """The reviewer has answered this candidate already."""


class ReviewLog:
    """An open log; safe to use from several threads and processes.

    Args:
        path: SQLite file of a log, see ``create``.

    Raises:
        NotAReviewLog: if it is none.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise NotAReviewLog(f"{path}: no such file; give the log of a review.")
        self._lock = threading.RLock()
        self._connection = _connect(self.path)
        try:
            about = dict(self._connection.execute("SELECT name, value FROM about"))
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise NotAReviewLog(
                f"{path}: not the log of a review ({error}); name another file with --log."
            ) from None
        if about.get("format") != FORMAT:
            self._connection.close()
            raise NotAReviewLog(
                f"{path}: a log of another form ('{about.get('format')}'), expected '{FORMAT}'."
            )
        self.seed, self.digest = int(about["seed"]), about["deck"]
        rows = self._connection.execute("SELECT id, token FROM deck ORDER BY id").fetchall()
        self.token_of = dict(rows)
        self.id_of = {token: one for one, token in rows}
        self._orders: dict[str, list[int]] = {}

    @classmethod
    def create(cls, path: str | Path, deck: pd.DataFrame, seed: int) -> "ReviewLog":
        """A fresh log.

        Args:
            path: file to create; there must be none.
            deck: see ``labels.deck.build``; score too, where there is one.
            seed: of each reviewer's order.

        Raises:
            NotAReviewLog: if the file exists, or the deck is empty.
        """
        path = Path(path)
        if path.exists():
            raise NotAReviewLog(f"{path}: exists already.")
        if deck.empty:
            raise NotAReviewLog("There is nothing to review: the list of suspects is empty.")
        path.parent.mkdir(parents=True, exist_ok=True)
        secret = uuid.uuid4().hex
        score = deck["score"] if "score" in deck else pd.Series(np.nan, index=deck.index)
        rows = [
            (
                int(one),
                _token(secret, int(one)),
                role,
                float(chance),
                int(label),
                None if np.isnan(s) else float(s),
            )
            for one, role, chance, label, s in zip(
                *(deck[name] for name in ("id", "role", "probability", "label")), score, strict=True
            )
        ]
        about = {"format": FORMAT, "seed": str(seed), "deck": deck_digest(deck)}
        guards = [
            APPEND_ONLY.format(table=table, what=what)
            for table in ("about", "deck", "actions")
            for what in ("UPDATE", "DELETE")
        ]
        try:
            with appearing(path) as partial:  # a start that is killed leaves no half log
                connection = sqlite3.connect(partial)
                connection.executescript(SCHEMA + "".join(guards))
                connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
                connection.executemany("INSERT INTO deck VALUES (?, ?, ?, ?, ?, ?)", rows)
                connection.commit()
                connection.close()
        except sqlite3.DatabaseError as error:
            raise NotAReviewLog(f"{path}: no log can be written here ({error}).") from None
        return cls(path)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # --- writing

    def answer(self, reviewer: str, one: int, answer: str, seconds: float | None, key: str) -> bool:
        """Log an answer; it is on the disk when this returns.

        Args:
            reviewer: name.
            one: id of a candidate of the deck.
            answer: one of ``votes.ANSWERS``.
            seconds: how long it was looked at.
            key: of this action; one that is there already was sent twice, and is not logged again.

        Returns:
            Whether a row was added.

        Raises:
            AlreadyAnswered: if an answer of this reviewer stands already.
        """
        with self._writing():
            if self._has(key):
                return False
            if one in dict(self.standing(reviewer)):
                raise AlreadyAnswered
            self._add(reviewer, "answer", one, answer, seconds, key)
        return True

    def undo(self, reviewer: str, key: str) -> int | None:
        """Log that a reviewer takes back the last answer that stands.

        Returns:
            Id of the candidate, or None where nothing is left to take back.
        """
        with self._writing():
            if self._has(key):
                row = self._connection.execute("SELECT id FROM actions WHERE key = ?", (key,)).fetchone()
                return int(row[0])
            standing = self.standing(reviewer)
            if not standing:
                return None
            one, answer = standing[-1]
            self._add(reviewer, "undo", one, answer, None, key)
            return one

    def _add(
        self, reviewer: str, action: str, one: int, answer: str, seconds: float | None, key: str
    ) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._connection.execute(
            "INSERT INTO actions (reviewer, action, id, answer, seconds, time, key) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (reviewer, action, one, answer, seconds, now, key),
        )

    def _has(self, key: str) -> bool:
        return self._connection.execute("SELECT 1 FROM actions WHERE key = ?", (key,)).fetchone() is not None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    # --- reading

    def standing(self, reviewer: str) -> list[tuple[int, str]]:
        """Candidates and answers of a reviewer that stand, in the order in which they were given."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT action, id, answer FROM actions WHERE reviewer = ? ORDER BY number", (reviewer,)
            ).fetchall()
        stack: list[tuple[int, str]] = []
        for action, one, answer in rows:
            if action == "answer":
                stack.append((one, answer))
            else:
                stack.pop()
        return stack

    def order(self, reviewer: str) -> list[int]:
        """The deck in the order of a reviewer."""
        if reviewer not in self._orders:
            self._orders[reviewer] = decks.order(list(self.token_of), reviewer, self.seed).tolist()
        return self._orders[reviewer]

    def card(self, one: int) -> dict[str, Any]:
        """Given label and score of a candidate: what a blinded reviewer must not see."""
        with self._lock:
            row = self._connection.execute("SELECT label, score FROM deck WHERE id = ?", (one,)).fetchone()
        return {"label": row[0], "score": row[1]}

    def table(self) -> pd.DataFrame:
        """All actions, columns ``votes.LOG_COLUMNS``."""
        with self._lock:
            table = pd.read_sql_query(
                'SELECT number AS "index", reviewer, action, actions.id, answer, seconds, time, role, '
                "probability, label FROM actions JOIN deck ON actions.id = deck.id ORDER BY number",
                self._connection,
            )
        return table.astype({"seconds": float, "probability": float})[list(LOG_COLUMNS)]


def deck_digest(deck: pd.DataFrame) -> str:
    """What a review is about: its suspects and controls with their labels."""
    cards = deck[list(decks.COLUMNS)].sort_values("id")
    return hashlib.sha256(cards.to_csv(index=False).encode()).hexdigest()[:16]


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # on the disk at each commit, not at some later time
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise NotAReviewLog(
            f"{path}: not the log of a review ({error}); name another file with --log."
        ) from None
    return connection


def _token(secret: str, one: int) -> str:
    """A name for a candidate that tells nothing: a survey's own numbers may tell injected from detected."""
    return hashlib.sha256(f"{secret}:{one}".encode()).hexdigest()[:20]
