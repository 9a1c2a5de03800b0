// Draws the page's charts in its theme, and again where the theme changes or the page goes to paper.
(() => {
  const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: "reset", showTips: false };
  const PAPER_PX = 640; // what an A4 page with its margins holds
  const ORDER = ["blue", "orange", "green", "violet", "yellow", "grey"];
  const NAMED = /^--([a-z]+)(?:\/([\d.]+))?$/;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /** A value of a figure in which names of the theme have become its colours. */
  function themed(value) {
    if (typeof value === "string") {
      const named = NAMED.exec(value);
      if (!named) return value;
      const tint = colour(named[1]), part = named[2] ? Math.round(Number(named[2]) * 255).toString(16).padStart(2, "0") : "";
      return tint ? tint + part : value;
    }
    if (Array.isArray(value)) return value.map(themed);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, themed(one)]));
    return value;
  }

  function merged(base, over) {
    const made = { ...base };
    for (const [key, one] of Object.entries(over)) {
      const deep = one && typeof one === "object" && !Array.isArray(one) && made[key] && typeof made[key] === "object";
      made[key] = deep ? merged(made[key], one) : one;
    }
    return made;
  }

  function layout(given, plot, width) {
    const axis = { gridcolor: colour("grid"), zerolinecolor: colour("line"), linecolor: colour("line"), automargin: true, exponentformat: "none", title: { standoff: 8 } };
    const base = {
      colorway: ORDER.map(colour), paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, hovermode: "closest",
      margin: { l: 56, r: 12, t: 20, b: 44 }, font: { color: colour("soft"), size: 12, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { bgcolor: colour("sheet"), bordercolor: colour("line"), font: { color: colour("text") } },
      legend: { orientation: "h", traceorder: "normal", x: 0, y: 1.02, yanchor: "bottom" }, xaxis: axis, yaxis: axis, height: plot.clientHeight, width,
    };
    for (const key of Object.keys(given)) if (/^[xy]axis\d+$/.test(key)) base[key] = axis;
    return merged(base, themed(given));
  }

  const charts = [...document.querySelectorAll(".plot")].map((plot) => ({ plot, figure: JSON.parse(plot.nextElementSibling.textContent), drawn: false }));

  function draw(chart, width) {
    const { plot, figure } = chart;
    chart.drawn = true;
    window.Plotly.react(plot, themed(figure.data), layout(figure.layout ?? {}, plot, width), CONFIG);
  }

  const eye = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const chart = charts.find(({ plot }) => plot === entry.target);
      if (entry.isIntersecting && !chart.drawn) draw(chart);
    }
  }, { rootMargin: "600px" });
  for (const { plot } of charts) eye.observe(plot);

  // The others, one at a time while nothing else is to be done: who goes down quickly, or takes a picture of it all, finds them drawn.
  const idle = window.requestIdleCallback ?? ((then) => setTimeout(then, 50));
  const rest = () => {
    const next = charts.find(({ drawn }) => !drawn);
    if (next) { draw(next); idle(rest); }
  };
  idle(rest);

  function paper(on) {
    document.documentElement.classList.toggle("paper", on);
    for (const chart of charts) if (on || chart.drawn) draw(chart, on ? PAPER_PX : undefined);
  }
  window.addEventListener("beforeprint", () => paper(true));
  window.addEventListener("afterprint", () => paper(false));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const chart of charts) if (chart.drawn) draw(chart); });
})();
