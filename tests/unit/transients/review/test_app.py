"""The review server by its client: what it takes, what it never gives away, and that it loses nothing."""

import itertools
import json
import sqlite3

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadLabels, BadSetting, NotADataSet, NotAReviewLog
from skyneedle.transients.labels import relabel, votes
from skyneedle.transients.review import pixels, serve
from skyneedle.transients.review.app import create_app
from skyneedle.transients.review.log import ReviewLog
from tests.unit.transients.review import small

keys = (f"key-{k:08d}" for k in itertools.count())


@pytest.fixture
def folder(tmp_path):
    return small.write(tmp_path)


@pytest.fixture
def review(folder):
    log, stamps = small.opened(folder)
    yield log, stamps
    log.close()


@pytest.fixture
def client(review):
    return create_app(*review).test_client()


def state(client, reviewer="ann"):
    return client.post("/api/state", json={"reviewer": reviewer}).json


def answer(client, word="real", reviewer="ann", **changes):
    sent = {"reviewer": reviewer, "answer": word, "seconds": 1.25, "key": next(keys)}
    sent["candidate"] = state(client, reviewer)["candidate"] if "candidate" not in changes else None
    return client.post("/api/answer", json=sent | changes)


def undo(client, reviewer="ann"):
    return client.post("/api/undo", json={"reviewer": reviewer, "key": next(keys)})


# --- what is given away


def test_blinded_means_that_nothing_tells(client, review):
    log, _ = review
    assert state(client)["total"] == 20  # 17 suspects and 15 % controls
    said = [client.get("/").data, client.get("/api/hello").data, client.get("/page/review.js").data]
    for word in ("real", "bogus", "unsure"):
        said += [json.dumps(state(client)).encode(), answer(client, word).data, undo(client).data]
        said += [answer(client, word).data]
    answers = b" ".join(said[1:2] + said[3:])
    for one in log.token_of:
        assert str(one).encode() not in answers
    for word in (b"label", b"score", b"suspect", b"control", b"probability", b"role", b"artifact"):
        assert word not in answers.replace(b'"blinded"', b"")
    found = state(client)
    assert set(found) == {"reviewer", "done", "total", "counts", "candidate", "next"}
    # Headers of a picture tell nothing either.
    picture = client.get(f"/picture/{found['candidate']}/srch/asinh.png")
    assert set(picture.headers.keys()) <= {*HEADERS, "Content-Type", "Content-Length", "Cache-Control"}


HEADERS = {
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Resource-Policy",
    "Cross-Origin-Opener-Policy",
}


def test_tokens_are_of_one_log_alone(folder, review):
    other, _ = small.opened(folder, "other.sqlite")
    assert not set(other.id_of) & set(review[0].id_of)
    other.close()


def test_labels_are_shown_only_where_asked_for(review):
    found = state(create_app(*review, blinded=False).test_client())
    one = review[0].id_of[found["candidate"]]
    assert found["shown"]["label"] == small.LABELS[one - small.FIRST]


def test_pictures_hold_the_pixels_and_are_the_same_size(client, review):
    log, stamps = review
    token = state(client)["candidate"]
    for plane, stretch in itertools.product(pixels.PLANES, pixels.STRETCHES):
        found = client.get(f"/picture/{token}/{plane}/{stretch}.png")
        assert found.mimetype == "image/png"
        levels = decoded(found.data)
        raw = stamps.data.read("stamps", log.id_of[token] - small.FIRST)[pixels.PLANES.index(plane)][::-1]
        assert levels.shape == (51, 51)
        order = np.argsort(raw.ravel())
        assert (np.diff(levels.ravel()[order].astype(int)) >= 0).all()  # brighter is never darker


def decoded(content):
    import io

    from matplotlib.image import imread

    return np.round(imread(io.BytesIO(content), format="png") * 255).astype(np.uint8)


# --- what comes in


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"answer": "galaxy"}, 400, "one of real"),
        ({"answer": 1}, 400, "one of real"),
        ({"reviewer": ""}, 400, "name"),
        ({"reviewer": "a" * 41}, 400, "name"),
        ({"reviewer": "<script>"}, 400, "name"),
        ({"reviewer": ["ann"]}, 400, "name"),
        ({"candidate": str(small.FIRST)}, 404, "no such candidate"),
        ({"candidate": 7}, 404, "no such candidate"),
        ({"seconds": -1}, 400, "seconds"),
        ({"seconds": "1"}, 400, "seconds"),
        ({"seconds": True}, 400, "seconds"),
        ({"key": "k"}, 400, "key"),
        ({"key": None}, 400, "key"),
        ({"label": 1}, 400, "nothing else"),
    ],
)
def test_what_is_not_an_answer_is_refused(client, review, changes, status, words):
    sent = {"reviewer": "ann", "answer": "real", "seconds": 1, "key": next(keys)}
    sent |= {"candidate": state(client)["candidate"]} | changes
    found = client.post("/api/answer", json=sent)
    assert found.status_code == status
    assert words in found.json["error"]
    assert review[0].table().empty


def test_bodies_that_are_no_small_json_objects_are_refused(client):
    post = client.post
    assert post("/api/state", data="reviewer=ann").status_code == 415
    assert post("/api/state", data='{"reviewer": "ann"}', content_type="text/plain").status_code == 415
    assert post("/api/state", data="{", content_type="application/json").status_code == 400
    assert post("/api/state", json=["ann"]).status_code == 400
    assert post("/api/state", json={"reviewer": "a" * 3000}).status_code == 413
    nan = '{"reviewer": "ann", "answer": "real", "seconds": NaN, "key": "12345678", "candidate": "x"}'
    assert post("/api/answer", data=nan, content_type="application/json").status_code in (400, 404)
    assert client.get("/api/answer").status_code == 405
    assert client.get("/nothing").json == {"error": client.get("/nothing").json["error"]}


def test_only_this_machine_and_this_page_are_served(client):
    assert client.get("/", headers={"Host": "127.0.0.1:8765"}).status_code == 200
    for host in ("evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.1.5:8765"):
        assert client.get("/", headers={"Host": host}).status_code == 403
    local = {"Host": "127.0.0.1:8765"}
    for origin, status in (("http://127.0.0.1:8765", 200), ("http://evil.example", 403), ("null", 403)):
        sent = client.post("/api/state", json={"reviewer": "ann"}, headers=local | {"Origin": origin})
        assert sent.status_code == status
    assert "default-src 'none'" in client.get("/").headers["Content-Security-Policy"]


def test_pictures_of_nothing_are_not_there(client):
    token = state(client)["candidate"]
    for path in (f"{token}/psf/asinh", f"{token}/temp/log", "0/temp/asinh", f"{small.FIRST}/temp/asinh"):
        assert client.get(f"/picture/{path}.png").status_code == 404
    assert client.get("/page/../app.py").status_code == 404


def test_nothing_of_the_page_comes_from_elsewhere(client):
    import re

    for path in ("/", "/page/review.js", "/page/review.css", "/page/icon.svg"):
        text = client.get(path).get_data(as_text=True)
        links = [link for link in re.findall(r"https?://[^\s\"')<]+", text) if "www.w3.org" not in link]
        assert links == []


# --- the log


def test_answers_undo_and_resume(client, review):
    first = state(client)["candidate"]
    assert answer(client, "real").json["done"] == 1
    second = state(client)["candidate"]
    answer(client, "bogus")
    assert undo(client).json["candidate"] == second
    assert undo(client).json["candidate"] == first
    assert undo(client).status_code == 409
    assert answer(client, "unsure").json["counts"] == {"real": 0, "bogus": 0, "unsure": 1}
    assert answer(client, candidate=first).status_code == 409
    assert state(client)["done"] == 1
    assert review[0].table()["action"].tolist() == ["answer", "answer", "undo", "undo", "answer"]


def test_an_action_that_is_sent_twice_counts_once(client, review):
    sent = {"reviewer": "ann", "answer": "real", "seconds": None, "key": "12345678"}
    sent["candidate"] = state(client)["candidate"]
    for _ in range(2):
        assert client.post("/api/answer", json=sent).json["done"] == 1
    for _ in range(2):
        assert client.post("/api/undo", json={"reviewer": "ann", "key": "abcdefgh"}).json["done"] == 0
    assert len(review[0].table()) == 2


def test_reviewers_do_not_see_each_other(client, review):
    answer(client, "real", "ann")
    answer(client, "bogus", "bob")
    assert state(client, "ann")["done"] == state(client, "bob")["done"] == 1
    orders = [review[0].order(name) for name in ("ann", "bob")]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert undo(client, "eve").status_code == 409


def test_the_log_goes_on_and_cannot_be_changed(folder, client, review):
    answer(client, "bogus")
    before = state(client)
    again, stamps = small.opened(folder)
    assert state(create_app(again, stamps).test_client()) == before
    again.close()
    with sqlite3.connect(folder / "log.sqlite") as other:
        for change in ("UPDATE actions SET answer = 'real'", "DELETE FROM actions", "DELETE FROM deck"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
                other.execute(change)
    other.close()
    assert review[0].table()["answer"].tolist() == ["bogus"]


def test_another_review_does_not_go_into_the_same_log(folder, review):
    with pytest.raises(NotAReviewLog, match="another review"):
        serve.open_review(folder / "suspects.parquet", [folder / "data"], folder / "log.sqlite", seed=1)
    (folder / "page.sqlite").write_text("<html>" * 1000)
    with pytest.raises(NotAReviewLog, match="not the log of a review"):
        small.opened(folder, "page.sqlite")
    with sqlite3.connect(folder / "other.sqlite") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(NotAReviewLog, match="not the log of a review"):
        ReviewLog(folder / "other.sqlite")
    with pytest.raises(NotAReviewLog, match="no such file"):
        ReviewLog(folder / "absent.sqlite")


def test_suspects_without_data_are_refused(folder):
    pd.DataFrame({"id": [1, small.FIRST]}).to_csv(folder / "s.csv", index=False)
    with pytest.raises(BadLabels, match="1 of 2 suspects"):
        serve.open_review(folder / "s.csv", [folder / "data"], folder / "new.sqlite")
    assert not (folder / "new.sqlite").exists()
    for content, words in (("id\n", "whole numbers"), ("name\n1\n", "no column id")):
        (folder / "s.csv").write_text(content)
        with pytest.raises((BadSetting, NotAReviewLog), match=words):
            serve.open_review(folder / "s.csv", [folder / "data"], folder / "new.sqlite")
    with pytest.raises(NotADataSet):
        serve.open_review(folder / "suspects.parquet", [folder / "absent"], folder / "new.sqlite")
    with pytest.raises(BadSetting, match="no such file"):
        serve.open_review(folder / "absent.csv", [folder / "data"], folder / "new.sqlite")
    with pytest.raises(BadSetting, match="Give suspects"):
        serve.review([], log=folder / "new.sqlite")


def test_the_export_makes_new_labels(folder, client, review):
    log, _ = review
    while (found := state(client))["candidate"]:
        given = small.LABELS[log.id_of[found["candidate"]] - small.FIRST]
        answer(client, "bogus" if given == 0 else "real")  # all the other way
    for _ in range(4):
        answer(client, "bogus", "bob")
    told = []
    serve.export(folder / "log.sqlite", folder / "out", tell=told.append)
    actions = votes.read([folder / "out" / "review_log.parquet"])
    assert len(actions) == 24
    given = pd.DataFrame({"id": small.FIRST + np.arange(small.N), "label": small.LABELS})
    given.to_parquet(folder / "given.parquet")
    relabel.write(
        folder / "new.parquet",
        folder / "given.parquet",
        [folder / "out" / "review_log.csv"],
        summary=folder / "new.json",
    )
    table = pd.read_parquet(folder / "new.parquet")
    flipped = table["label"] != table["label_given"]
    assert 16 <= flipped.sum() <= 20  # ties with bob keep the given label
    assert set(table.loc[flipped, "flipped_by"]) <= {"ann", "ann;bob"}
    assert json.loads((folder / "out" / "summary.json").read_text())["n_reviewed"] == 20
    assert len(pd.read_csv(folder / "out" / "agreement.csv")) == 1
    assert any("kappa" in line for line in told)


def test_an_empty_review_exports_empty_tables(folder, review):
    serve.export(folder / "log.sqlite", folder / "out", tell=lambda _: None)
    assert pd.read_csv(folder / "out" / "relabelled.csv").empty
    assert json.loads((folder / "out" / "summary.json").read_text())["n_flipped"] == 0
