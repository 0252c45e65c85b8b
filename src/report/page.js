"use strict";
// Fills in the page from the embedded JSON. Text goes in as text, never as markup.

const data = JSON.parse(byId("data").textContent);
const results = data.results.filter((result) => !result.skipped);
const best = results.find((result) => result.strategy === data.best);
const before = results.find((result) => result.strategy === "none");
const hidden = new Set();

/* The strategies with a split (only they have a certificate) whose mean is in the lowest third of all means: they lie
   so close together that these need a closer look. */
const third = 1 + (results.reduce((top, result) => Math.max(top, result.imbalance.mean), 1) - 1) / 3;
const close = results.filter((result) => result.certificate_ranks > 0 && result.imbalance.mean <= third);
const closeUp = close.length > 1 && close.length < results.length;

function byId(id) {
  return document.getElementById(id);
}

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function fixed(digits) {
  return (value) => value.toFixed(digits);
}

function percent(value) {
  return `${(100 * value).toFixed(1)} %`;
}

/* Times and certificates of strategies that have none are 0 in the data and a dash here. */
function orDash(format) {
  return (value) => (value === 0 ? "–" : format(value));
}

const columns = [
  { group: "imbalance", label: "mean", key: "imbalance.mean", format: fixed(3) },
  { group: "imbalance", label: "p50", key: "imbalance.p50", format: fixed(3) },
  { group: "imbalance", label: "p99", key: "imbalance.p99", format: fixed(3) },
  { group: "imbalance", label: "worst", key: "imbalance.max", format: fixed(3) },
  { group: "balancedness", label: "mean", key: "balancedness.mean", format: fixed(3) },
  { group: "certificate", label: "ranks", key: "certificate_ranks", format: orDash(fixed(1)) },
  { group: "tokens leaving", label: "rank", key: "cross_rank_fraction", format: percent },
  { group: "tokens leaving", label: "node", key: "cross_node_fraction", format: percent },
  { group: "refreshes", label: "made", key: "refreshes_made", format: (value) => value.toLocaleString("en") },
  { group: "copies", label: "moved", key: "copies_moved", format: (value) => value.toLocaleString("en") },
  { group: "placement, µs", label: "p50", key: "place_us.p50", format: orDash(fixed(1)) },
  { group: "placement, µs", label: "p99", key: "place_us.p99", format: orDash(fixed(1)) },
  { group: "plan, µs", label: "p50", key: "plan_us.p50", format: orDash(fixed(1)) },
  { group: "plan, µs", label: "p99", key: "plan_us.p99", format: orDash(fixed(1)) },
];

function valueAt(result, key) {
  return key.split(".").reduce((value, part) => value?.[part], result) ?? null;
}

function mark(strategy) {
  const { color, letter } = styleOf(strategy);
  const node = element("span", { className: "mark", ariaHidden: "true" }, letter);
  node.style.color = `var(${color})`;
  return node;
}

function fillHeader() {
  const { trace, config } = data;
  byId("title").textContent = `${trace.name || "A trace"} on ${plural(config.ranks, "rank")}`;
  document.title = `${trace.name} · lplb replay`;
  byId("summary").textContent =
    `A recorded trace of ${plural(trace.experts, "expert")} in ${plural(config.layers.length, "layer")} was replayed ` +
    `on ${plural(config.ranks, "rank")} in ${plural(config.nodes, "node")}, each rank with ` +
    `${plural(config.redundant, "redundant slot")}. Every ${plural(config.refresh, "step")} each strategy decided ` +
    `from the last ${plural(config.window, "step")} alone where the experts and their copies live, and was then ` +
    `judged on what followed: ${plural(config.judged_steps.length, "step")} in all. Imbalance is the load of the ` +
    `busiest rank divided by the mean load. All ranks wait for the busiest; at 1.000 none has to.`;
}

function figure(result, words, className = "") {
  const excess = 100 * (result.imbalance.mean - 1);
  return element("div", { className },
    element("span", { className: "figure" }, result.imbalance.mean.toFixed(3)),
    element("span", { className: "caption" }, mark(result.strategy), element("strong", {}, result.strategy),
      `, ${words}: on average the busiest rank carries ${excess.toFixed(1)} % more than the mean.`));
}

function fillHeadline() {
  if (before && before !== best) {
    byId("headline").append(figure(before, "nothing copied or moved", "before"));
  }
  byId("headline").append(best ? figure(best, "the best here") : "No strategy applies to this shape.");
}

function headerRows(shown) {
  const groups = [...new Set(shown.map((column) => column.group))];
  const top = element("tr", {}, element("th", { rowSpan: 2, scope: "col" }, "strategy"));
  for (const group of groups) {
    const colSpan = shown.filter((column) => column.group === group).length;
    top.append(element("th", { colSpan, scope: "colgroup" }, element("span", {}, group)));
  }
  const bottom = element("tr", {}, ...shown.map((column) => element("th", { scope: "col" }, column.label)));
  return element("thead", {}, top, bottom);
}

function strategyRow(result, shown) {
  const name = element("th", { scope: "row" }, mark(result.strategy), result.strategy);
  const row = element("tr", {}, name);
  row.dataset.strategy = result.strategy;
  if (result.skipped) {
    row.append(element("td", { className: "reason", colSpan: shown.length }, `skipped: ${result.skipped}`));
    return row;
  }
  if (result === best) {
    row.className = "best";
    name.append(element("span", { className: "badge" }, "best"));
  }
  for (const { key, format } of shown) {
    const value = valueAt(result, key);
    const cell = element("td", {}, value === null ? "–" : format(value));
    cell.dataset.key = key;
    row.append(cell);
  }
  return row;
}

function fillStrategies() {
  const measured = (column) => results.some((result) => valueAt(result, column.key) !== null);
  const shown = columns.filter(measured);
  const rows = data.results.map((result) => strategyRow(result, shown));
  byId("strategies").append(headerRows(shown), element("tbody", {}, ...rows));
  if (!shown.some((column) => column.key === "cross_rank_fraction")) {
    byId("table-note").textContent = "The trace does not say which rank a token came from, so traffic is not shown.";
  }
  for (const result of results) {
    byId("descriptions").append(element("div", {},
      element("dt", {}, mark(result.strategy), result.strategy), element("dd", {}, result.description)));
  }
}

/* A table with a row for each of `names` and a column for each strategy. */
function fillSeries(table, corner, names, key) {
  const heads = [corner, ...results.map((result) => result.strategy)];
  table.append(element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)))));
  const rows = names.map((name, i) => element("tr", {}, element("th", { scope: "row" }, String(name)),
    ...results.map((result) => element("td", {}, result[key][i].toFixed(3)))));
  table.append(element("tbody", {}, ...rows));
}

function fillLegend() {
  for (const { strategy } of results) {
    const button = element("button", { type: "button", ariaPressed: "true" }, mark(strategy), strategy);
    button.classList.toggle("best", strategy === best.strategy);
    button.addEventListener("click", () => {
      hidden[hidden.has(strategy) ? "delete" : "add"](strategy);
      button.ariaPressed = String(!hidden.has(strategy));
      drawCharts();
    });
    byId("legend").append(element("li", {}, button));
  }
}

let charts = [];

function drawCharts() {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.color = cssValue("--soft");
  charts.forEach((chart) => chart.destroy());
  const panels = closeUp ? [["", results], ["-close", close]] : [["", results]];
  charts = panels.flatMap(([suffix, strategies]) => {
    const visible = strategies.filter((result) => !hidden.has(result.strategy));
    return [
      drawSteps(byId(`step-chart${suffix}`), visible, best, data.config),
      drawLayers(byId(`layer-chart${suffix}`), visible, best, data.config),
    ];
  });
}

function fillWorst() {
  for (const { strategy, worst } of results) {
    byId("worst").append(element("li", {}, mark(strategy), element("strong", {}, strategy),
      `: in layer ${worst.layer} at step ${worst.step}, rank ${worst.rank} carried ${worst.imbalance.toFixed(3)} ` +
      "times the mean."));
  }
}

function fillFormulas() {
  for (const [name, text] of Object.entries(data.formulas)) {
    byId("formulas").append(element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, text));
  }
}

function fillSettings() {
  const { trace, config } = data;
  const settings = {
    "trace": trace.name,
    "steps": `${trace.steps}, ${config.judged_steps.length} judged`,
    "layers": `${config.layers.length} of ${trace.layers}`,
    "experts": trace.experts,
    "source ranks": trace.sources > 1 ? trace.sources : "not recorded",
    "tokens a step and layer": Math.round(trace.tokens_per_step).toLocaleString("en"),
    "ranks": config.ranks,
    "nodes": config.nodes,
    "redundant slots a rank": config.redundant,
    "window": plural(config.window, "step"),
    "refresh": plural(config.refresh, "step"),
    "seed": config.seed,
  };
  for (const [name, value] of Object.entries(settings)) {
    byId("settings").append(element("div", {}, element("dt", {}, name), element("dd", {}, String(value))));
  }
  byId("command").textContent = data.command;
}

/* Charts take their colours from the style sheet when drawn, so a change of theme draws them again. */
function followTheme(draw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; draw(); });
  addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; draw(); });
}

fillHeader();
fillHeadline();
fillStrategies();
fillFormulas();
fillSettings();
if (best) {
  fillSeries(byId("step-table"), "step", data.config.judged_steps, "step_imbalance");
  fillSeries(byId("layer-table"), "layer", data.config.layers, "layer_imbalance");
  fillLegend();
  fillWorst();
  fillLimits(results, data.config);
  if (!closeUp) {
    document.querySelectorAll(".close-up").forEach((node) => node.remove());
  }
  if (refreshIndices(data.config).length === 0) {
    byId("refresh-note").remove();
  }
  const drawHeat = makeHeatMaps(data, byId);
  const drawAll = () => { drawCharts(); drawHeat(); };
  followTheme(drawAll);
  drawAll();
} else {
  byId("charts").remove();
}
