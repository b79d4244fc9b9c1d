"use strict";
/* One person at a time: their code, their order, their answers; kept in this browser until they are done. */
const study = JSON.parse(document.getElementById("data").textContent);
const items = new Map(study.items.map((item) => [item.id, item]));
const STORE = `study-${study.study}`;
const $ = (id) => document.getElementById(id);
let session = null, at = 0, shownAt = 0;

/* A code decides its order, in every browser the same: FNV-1a for the seed, mulberry32 for the numbers. */
function shuffled(ids, code) {
  let state = 2166136261;
  for (const letter of `${study.study}/${code}`) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const order = [...ids];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE));
    return found && typeof found.participant === "string" && found.answers ? found : null;
  } catch {
    return null;
  }
}

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(session));
  } catch {
    $("trouble").hidden = false;
  }
}

function only(name) {
  for (const id of ["intro", "task", "end"]) $(id).hidden = id !== name;
}

function firstOpen() {
  return session.order.findIndex((id) => !session.answers[id]);
}

function begin(found) {
  session = found;
  session.order = shuffled(items.keys(), session.participant);
  if (firstOpen() < 0) finish(); else show(firstOpen());
}

function show(place) {
  at = place;
  only("task");
  const item = items.get(session.order[at]), given = session.answers[item.id];
  $("picture").src = `data:image/jpeg;base64,${item.image}`;
  $("overlay").src = `data:image/png;base64,${item.overlay}`;
  $("classname").textContent = item.classname;
  $("count").textContent = `Picture ${at + 1} of ${items.size}`;
  $("progress").value = Object.keys(session.answers).length;
  $("back").disabled = at === 0;
  bare(false);
  for (const button of document.querySelectorAll("[data-answer]")) {
    button.setAttribute("aria-pressed", String(Boolean(given) && given.response === button.dataset.answer));
  }
  shownAt = performance.now();
  $("question").focus({ preventScroll: true });
}

function answer(response) {
  const id = session.order[at], before = session.answers[id];
  const rt = Math.round(performance.now() - shownAt) + (before ? before.rt : 0);
  session.answers[id] = { response, position: at + 1, rt };
  keep();
  if (at + 1 < session.order.length) show(at + 1); else finish();
}

function bare(wanted) {
  $("task").classList.toggle("bare", wanted);
  $("bare").setAttribute("aria-pressed", String(wanted));
}

function finish() {
  if (firstOpen() >= 0) { show(firstOpen()); return; }
  session.finished = session.finished || new Date().toISOString();
  keep();
  only("end");
  $("comment").value = session.comment || "";
  $("summary").textContent = `${session.participant}, you have judged all ${items.size} pictures.`;
  $("end-title").focus();
}

function rows() {
  return session.order.filter((id) => session.answers[id]).map((item) => ({ item, ...session.answers[item] }));
}

function quoted(value) {
  return /[",;\n\r\t]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
}

function download(text, kind, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = `answers-${study.study}-${session.participant.replace(/[^\p{L}\p{N}_-]+/gu, "_")}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

$("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  const participant = $("participant").value.trim();
  if (!participant) return;
  begin({ participant, started: new Date().toISOString(), answers: {} });
  keep();
});
for (const button of document.querySelectorAll("[data-answer]")) button.addEventListener("click", () => answer(button.dataset.answer));
$("back").addEventListener("click", () => show(at - 1));
$("bare").addEventListener("click", () => bare($("bare").getAttribute("aria-pressed") === "false"));
$("review").addEventListener("click", () => show(session.order.length - 1));
$("comment").addEventListener("input", () => { session.comment = $("comment").value; keep(); });
$("again").addEventListener("click", () => {
  if (!confirm("Forget these answers here? Download them first.")) return;
  localStorage.removeItem(STORE);
  location.reload();
});
$("json").addEventListener("click", () => {
  const { participant, started, finished, comment = "" } = session;
  const text = JSON.stringify({ study: study.study, participant, started, finished, comment, answers: rows() }, null, 1);
  download(`${text}\n`, "application/json", "json");
});
$("csv").addEventListener("click", () => {
  const lines = rows().map((row) => [study.study, session.participant, row.item, row.response, row.position, row.rt]);
  const head = ["study", "participant", "item", "response", "position", "rt"];
  download([head, ...lines].map((line) => line.map(quoted).join(",") + "\n").join(""), "text/csv", "csv");
});
addEventListener("keydown", (event) => {
  if ($("task").hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = event.key.toLowerCase();
  const response = { y: "yes", 1: "yes", n: "no", 2: "no", u: "unsure", 3: "unsure" }[key];
  if (response) answer(response);
  else if (key === "b") $("back").click();
  else if (key === "h") $("bare").click();
});

const found = stored();
if (found) begin(found); else { only("intro"); $("participant").focus(); }
