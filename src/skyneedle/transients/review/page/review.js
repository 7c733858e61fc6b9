"use strict";

// One candidate at a time. Nothing is shown as answered before the server has it on its disk; if the server is
// away, the same action is sent again, under the same key, until it is back.

const PLANES = ["temp", "srch", "diff"];
const ZOOMS = [1, 1.5, 2, 3, 4];
const WORDS = { real: "Real", bogus: "Bogus", unsure: "Unsure" };
const KEPT = 40; // pictures held in memory so that the browser does not drop them
const $ = (id) => document.getElementById(id);

let reviewer = "", state = null, stretches = ["asinh"], stretch = 0, zoom = 0, busy = false, since = 0;
const pictures = new Map();

function url(candidate, plane) {
  return `/picture/${candidate}/${plane}/${stretches[stretch]}.png`;
}

function fetched(source) {
  let image = pictures.get(source);
  if (!image) {
    image = new Image();
    image.src = source;
    image.addEventListener("error", () => pictures.delete(source));
    pictures.set(source, image);
    if (pictures.size > KEPT) pictures.delete(pictures.keys().next().value);
  }
  return image;
}

function alarm(text) {
  $("alarm").hidden = !text;
  $("alarm").textContent = text || "";
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

function key() {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(parts, (part) => part.toString(16).padStart(8, "0")).join("-");
}

async function call(path, content) {
  const options = content && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
  };
  for (let pause = 300; ; pause = Math.min(pause * 1.5, 3000)) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      alarm("The server does not answer. Start it again with the same command; your action is kept and sent again.");
      await wait(pause);
      continue;
    }
    alarm("");
    const found = await answer.json();
    return { ok: answer.ok, status: answer.status, found };
  }
}

function show(name) {
  for (const part of ["start", "review", "end"]) $(part).hidden = part !== name;
  $("switch").hidden = name === "start";
}

function draw() {
  const { done, total, counts } = state;
  $("who").textContent = reviewer;
  $("done").textContent = done;
  $("total").textContent = total;
  $("bar").style.width = `${(100 * done) / total}%`;
  $("progress").setAttribute("aria-valuemax", total);
  $("progress").setAttribute("aria-valuenow", done);
  if (!state.candidate) {
    $("thanks").textContent = reviewer;
    for (const answer of Object.keys(WORDS)) $(`n${answer}`).textContent = counts[answer];
    show("end");
    return;
  }
  show("review");
  $("review").dataset.candidate = state.candidate;
  for (const plane of PLANES) $(plane).src = fetched(url(state.candidate, plane)).src;
  for (const candidate of state.next) for (const plane of PLANES) fetched(url(candidate, plane));
  $("undo").disabled = done === 0;
  $("stretchname").textContent = stretches[stretch];
  if (state.shown) {
    const { label, score } = state.shown;
    const text = `Given label: ${label === 1 ? "artifact" : "non-artifact"}`;
    $("shown").textContent = score === null ? text : `${text} · probability of artifact ${score.toFixed(3)}`;
  }
  $("shown").hidden = !state.shown;
}

const isSeen = () => PLANES.every((plane) => $(plane).complete && $(plane).naturalWidth > 0);

function take(found) {
  state = found;
  since = performance.now();
  draw();
}

async function refresh() {
  const { ok, found } = await call("/api/state", { reviewer });
  if (ok) take(found); else alarm(found.error);
  return ok;
}

async function act(path, content, said) {
  if (busy) return; // a key held down, or two at once
  busy = true;
  try {
    const { ok, status, found } = await call(path, { reviewer, key: key(), ...content });
    if (ok) {
      take(found);
      $("said").textContent = said;
    } else {
      if (status === 409) await refresh(); // another window was faster
      if (status >= 500) alarm("The server could not save this. Look at what it says in its terminal.");
      $("said").textContent = found.error;
    }
  } finally {
    busy = false;
  }
}

function answer(word) {
  if (!state || !state.candidate || $("review").hidden) return;
  if (!isSeen()) { // nobody answers for what was not shown
    $("said").textContent = "The images are still loading";
    return;
  }
  const button = document.querySelector(`[data-answer=${word}]`);
  button.classList.add("pressed");
  setTimeout(() => button.classList.remove("pressed"), 140);
  const seconds = Math.round(performance.now() - since) / 1000;
  act("/api/answer", { candidate: state.candidate, answer: word, seconds }, `Saved: ${WORDS[word]}`);
}

function undo() {
  if (state && state.done) act("/api/undo", {}, "Undone: have another look");
}

function changeZoom(step) {
  zoom = Math.max(0, Math.min(ZOOMS.length - 1, zoom + step));
  document.documentElement.style.setProperty("--zoom", ZOOMS[zoom]);
  $("zoom").textContent = `${ZOOMS[zoom]}×`;
}

function nextStretch() {
  stretch = (stretch + 1) % stretches.length;
  if (state) draw();
}

const KEYS = {
  r: () => answer("real"), b: () => answer("bogus"), u: () => answer("unsure"),
  z: undo, backspace: undo, "+": () => changeZoom(1), "=": () => changeZoom(1), "-": () => changeZoom(-1),
  s: nextStretch, "?": () => $("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if ($("help").open) {
    if (event.key === "?") $("help").close();
    return;
  }
  if (!state || !$("start").hidden) return;
  const action = KEYS[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  if (!event.repeat) action();
});

async function begin(name) {
  reviewer = name;
  const ok = await refresh();
  if (ok) sessionStorage.setItem("reviewer", name);
  return ok;
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  document.activeElement.blur(); // keys belong to the candidate now
  begin($("name").value.trim());
});

$("switch").addEventListener("click", () => {
  sessionStorage.removeItem("reviewer");
  location.reload();
});

for (const button of document.querySelectorAll(".answer")) {
  button.addEventListener("click", () => answer(button.dataset.answer));
}
for (const plane of PLANES) {
  $(plane).addEventListener("error", async () => { // the server is away: ask again until it is back
    const source = $(plane).src;
    await wait(1000);
    if ($(plane).src === source) $(plane).src = source;
  });
}
$("undo").addEventListener("click", undo);
$("stretch").addEventListener("click", nextStretch);
$("in").addEventListener("click", () => changeZoom(1));
$("out").addEventListener("click", () => changeZoom(-1));
$("helpbutton").addEventListener("click", () => $("help").showModal());

(async () => {
  const { found } = await call("/api/hello");
  stretches = found.stretches;
  $("total").textContent = $("howmany").textContent = found.total;
  $("blindness").textContent = found.blinded
    ? "You see the images alone: no label, no score."
    : "Given label and score are shown: answers will lean towards them.";
  const known = sessionStorage.getItem("reviewer");
  if (known && (await begin(known))) return;
  $("name").value = found.reviewer;
  show("start");
  $("name").focus();
})();
