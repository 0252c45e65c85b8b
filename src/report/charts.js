"use strict";
// The two Chart.js pictures: lines over steps and marks of layers. They are drawn anew when the theme changes.

/* Colour (a variable of page.css), shape and its letter, the same on the whole page and in every report. */
const styles = {
  "none": { color: "--none", shape: "crossRot", letter: "✕" },
  "eplb": { color: "--eplb", shape: "cross", letter: "+" },
  "eplb+split": { color: "--eplb-split", shape: "circle", letter: "●" },
  "cube": { color: "--cube", shape: "rect", letter: "■" },
  "hypercube": { color: "--hypercube", shape: "rectRot", letter: "◆" },
  "torus": { color: "--torus", shape: "triangle", letter: "▲" },
  "ring": { color: "--ring", shape: "circle", letter: "○", hollow: true },
  "uniform": { color: "--uniform", shape: "star", letter: "✳" },
  "optimize": { color: "--optimize", shape: "rectRounded", letter: "▣" },
};

/* For strategies such as "torus:8x4" or "eplb-distinct", in the order in which they come. */
const otherStyles = [
  { color: "--other-1", shape: "rect", letter: "□", hollow: true },
  { color: "--other-2", shape: "rectRot", letter: "◇", hollow: true },
  { color: "--other-3", shape: "triangle", letter: "△", hollow: true },
  { color: "--other-4", shape: "star", letter: "✳" },
];
let numOthers = 0;

function styleOf(strategy) {
  styles[strategy] ??= otherStyles[numOthers++ % otherStyles.length];
  return styles[strategy];
}

function cssValue(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(title, extra) {
  return {
    title: { display: true, text: title },
    grid: { color: cssValue("--rule"), drawBorder: false },
    ...extra,
  };
}

function baseOptions() {
  return {
    animation: false,
    maintainAspectRatio: false,
    color: cssValue("--soft"),
    plugins: { legend: { display: false } },
  };
}

/* How the marks of a strategy look; the winner is larger and drawn over the others. */
function markStyle(result, isBest) {
  const style = styleOf(result.strategy);
  const color = cssValue(style.color);
  return {
    label: result.strategy,
    order: isBest ? 0 : 1,
    clip: 8,
    borderColor: color,
    backgroundColor: style.hollow ? cssValue("--page") : color,
    pointStyle: style.shape,
  };
}

/* Indices of the judged steps that begin with a new placement; none where there are too many to draw. */
function refreshIndices({ judged_steps: steps, refresh }) {
  const indices = steps.flatMap((step, i) => ((step - steps[0]) % refresh === 0 ? [i] : []));
  return indices.length <= 32 ? indices : [];
}

/* Dotted verticals at these indices. */
function refreshMarks(indices) {
  return {
    id: "refreshMarks",
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea, scales } = chart;
      ctx.save();
      ctx.strokeStyle = cssValue("--soft");
      ctx.globalAlpha = 0.6;
      ctx.setLineDash([1, 4]);
      for (const index of indices) {
        const x = scales.x.getPixelForValue(index);
        ctx.beginPath();
        ctx.moveTo(x, chartArea.top);
        ctx.lineTo(x, chartArea.bottom);
        ctx.stroke();
      }
      ctx.restore();
    },
  };
}

function drawSteps(canvas, results, best, config) {
  const steps = config.judged_steps;
  const radius = steps.length <= 64 ? 3 : 0;
  const tooltip = {
    itemSort: (a, b) => b.parsed.y - a.parsed.y,
    callbacks: {
      title: (items) => (items.length ? `Step ${items[0].label}` : ""),
      label: (item) => ` ${item.dataset.label}  ${item.parsed.y.toFixed(3)}`,
    },
    usePointStyle: true,
  };
  return new Chart(canvas, {
    type: "line",
    data: {
      labels: steps,
      datasets: results.map((result) => ({
        ...markStyle(result, result === best),
        data: result.step_imbalance,
        borderDash: result.certificate_ranks === 0 ? [5, 4] : [],
        borderWidth: result === best ? 3 : 1.5,
        pointRadius: result === best ? radius * 1.3 : radius,
        pointBorderWidth: 1.5,
      })),
    },
    options: {
      ...baseOptions(),
      interaction: { mode: "index", intersect: false },
      scales: {
        x: axis("step of the trace", { grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } }),
        y: axis("imbalance, max / mean", { min: 1, grace: "5%" }),
      },
      plugins: { legend: { display: false }, tooltip },
    },
    plugins: [refreshMarks(refreshIndices(config))],
  });
}

/* A short vertical line in each row, at the mean over layers. */
const meanTicks = {
  id: "meanTicks",
  afterDatasetsDraw(chart) {
    const { ctx, scales } = chart;
    for (const dataset of chart.data.datasets) {
      const xs = dataset.data.map((point) => point.x);
      const x = scales.x.getPixelForValue(xs.reduce((sum, value) => sum + value, 0) / xs.length);
      const y = scales.y.getPixelForValue(dataset.data[0].y);
      ctx.save();
      ctx.fillStyle = cssValue("--ink");
      ctx.fillRect(x - 1, y - 11, 2, 22);
      ctx.restore();
    }
  },
};

function drawLayers(canvas, results, best, config) {
  const rowName = (row) => results[row]?.strategy ?? "";
  return new Chart(canvas, {
    type: "scatter",
    data: {
      datasets: results.map((result, row) => ({
        ...markStyle(result, result === best),
        data: result.layer_imbalance.map((x) => ({ x, y: row })),
        pointRadius: 5,
        pointBorderWidth: 1.5,
      })),
    },
    options: {
      ...baseOptions(),
      scales: {
        x: axis("imbalance, max / mean", { min: 1, grace: "5%" }),
        y: {
          min: -0.5,
          max: results.length - 0.5,
          reverse: true,
          afterBuildTicks: (scale) => { scale.ticks = results.map((_, value) => ({ value })); },
          ticks: {
            autoSkip: false,
            callback: rowName,
            color: (tick) => cssValue(rowName(tick.index) === best.strategy ? "--ink" : "--soft"),
            font: (tick) => ({ size: 13, weight: rowName(tick.index) === best.strategy ? "bold" : "normal" }),
          },
          grid: { color: cssValue("--rule"), drawBorder: false },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          callbacks: {
            label: (item) => ` ${item.dataset.label}, layer ${config.layers[item.dataIndex]}: ${item.parsed.x.toFixed(3)}`,
          },
          usePointStyle: true,
        },
      },
    },
    plugins: [meanTicks],
  });
}
