// The live page: asks the load tester for the run's state every two seconds, and shows it.
// Everything that comes from outside is set as text, never as HTML.

import { showChaos } from "./chaos.js";
import { makeCharts } from "./charts.js";

const PERIOD_MS = 2000, HIDDEN_MS = 10000, LIMIT_MS = 5000;
const by = (id) => document.getElementById(id);
const MARKS = { holds: "✓", missed: "✗", unknown: "" };

let known = { run: "", step: 0, points: null, limits: {}, whole: false };
let lostSince = null;
class Refused extends Error {}
const charts = makeCharts(by("charts"));

function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s >= 3600 ? `${Math.floor(s / 3600)}:${rest}` : rest;
}

function put(id, text) {
  const found = typeof id === "string" ? by(id) : id;
  if (found.textContent !== text) found.textContent = text;
}

function cell(text, name, tag = "td") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  if (tag === "th") made.scope = "row";
  return made;
}

/** Shows `rows` of cells in a table's body; leaves it alone where nothing changed, so that a selection stays. */
function fill(id, rows, none) {
  const body = by(id).tBodies[0], text = JSON.stringify(rows);
  if (body.dataset.shown === text) return;
  body.dataset.shown = text;
  const columns = by(id).tHead.rows[0].cells.length;
  body.replaceChildren(...(rows.length ? rows : [[[none, "", "td", columns]]]).map((cells) => {
    const row = document.createElement("tr");
    for (const [value, name, tag, span] of cells) {
      const made = cell(value, name, tag);
      if (span) made.colSpan = span;
      row.append(made);
    }
    if (!rows.length) row.className = "none";
    if (cells.length === 1 && rows.length) row.className = "group";
    return row;
  }));
}

function card(id, mood, big, small) {
  const found = by(`card-${id}`);
  found.className = `card ${mood}`;
  put(found.querySelector(".big"), big);
  put(found.querySelector(".small"), small);
}

const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** The first two of some criteria, and how many there are besides. */
const some = (those) => those.slice(0, 2).map((c) => `${c.text}: ${c.measured}`).join("; ") + (those.length > 2 ? `; and ${those.length - 2} more` : "");

const noCriteria = (run) => run.search ? "Each step of the search is judged by itself: the summary tells." : "The scenario sets none.";

function showCards({ run, criteria, totals, tester, workers }) {
  const so = run.under_way ? " so far" : "", fit = tester.valid ? "good" : "", but = tester.valid ? "." : ", by a tester that is not fit to measure.";
  const all = criteria.length, missed = criteria.filter((c) => c.standing === "missed"), open = criteria.filter((c) => c.standing === "unknown");
  if (!totals.turns) card("assistant", run.under_way ? "" : "bad", run.under_way ? "Nothing measured yet" : "✗ No turn was measured", run.under_way ? "The first turn is not over." : "See the latest failures below.");
  else if (!all) card("assistant", "", run.search ? "Searching" : "No criteria", noCriteria(run));
  else if (missed.length) card("assistant", "bad", `✗ ${missed.length} of ${all} criteria missed`, some(missed));
  else if (open.length) card("assistant", open.length < all ? fit : "", `${open.length < all ? "✓ " : ""}${all - open.length} of ${all} criteria hold`, `Open: ${some(open)}`);
  else card("assistant", fit, `✓ All ${all} criteria hold`, `${run.under_way ? "So far" : "Of the whole run"}${but}`);
  const carried = `CPU ${tester.cpu} of a core, sends late p99 ${tester.late}, loop lag p99 ${tester.lag}`;
  card("tester", tester.valid ? "good" : "bad", tester.valid ? `✓ Valid${so}` : `✗ Invalid${so}`, tester.valid ? carried : count(tester.faults.length, "fault") + ": see below");
  const lost = workers.filter((w) => w.state === "lost" || w.state === "silent").length;
  card("talkers", lost ? "bad" : "", String(run.talkers), `on ${count(workers.length, "worker")}${lost ? `, ${lost} lost or silent` : ""}; ${count(totals.turns, "turn")}, ${count(totals.barge_ins, "barge-in")}, ${count(totals.false_alarms, "false alarm")}`);
  const errors = totals.errors.map((e) => `${e.kind} ${e.n.toLocaleString("en")}${e.own ? " (the tester's own)" : ""}`).join(", "), number = totals.errors.reduce((sum, e) => sum + (e.own ? 0 : e.n), 0);
  card("failures", totals.failed || number ? "bad" : "good", totals.failed ? `✗ ${count(totals.failed, "turn")}` : number ? `✗ ${count(number, "error")}` : "✓ None", errors ? `Errors: ${errors}` : totals.failed ? "No error was told with them." : "No turn failed, no error.");
}

function showHead({ run }) {
  put("scenario", run.scenario);
  by("report").hidden = !run.report;
  document.title = `${run.scenario}: ${run.under_way ? clock(run.elapsed_s) : "ended"} - Doubletalk`;
  put("phase", run.under_way ? `Under way, ${clock(run.elapsed_s)}${run.stage ? `, stage ${run.stage}` : ""}` : `Ended after ${clock(run.elapsed_s)}`);
  by("phase").className = run.under_way ? "pill on" : "pill";
  const began = new Date(run.started_epoch_s * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  put("facts", `Run ${run.id} against ${run.host}; dialect ${run.dialect}, seed ${run.seed}, frames of ${run.frame}; began ${began}`);
}

function showFigures(figures) {
  const list = by("figures");
  if (list.children.length !== figures.length) {
    list.replaceChildren(...figures.map(() => {
      const box = document.createElement("div");
      box.append(document.createElement("dt"), cell("", "value", "dd"), cell("", "target", "dd"));
      return box;
    }));
  }
  figures.forEach((f, i) => {
    const [title, value, target] = list.children[i].children;
    put(title, f.title);
    put(value, f.shown);
    put(target, `${MARKS[f.standing]} ${f.target || "no target"}, n ${f.n.toLocaleString("en")}${f.few ? " (few)" : ""}`.trim());
    target.className = `target ${f.standing}`;
  });
}

function showTables({ run, criteria, totals, tester, workers, failures, metrics }) {
  by("faults").hidden = tester.valid;
  by("faults").querySelector("ul").replaceChildren(...tester.faults.map((text) => cell(text, "", "li")));
  fill("criteria", criteria.map((c) => [[c.standing === "unknown" ? "open" : `${MARKS[c.standing]} ${c.verdict}`, c.standing], [c.text, "", "th"], [c.measured, "n"], [c.n.toLocaleString("en"), "n"]]), noCriteria(run));
  fill("outcomes", totals.outcomes.map((o) => [[o.outcome, "", "th"], ...o.counts.map((n) => [n ? n.toLocaleString("en") : "-", "n"])]), "No turn is over yet.");
  put("errors", totals.errors.length ? `Errors: ${totals.errors.map((e) => `${e.kind} ${e.n.toLocaleString("en")}`).join(", ")}.` : "No errors.");
  fill("workers", workers.map((w) => [[w.name, "", "th"], [w.lost_at_s === null ? w.state : `${w.state} at ${clock(w.lost_at_s)}`, w.state === "lost" || w.state === "silent" ? "missed" : ""],
    [String(w.talkers), "n"], [w.turns.toLocaleString("en"), "n"], [w.cpu, "n"], [w.late, "n"], [w.lag, "n"], [w.clock, "n"], [w.silent, "n"]]), "None has reported yet.");
  put("health", `${count(tester.frames_dropped, "frame")} dropped, ${count(tester.missed_starts, "missed start")}, ${count(tester.records_lost, "record")} lost, ${count(tester.workers_lost, "worker")} lost; ${count(totals.sessions, "session")} ended, ${count(totals.tokens, "token")} asked for.`);
  fill("failures", failures.map((f) => [[clock(f.t_s), "n"], [f.kind, "missed"], [f.text || "-", "text"], [f.talker === null ? "-" : String(f.talker), "n"], [f.worker]]), "None.");
  const rows = [];
  let table = "";
  for (const m of metrics) {
    if (m.table !== table) rows.push([[(table = m.table)[0].toUpperCase() + table.slice(1), "", "th", 9]]);
    rows.push([[m.code ? `${m.title} (${m.code})` : m.title, "", "th"], [m.n.toLocaleString("en"), "n"], ...["first", "p50", "p95", "p99", "max"].map((which) => [m[which], "n"]),
      [m.targets, "targets"], [m.verdict === "-" ? "-" : `${MARKS[m.standing]} ${m.verdict}`, m.standing]]);
  }
  fill("metrics", rows, "");
}

function showCharts(state) {
  const { run, timeline } = state, fresh = timeline.since === 0;
  if (fresh || !known.points) known.points = timeline;
  else for (const name of Object.keys(known.points)) if (Array.isArray(timeline[name])) known.points[name].push(...timeline[name]);
  known = { run: run.id, step: timeline.step, points: known.points, limits: run.limits, whole: !run.under_way };
  put("resolution", timeline.step === 1 ? "One point a second: of what ended in that second." :
    `Thinned: a point stands for ${timeline.step} s. Counts are means over them, p50 is the middle second's, p95, p99 and CPU are the highest second's.`);
  if (fresh || timeline.t_s.length) charts(known.points, run.limits);
}

function show(state) {
  by("empty").hidden = state.run !== null;
  by("run").hidden = state.run === null;
  if (state.run === null) { put("phase", "Waiting"); known.points = null; return; }
  showHead(state);
  showCards(state);
  showFigures(state.figures);
  showTables(state);
  showChaos(state);
  fill("chaos-faults", state.chaos.faults.map((f) => [[clock(f.t_s), "n"], [f.what, "text"], [f.by], [f.for, "n"], [f.share, "n"], [f.hit, "n"], [f.fault]]), "Nothing was done yet.");
  if (window.Plotly) showCharts(state);
}

function connected(text) {
  if (lostSince !== null && !text) {
    put("connection", `Connected again, after ${clock((Date.now() - lostSince) / 1000)} without.`);
    by("connection").className = "back";
    setTimeout(() => { if (lostSince === null) put("connection", ""); }, 5000);
    lostSince = null;
  }
  if (text) {
    lostSince = lostSince ?? Date.now();
    by("connection").className = "";
    put("connection", text);
  }
}

async function ask() {
  const since = known.points ? known.points.t_s.length : 0;
  const query = new URLSearchParams({ run: known.run, step: known.step, since });
  const reply = await fetch(`data?${query}`, { signal: AbortSignal.timeout(LIMIT_MS), redirect: "manual", cache: "no-store" });
  if (reply.type === "opaqueredirect") throw new Refused("Your login has ended: open Locust's page and log in again.");
  if (!reply.ok) throw new Refused(`The load tester answers with HTTP status ${reply.status}; asking again...`);
  return reply.json();
}

/** Asks, and once more for everything where the run has just ended: what was told of its last seconds is final only now. */
async function latest() {
  const state = await ask();
  if (!state.run || state.run.under_way || state.run.id !== known.run || known.whole) return state;
  known.points = null;
  known.run = "";
  return ask();
}

let next = null; // the timer of the next question; null while one is under way

async function follow() {
  next = null;
  let state = null;
  try {
    state = await latest();
    connected("");
  } catch (error) {
    connected(error instanceof Refused ? error.message : "The connection to the load tester is lost: what you see is old. Asking again...");
  }
  next = setTimeout(follow, document.hidden ? HIDDEN_MS : PERIOD_MS);
  if (state) show(state);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || next === null) return;
  clearTimeout(next);
  follow();
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (known.points && window.Plotly) charts(known.points, known.limits);
});
follow();
