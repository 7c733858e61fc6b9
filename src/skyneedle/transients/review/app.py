"""The web application behind the review page.

It answers to this machine alone. Blinded, neither the page nor any answer of the server holds a candidate's
label, score, number, role or reason: a candidate is known by a token that tells nothing.
"""

import math
import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from skyneedle.transients.labels.votes import ANSWERS
from skyneedle.transients.review.log import AlreadyAnswered, ReviewLog
from skyneedle.transients.review.pixels import PLANES, STRETCHES, Stamps

HOSTS = ("127.0.0.1", "localhost", "::1")
LONGEST_BODY = 2048  # bytes
AHEAD = 4  # candidates whose pictures the page fetches before they are needed
NAME = re.compile(r"\w[\w .@'-]{0,39}")
KEY = re.compile(r"[0-9a-zA-Z-]{8,64}")
LONGEST_LOOK = 86400.0  # seconds
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Refused(Exception):
    """What the page sent cannot be taken; the message says why."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


def create_app(log: ReviewLog, stamps: Stamps, *, reviewer: str = "", blinded: bool = True) -> Flask:
    """The application.

    Args:
        log: that actions go to.
        stamps: of all candidates of the log.
        reviewer: name that the page proposes.
        blinded: whether given label and score stay hidden.
    """
    app = Flask(__name__, static_folder="page", static_url_path="/page")
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _guard(app)

    @app.get("/")
    def page() -> Response:
        return app.send_static_file("index.html")

    @app.get("/api/hello")
    def hello() -> Response:
        return jsonify(reviewer=reviewer, total=len(log.token_of), blinded=blinded, stretches=STRETCHES)

    @app.post("/api/state")
    def where() -> Response:
        sent = _body({"reviewer"})
        return jsonify(state(log, _name(sent), blinded))

    @app.post("/api/answer")
    def answer() -> Response:
        sent = _body({"reviewer", "candidate", "answer", "seconds", "key"})
        name, one = _name(sent), _candidate(log, sent["candidate"])
        if sent["answer"] not in ANSWERS:
            raise Refused(f"An answer is one of {', '.join(ANSWERS)}.")
        try:
            log.answer(name, one, sent["answer"], _seconds(sent["seconds"]), _key(sent["key"]))
        except AlreadyAnswered:
            raise Refused("You have answered this candidate already; undo to change it.", 409) from None
        return jsonify(state(log, name, blinded))

    @app.post("/api/undo")
    def undo() -> Response:
        sent = _body({"reviewer", "key"})
        name = _name(sent)
        if log.undo(name, _key(sent["key"])) is None:
            raise Refused("There is nothing to undo.", 409)
        return jsonify(state(log, name, blinded))

    @app.get("/picture/<token>/<plane>/<stretch>.png")
    def picture(token: str, plane: str, stretch: str) -> Response:
        if plane not in PLANES or stretch not in STRETCHES:
            raise Refused("There is no such picture.", 404)
        content = stamps.picture(_candidate(log, token), plane, stretch)
        found = Response(content, mimetype="image/png")
        found.headers["Cache-Control"] = "private, max-age=86400, immutable"
        return found

    return app


def state(log: ReviewLog, reviewer: str, blinded: bool = True) -> dict[str, Any]:
    """Where a reviewer stands: counts, the candidate to look at, and those that come next."""
    standing = log.standing(reviewer)
    answered = dict(standing)
    left = [one for one in log.order(reviewer) if one not in answered]
    counts = Counter(answered.values())
    found: dict[str, Any] = {
        "reviewer": reviewer,
        "done": len(answered),
        "total": len(log.token_of),
        "counts": {answer: counts[answer] for answer in ANSWERS},
        "candidate": log.token_of[left[0]] if left else None,
        "next": [log.token_of[one] for one in left[1 : 1 + AHEAD]],
    }
    if left and not blinded:
        found["shown"] = log.card(left[0])
    return found


# --- what comes in


def _guard(app: Flask) -> None:
    @app.before_request
    def only_from_here() -> None:
        # A page elsewhere may point a name of its own at this machine; it cannot change the Host header.
        if urlsplit(f"//{request.host}").hostname not in HOSTS:
            raise Refused("This server answers to 127.0.0.1 only.", 403)
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise Refused("Another page may not act here.", 403)

    @app.after_request
    def with_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.errorhandler(Refused)
    def refused(error: Refused) -> tuple[Response, int]:
        return jsonify(error=str(error)), error.status

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description or error.name), error.code or 500


def _body(names: set[str]) -> dict[str, Any]:
    if request.mimetype != "application/json":  # other kinds may be sent across sites without asking
        raise Refused("Send JSON.", 415)
    sent = request.get_json()
    if not isinstance(sent, dict) or set(sent) != names:
        raise Refused(f"Send an object with {', '.join(sorted(names))}, and nothing else.")
    return sent


def _name(sent: dict[str, Any]) -> str:
    name = sent["reviewer"]
    if not isinstance(name, str) or not NAME.fullmatch(name) or name != name.strip():
        raise Refused(
            "A reviewer's name has 1 to 40 letters, digits, spaces or . @ ' - and begins with a letter."
        )
    return name


def _candidate(log: ReviewLog, token: Any) -> int:
    if not isinstance(token, str) or token not in log.id_of:
        raise Refused("There is no such candidate in this review.", 404)
    return log.id_of[token]


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value < 0
    ):
        raise Refused("The seconds that a candidate was looked at are a number from 0 on, or null.")
    return min(float(value), LONGEST_LOOK)


def _key(value: Any) -> str:
    if not isinstance(value, str) or not KEY.fullmatch(value):
        raise Refused("An action's key has 8 to 64 letters, digits or dashes.")
    return value
