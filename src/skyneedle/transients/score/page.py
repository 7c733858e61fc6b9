"""The page of scored candidates: one file that needs nothing else, with the pictures in it."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.transients.preprocess import CHANNELS
from skyneedle.transients.review.pixels import grey, png

NAMES = {"temp": "template", "srch": "search", "diff": "difference"}
LABELS = {0: "given: non-artifact", 1: "given: artifact"}
MOST_REASONS = 200
STYLE = """
:root { color-scheme: dark }
* { box-sizing: border-box }
body { margin: 0; background: #0a0e17; color: #e6ebf4; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif }
header, main, footer { max-width: 1500px; margin: 0 auto; padding: 1.2rem 1.6rem }
h1 { font-size: 1.5rem; margin: 0 0 .3rem }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .6rem }
header p { margin: .1rem 0; color: #9aa8bf }
header .banner {
  background: #3a2c12; border: 1px solid #6b5423; color: #ffd68a; border-radius: 8px; padding: .7rem 1.1rem;
  margin-top: .9rem }
.grid {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1rem; padding: 0;
  margin: 0; list-style: none }
.card { background: #111827; border: 1px solid #253047; border-radius: 10px; padding: .8rem .9rem }
.planes { display: grid; grid-template-columns: repeat(3, 1fr); gap: .4rem }
.planes img {
  width: 100%; display: block; image-rendering: pixelated; border-radius: 3px; background: #05080e }
.planes span { font-size: .72rem; color: #9aa8bf }
.name { font-weight: 600; overflow-wrap: anywhere; margin: .1rem 0 .5rem; font-size: .9rem; line-height: 1.3 }
.score { display: flex; align-items: center; gap: .7rem; margin-bottom: .5rem }
.score b { font-variant-numeric: tabular-nums; font-size: 1.15rem }
.bar { flex: 1; height: 7px; border-radius: 4px; background: #1b2438; overflow: hidden }
.bar i { display: block; height: 100%; background: #5cc8a8 }
.notes { font-size: .8rem; color: #9aa8bf; margin: .5rem 0 0 }
.warn { color: #ffd68a }
table { border-collapse: collapse; width: 100%; font-size: .88rem }
td, th {
  text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #253047; vertical-align: top;
  overflow-wrap: anywhere }
footer { color: #9aa8bf; font-size: .85rem }
"""


def render(
    table: pd.DataFrame, stamps: Sequence[np.ndarray], *, network: Mapping[str, Any], banner: str = ""
) -> str:
    """The page.

    Args:
        table: of all scores, the most real first, see ``run.COLUMNS``.
        stamps: of the first rows, shape (3, 51, 51) each.
        network: what scored.
        banner: warning above all, or nothing.

    Returns:
        HTML.
    """
    bad = table[table["score_real"].isna()]
    rows = [row._asdict() for row in table[: len(stamps)].itertuples(index=False)]  # type: ignore[operator]
    cards = "\n".join(_card(row, stamp) for row, stamp in zip(rows, stamps, strict=True))
    warning = f'<p class="banner" role="note">{escape(banner)}</p>' if banner else ""
    about = (
        f"Network {network['name']} (weights {network['weights_sha256'][:16]}, recipe {network['recipe']}, "
        f"trained at scale {network['scale']}). Score: 1 − probability of artifact, 1 is real."
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Scored candidates · skyneedle</title><style>{STYLE}</style></head>
<body><header><h1>{_n(len(stamps), "candidate")} with the highest real/bogus score</h1>
<p>of {len(table) - len(bad)} scored; {len(bad)} without a score. {escape(about)}</p>{warning}</header>
<main><ul class="grid">{cards}</ul>{_reasons(bad)}</main>
<footer>Grey: inverse hyperbolic sine in units of each plane's noise; zero of the difference is mid-grey.
</footer>
</body></html>
"""


def _n(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _card(row: Mapping[str, Any], stamp: np.ndarray) -> str:
    pictures = "".join(_picture(channel, plane) for channel, plane in zip(CHANNELS, stamp, strict=True))
    notes = []
    if row["label"] in LABELS:
        notes.append(LABELS[row["label"]])
    if np.isfinite(row["survey_score"]):
        notes.append(f"survey's own score {row['survey_score']:.3f}")
    said = f'<p class="notes">{escape("; ".join(notes))}</p>' if notes else ""
    if row["warning"]:
        said += f'<p class="notes warn">{escape(row["warning"])}</p>'
    score = row["score_real"]
    return (
        f'<li class="card"><p class="name">{escape(str(row["name"]))}</p>'
        f'<div class="score"><b>{score:.4f}</b>'
        f'<div class="bar"><i style="width:{100 * score:.1f}%"></i></div></div>'
        f'<div class="planes">{pictures}</div>{said}</li>'
    )


def _picture(channel: str, plane: np.ndarray) -> str:
    # A GIF is stored from its top row on, FITS from the bottom row.
    upright = plane if plane.dtype == np.uint8 else plane[::-1]
    content = png(grey(upright, "asinh", is_difference=channel == "diff"))
    data = base64.b64encode(content).decode()
    name = NAMES[channel]
    return f'<div><img alt="{name} image" src="data:image/png;base64,{data}"><span>{name}</span></div>'


def _reasons(bad: pd.DataFrame) -> str:
    if bad.empty:
        return ""
    rows = "".join(
        f"<tr><td>{escape(str(row.name))}</td><td>{escape(str(row.reason))}</td></tr>"
        for row in bad[:MOST_REASONS].itertuples(index=False)
    )
    more = f"<p>{len(bad) - MOST_REASONS} more are in scores.csv.</p>" if len(bad) > MOST_REASONS else ""
    head = "<tr><th>Candidate</th><th>Reason</th></tr>"
    return f"<h2>Without a score</h2><table>{head}{rows}</table>{more}"
