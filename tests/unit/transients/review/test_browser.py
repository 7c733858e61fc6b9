"""The page in a real browser, by keyboard alone, through a kill of the server and a reload of the page."""

import shutil
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from skyneedle import cli
from skyneedle.transients.labels import relabel, votes
from tests.unit.transients.review import small

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
WORDS = {"r": "real", "b": "bogus", "u": "unsure"}
ANSWERS = {0: "r", 1: "b"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=found,
            headless=True,
            args=FLAGS,
            viewport={"width": 1440, "height": 900},
        )
        yield context
        context.close()


@contextmanager
def opened(browser, url):
    """A tab of its own, which keeps what it was told and remembers what went wrong."""
    page = browser.new_page()
    page.set_default_timeout(10_000)
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda sent: wrong.append(sent.url) if not sent.url.startswith(url) else None)
    page.goto(url)
    yield page
    page.close()
    assert wrong == []


def text(page, name):
    return page.get_by_test_id(name).inner_text()


def at(page, done):
    until(lambda: page.get_by_test_id("done").text_content() == str(done))


def until(holds, most_s=10.0):
    end = time.monotonic() + most_s
    while not holds():  # the page forbids eval, which Playwright's own way to wait needs
        assert time.monotonic() < end
        time.sleep(0.01)


def candidate(page):
    return page.get_by_test_id("review").get_attribute("data-candidate")


def begin(page, name):
    page.get_by_test_id("start").wait_for()
    page.keyboard.press("Control+A")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.get_by_test_id("review").wait_for()


def is_drawn(page):
    drawn = (
        "['temp', 'srch', 'diff'].every(id => { const i = document.getElementById(id);"
        " return i.complete && i.naturalWidth === 51; })"
    )
    until(lambda: page.evaluate(drawn))


def test_twenty_candidates_by_keyboard_through_a_kill(browser, tmp_path):
    folder = small.write(tmp_path)
    log, _ = small.opened(folder)
    given = {token: int(small.LABELS[one - small.FIRST]) for token, one in log.id_of.items()}
    log.close()
    server = small.Server(folder)
    port = server.port
    try:
        with opened(browser, server.url) as page:
            begin(page, "ann")
            assert "artifact" not in page.content()
            assert str(small.FIRST)[:12] not in page.content()
            for done in range(8):
                at(page, done)
                is_drawn(page)
                page.keyboard.press(ANSWERS[given[candidate(page)]])
            at(page, 8)
            last = candidate(page)
            page.keyboard.press("z")
            at(page, 7)
            assert candidate(page) != last
            is_drawn(page)
            page.keyboard.press("u")
            at(page, 8)
            is_drawn(page)
            server.kill()
            page.keyboard.press(ANSWERS[given[last]])  # while nobody answers
            page.get_by_test_id("alarm").wait_for()
            assert text(page, "done") == "8"
            server = small.Server(folder, port)
            at(page, 9)  # sent again by itself
            page.get_by_test_id("alarm").wait_for(state="hidden")
            where = candidate(page)
            page.reload()
            at(page, 9)
            assert candidate(page) == where
            for done in range(9, 20):
                at(page, done)
                is_drawn(page)
                page.keyboard.press(ANSWERS[given[candidate(page)]])
            page.get_by_test_id("end").wait_for()
            tally = {word: int(text(page, f"n{word}")) for word in WORDS.values()}
            assert sum(tally.values()) == 20
            assert tally["unsure"] == 1
            server.kill()
    finally:
        server.kill()
    assert cli.main(["review", "--export", str(folder / "out"), "--log", str(folder / "log.sqlite")]) == 0
    actions = votes.read([folder / "out" / "review_log.parquet"])
    assert actions["action"].value_counts().to_dict() == {"answer": 21, "undo": 1}
    standing = votes.standing(actions)
    assert standing["id"].is_unique
    assert standing["answer"].value_counts().to_dict() == {k: n for k, n in tally.items() if n}
    assert (actions.loc[actions["action"] == "answer", "seconds"] > 0).all()
    pd.DataFrame({"id": small.FIRST + np.arange(small.N), "label": small.LABELS}).to_parquet(
        folder / "given.parquet"
    )
    logs = [folder / "out" / "review_log.parquet"]
    relabel.write(folder / "new.parquet", folder / "given.parquet", logs, summary=folder / "new.json")
    table = pd.read_parquet(folder / "new.parquet")
    assert table["is_reviewed"].sum() == 20
    assert (table["label"] == table["label_given"]).all()


def test_two_reviewers_and_every_key(browser, tmp_path):
    folder = small.write(tmp_path)
    server = small.Server(folder)
    try:
        with opened(browser, server.url) as ann, opened(browser, server.url) as bob:
            begin(ann, "ann")
            begin(bob, "bob")
            firsts = candidate(ann), candidate(bob)
            for page in (ann, bob):
                page.bring_to_front()
                is_drawn(page)
                page.keyboard.press("r")
                at(page, 1)
                is_drawn(page)
                page.keyboard.press("b")
                at(page, 2)
            assert firsts[0] != firsts[1]
            assert text(bob, "who") == "bob"
            # Stretch, zoom and help change what is seen and answer nothing.
            is_drawn(bob)
            before = bob.get_by_test_id("srch").get_attribute("src")
            bob.keyboard.press("s")
            assert bob.get_by_test_id("srch").get_attribute("src") == before.replace("asinh", "zscale")
            is_drawn(bob)
            width = bob.get_by_test_id("srch").bounding_box()["width"]
            bob.keyboard.press("+")
            assert bob.get_by_test_id("srch").bounding_box()["width"] == pytest.approx(1.5 * width, rel=0.01)
            assert text(bob, "zoom") == "1.5×"
            bob.keyboard.press("-")
            bob.keyboard.press("-")
            assert text(bob, "zoom") == "1×"
            bob.keyboard.press("?")
            assert bob.get_by_test_id("helpbox").is_visible()
            bob.keyboard.press("r")  # help is open: not an answer
            bob.keyboard.press("Escape")
            bob.get_by_test_id("helpbox").wait_for(state="hidden")
            at(bob, 2)
            bob.keyboard.press("Backspace")
            at(bob, 1)
            assert bob.get_by_test_id("progress").get_attribute("aria-valuenow") == "1"
            # Mouse and touch: the same actions.
            is_drawn(bob)
            bob.get_by_test_id("unsure").click()
            at(bob, 2)
            bob.get_by_test_id("undo").click()
            at(bob, 1)
    finally:
        server.kill()
    log, _ = small.opened(folder)
    table = log.table()
    log.close()
    assert table["reviewer"].value_counts().to_dict() == {"bob": 5, "ann": 2}


def test_everything_can_be_named_and_reached(browser, tmp_path):
    """What a screen reader needs: names for buttons and images, and focus that goes everywhere."""
    server = small.Server(small.write(tmp_path))
    try:
        with opened(browser, server.url) as page:
            page.get_by_test_id("start").wait_for()
            assert page.evaluate("document.activeElement.id") == "name"
            begin(page, "ann")
            unnamed = page.evaluate(
                "[...document.querySelectorAll('button, img, input, [role=progressbar]')]"
                ".filter(e => e.checkVisibility() && e.getAttribute('alt') !== '')"
                ".filter(e => !(e.innerText || e.alt || e.ariaLabel || (e.labels && e.labels.length)))"
                ".map(e => e.outerHTML)"
            )
            assert unnamed == []
            seen = []
            for _ in range(9):
                page.keyboard.press("Tab")
                seen.append(page.evaluate("document.activeElement.dataset.testid || ''"))
            assert {"real", "unsure", "bogus", "stretch", "help"} <= set(seen)
            is_drawn(page)
            page.get_by_test_id("bogus").focus()
            page.keyboard.press("Enter")
            at(page, 1)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        server.kill()


def test_nobody_answers_for_images_that_were_not_shown(browser, tmp_path):
    server = small.Server(small.write(tmp_path))
    try:
        with opened(browser, server.url) as page:
            held = []
            page.route("**/picture/**", lambda route: held.append(route))
            begin(page, "ann")
            page.keyboard.press("r")
            until(lambda: "loading" in text(page, "said"))
            page.unroute("**/picture/**")  # lets go what was held
            is_drawn(page)
            at(page, 0)
            page.keyboard.press("r")
            at(page, 1)
    finally:
        server.kill()
