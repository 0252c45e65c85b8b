"use strict";
// Heat maps of rank x step, all on one colour scale. Pointer or arrow keys choose a cell; one line of text reads it out.

/* A function from a load relative to the mean to [r, g, b]: cold below 1, even at 1, hot above, straight in between. */
function heatColors(span) {
  const channels = (name) => cssValue(name).match(/[0-9a-f]{2}/gi).map((hex) => parseInt(hex, 16));
  const [cold, even, hot] = ["--cold", "--even", "--hot"].map(channels);
  return (load) => {
    const t = Math.max(-1, Math.min(1, (load - 1) / span));
    const end = t < 0 ? cold : hot;
    return even.map((channel, i) => Math.round(channel + (end[i] - channel) * Math.abs(t)));
  };
}

/* One canvas pixel a cell; the style sheet stretches it. `loadAt(x, y)` gives the load of a pixel. */
function paintCells(canvas, loadAt, colorOf) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; ++y) {
    for (let x = 0; x < canvas.width; ++x) {
      image.data.set([...colorOf(loadAt(x, y)), 255], 4 * (y * canvas.width + x));
    }
  }
  context.putImageData(image, 0, 0);
}

/* Builds the figures and returns the function that paints them; does nothing where there is no map. */
function makeHeatMaps({ heat, config }, byId) {
  const { maps, steps_per_column: merge } = heat;
  if (maps.length === 0) {
    byId("heat-section").remove();
    return () => {};
  }
  const numRanks = config.ranks;
  const numColumns = maps[0].cells.length / numRanks;
  const loadAt = (map, column, rank) => map.cells[column * numRanks + rank];
  const span = maps.reduce((all, map) => map.cells.reduce((m, load) => Math.max(m, Math.abs(load - 1)), all), 0.01);
  const lowest = Math.max(0, 1 - span);

  const stepName = (column) => {
    const steps = config.judged_steps.slice(column * merge, (column + 1) * merge);
    return steps.length === 1 ? `step ${steps[0]}` : `steps ${steps[0]} to ${steps[steps.length - 1]}`;
  };
  const read = (map, column, rank) => `${map.strategy} ${loadAt(map, column, rank).toFixed(2)}`;

  const chosen = { column: -1, rank: -1 };
  const figures = maps.map((map) => makeFigure(map, config, numColumns));
  const choose = (column, rank) => {
    chosen.column = Math.max(0, Math.min(numColumns - 1, column));
    chosen.rank = Math.max(0, Math.min(numRanks - 1, rank));
    for (const { cell } of figures) {
      Object.assign(cell.style, {
        display: "block",
        left: `calc(${(100 * chosen.column) / numColumns}% - 2px)`,
        top: `calc(${(100 * chosen.rank) / numRanks}% - 2px)`,
        width: `calc(${100 / numColumns}% + 4px)`,
        height: `calc(${100 / numRanks}% + 4px)`,
      });
    }
    const loads = maps.map((map) => read(map, chosen.column, chosen.rank)).join(", ");
    byId("heat-readout").textContent = `Rank ${chosen.rank}, ${stepName(chosen.column)}: ${loads} times the mean`;
  };
  figures.forEach(({ canvas }) => listen(canvas, chosen, choose));

  byId("heat-maps").append(...figures.map(({ node }) => node));
  byId("heat-note").textContent =
    `Layer ${config.heatmap_layer}, the one most uneven when nothing is copied or moved. A column is ` +
    `${merge === 1 ? "a step" : `${merge} steps, the largest load of them`}; the colour is a rank's load relative to ` +
    "the mean of that step, blue below it and red above. Point at a cell, or use the arrow keys, to read its value.";
  byId("heat-readout").textContent = "Point at a cell to read it.";
  byId("scale-low").textContent = lowest.toFixed(2);
  byId("scale-high").textContent = `${(1 + span).toFixed(2)} × mean`;
  fillHeatTable(byId("heat-table"), maps, numRanks, numColumns, loadAt, stepName);

  return () => {
    const colorOf = heatColors(span);
    maps.forEach((map, i) => paintCells(figures[i].canvas, (x, y) => loadAt(map, x, y), colorOf));
    const scale = byId("scale");
    paintCells(scale, (x) => lowest + ((1 + span - lowest) * x) / (scale.width - 1), colorOf);
  };
}

function makeFigure(map, config, numColumns) {
  const steps = config.judged_steps;
  const canvas = element("canvas", { width: numColumns, height: config.ranks, tabIndex: 0, role: "img",
    ariaLabel: `Heat map of rank loads, ${map.strategy}; arrow keys read single cells` });
  const cell = element("div", { className: "cell" });
  cell.style.display = "none";
  const ranks = element("div", { className: "ranks", ariaHidden: "true" },
    element("span", {}, "rank 0"), element("span", {}, String(config.ranks - 1)));
  const axis = element("div", { className: "axis", ariaHidden: "true" },
    element("span", {}, `step ${steps[0]}`), element("span", {}, String(steps[steps.length - 1])));
  const when = map.strategy === "none" ? "before: " : "after: ";
  const title = element("figcaption", {}, when, mark(map.strategy), map.strategy);
  return { canvas, cell,
    node: element("figure", { className: "heat" }, title, element("div", { className: "plot" }, canvas, cell, ranks), axis) };
}

function listen(canvas, chosen, choose) {
  const fromPointer = (event) => choose(
    Math.floor((event.offsetX / canvas.clientWidth) * canvas.width),
    Math.floor((event.offsetY / canvas.clientHeight) * canvas.height));
  canvas.addEventListener("pointermove", fromPointer);
  canvas.addEventListener("pointerdown", fromPointer);
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (move) {
      event.preventDefault();
      choose(chosen.column + move[0], chosen.rank + move[1]);
    }
  });
}

/* For each rank and map the largest load and when it was. */
function fillHeatTable(table, maps, numRanks, numColumns, loadAt, stepName) {
  const heads = ["rank", ...maps.flatMap((map) => [map.strategy, "at"])];
  table.append(element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)))));
  const columns = Array.from({ length: numColumns }, (_, column) => column);
  const rows = Array.from({ length: numRanks }, (_, rank) => {
    const cells = maps.flatMap((map) => {
      const top = columns.reduce((a, b) => (loadAt(map, b, rank) > loadAt(map, a, rank) ? b : a));
      return [loadAt(map, top, rank).toFixed(3), stepName(top)];
    });
    return element("tr", {}, element("th", { scope: "row" }, String(rank)), ...cells.map((text) => element("td", {}, text)));
  });
  table.append(element("tbody", {}, ...rows));
}
