// Small multiples of a run over time, drawn by plotly. Texts in them are this file's own.

const SECONDS = { scale: 1000, unit: " ms", digits: 3 };
const COUNT = { scale: 1, unit: "", digits: 3 };
const MEGABYTES = { scale: 1e-6, unit: " MB", digits: 3 };
const SHARE = { scale: 100, unit: " %", digits: 3 };

const CHARTS = [
  { title: "End-to-end latency", ...SECONDS, lines: [["p50", "e2e_latency_p50_s", "blue"], ["p95", "e2e_latency_p95_s", "orange"]] },
  { title: "Barge-in latency", ...SECONDS, lines: [["p95", "barge_in_latency_p95_s", "violet"]] },
  { title: "Talkers", ...COUNT, stepped: true, lines: [["there", "talkers", "blue"]] },
  { title: "Turns a second", ...COUNT, lines: [["turns", "turns", "blue"], ["barge-ins", "barge_ins", "violet"], ["false alarms", "false_alarms", "green"]] },
  { title: "Outcomes a second", ...COUNT, bars: true, lines: [["not failed", "held", "green"], ["failed", "failures", "red"]] },
  { title: "Underruns a second", ...COUNT, bars: true, lines: [["underruns", "underruns", "orange"]] },
  { title: "Tester: sends late", ...SECONDS, lines: [["p99", "send_lateness_p99_s", "blue"]] },
  { title: "Tester: loop lag", ...SECONDS, lines: [["p99", "loop_lag_p99_s", "violet"]] },
  { title: "Tester: CPU of a core", ...SHARE, lines: [["share", "cpu_share", "green"]] },
  { title: "Memory", ...MEGABYTES, lines: [["target", "target_memory_bytes", "blue"], ["tester", "tester_memory_bytes", "green"]] },
  { title: "Target: CPU of a core", ...SHARE, lines: [["share", "target_cpu_share", "blue"]], only: true },
  { title: "Target: sessions", ...COUNT, stepped: true, lines: [["open", "target_sessions", "blue"]], only: true },
  { title: "Target: down", ...COUNT, bars: true, lines: [["did not answer", "target_down", "red"]], only: true },
];
const LIMITED = { "e2e_latency_p50_s": "target", "e2e_latency_p95_s": "target", "barge_in_latency_p95_s": "target", "send_lateness_p99_s": "limit", "loop_lag_p99_s": "limit" };
const ZERO = Date.UTC(2000, 0, 1); // plotly takes small numbers on an axis of times for years
const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false, showTips: false };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function told(value, chart) {
  if (value === null || value === undefined) return "-";
  const scaled = value * chart.scale;
  const digits = Math.abs(scaled) >= 100 || Number.isInteger(scaled) ? 0 : Math.abs(scaled) >= 10 ? 1 : 2;
  return scaled.toFixed(digits) + chart.unit;
}

function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (name) made.className = name;
  return made;
}

/** Makes the figures in `parent`. Returns draw(points, limits): points by the timeline's column, limits in seconds by column. */
export function makeCharts(parent) {
  const drawn = CHARTS.map((chart) => {
    const figure = element("figure"), caption = element("figcaption"), plot = element("div", "", "plot");
    const keys = element("span", "", "keys");
    caption.append(element("b", chart.title), keys);
    const values = chart.lines.map(([name, , tint]) => {
      const key = element("span"), value = element("span");
      key.append(element("i", "", tint), `${name} `, value);
      keys.append(key);
      return value;
    });
    const bounds = element("span");
    keys.append(bounds);
    plot.setAttribute("aria-hidden", "true");
    figure.append(caption, plot);
    parent.append(figure);
    return { chart, figure, plot, values, bounds, shown: false, due: true };
  });
  let latest = null;
  const update = (one) => {
    if (latest && one.shown && one.due) {
      one.due = false;
      draw(one, ...latest);
    }
  };
  // What is out of sight is not drawn: the browser may share its cores with the load tester.
  const eye = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const one = drawn.find(({ plot }) => plot === entry.target);
      one.shown = entry.isIntersecting;
      update(one);
    }
  }, { rootMargin: "100px" });
  for (const { plot } of drawn) eye.observe(plot);
  return (points, limits) => {
    points.held = points.turns.map((n, i) => Math.max(0, n - points.failures[i]));
    latest = [points, limits];
    for (const one of drawn) {
      one.figure.hidden = Boolean(one.chart.only) && one.chart.lines.every(([, column]) => points[column].every((v) => v === null));
      one.due = true;
      tell(one, points, limits);
      update(one);
    }
  };
}

const bounded = (chart, limits) => chart.lines.filter(([, column]) => LIMITED[column] && limits[column] !== null);

/** The latest values and the limits, as text beside the title. */
function tell({ chart, values, bounds }, points, limits) {
  chart.lines.forEach(([, column], i) => { values[i].textContent = told(points[column].findLast((v) => v !== null), chart); });
  const known = bounded(chart, limits);
  bounds.textContent = known.length ? `${LIMITED[known[0][1]]} ${known.map(([, column]) => told(limits[column], chart)).join(", ")}` : "";
}

function draw({ chart, plot }, points, limits) {
  const x = points.t_s.map((t) => ZERO + t * 1000);
  const latest = points.t_s.length - 1, end_s = points.t_s[latest] ?? 0;
  const known = bounded(chart, limits);
  const traces = chart.lines.map(([name, column, tint]) => {
    const y = points[column].map((v) => (v === null ? null : v * chart.scale));
    const common = { x, y, name, hovertemplate: `%{y:.${chart.digits}~g}${chart.unit}`, marker: { color: colour(tint), size: 3.5 } };
    if (chart.bars) return { ...common, type: "bar" };
    const line = { color: colour(tint), width: 1.6, shape: chart.stepped ? "hv" : "linear" };
    return { ...common, type: "scatter", mode: chart.stepped || x.length > 240 ? "lines" : "lines+markers", line, connectgaps: true };
  });
  const top = Math.max(0, ...traces.flatMap((trace) => trace.y.filter((v) => v !== null)));
  const low = Math.min(0, ...traces.flatMap((trace) => trace.y.filter((v) => v !== null)));
  const shapes = known.map(([, column, tint]) => ({
    type: "line", xref: "paper", x0: 0, x1: 1, y0: limits[column] * chart.scale, y1: limits[column] * chart.scale,
    line: { color: colour(known.length > 1 ? tint : "soft"), width: 1, dash: "dot" },
  }));
  const near = Math.max(top, ...shapes.map((s) => s.y0).filter((y) => !top || y <= top * 3));
  const axis = { gridcolor: colour("grid"), zerolinecolor: colour("line"), linecolor: colour("line"), tickfont: { size: 11 }, fixedrange: true };
  const stacked = chart.bars && x.length ? points.turns : [];
  const high = chart.title.startsWith("Outcomes") ? Math.max(near, ...stacked) : near;
  window.Plotly.react(plot, traces, {
    margin: { l: 58, r: 8, t: 6, b: 24 }, showlegend: false, barmode: "stack", bargap: 0, hovermode: "x unified", dragmode: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("soft"), family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: colour("sheet"), bordercolor: colour("line"), font: { color: colour("text"), size: 12 } },
    xaxis: { ...axis, type: "date", tickformat: end_s >= 3600 ? "%-H:%M:%S" : "%-M:%S", hoverformat: "%-H:%M:%S", nticks: 6, showgrid: false, range: [ZERO, ZERO + Math.max(30, end_s + points.step / 2) * 1000] },
    yaxis: { ...axis, nticks: 5, ticksuffix: chart.unit, rangemode: "tozero", range: [low < 0 ? low * 1.1 : 0, (high || 1) * 1.12] },
    shapes,
  }, CONFIG);
}
