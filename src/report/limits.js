"use strict";
// What limits the placements that were chosen for the split: ranks and experts that bind most often, and what one more
// copy would give.

/* "a, b and c" */
function inWords(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

function limitsSentence(limits) {
  const ranks = limits.ranks.map(({ rank, frequency }) => `${rank} (${Math.round(100 * frequency)} %)`);
  return `imbalance ${limits.imbalance.toFixed(3)}. Ranks that bind most often, and in how many of the steps: ` +
    `${inWords(ranks)}.`;
}

/* Experts of which one more copy would be seen in the imbalance. */
function helpful(limits) {
  return limits.experts.filter(({ gain }) => gain >= 5e-5);
}

function limitsTable(limits, strategy) {
  const heads = ["expert", "binds in", "makes of the bound load", "one more copy on rank", "would lower imbalance by"];
  const rows = helpful(limits).map((limit) => element("tr", {},
    element("th", { scope: "row" }, String(limit.expert)),
    ...[percent(limit.frequency), percent(limit.tokens), String(limit.copy_on), limit.gain.toFixed(4)]
      .map((text) => element("td", {}, text))));
  return element("div", { className: "scroll", role: "region", ariaLabel: `Experts that limit ${strategy}`, tabIndex: 0 },
    element("table", { className: "limits" },
      element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows)));
}

function fillLimits(results, config) {
  const limited = results.filter((result) => result.limits);
  if (limited.length === 0) {
    byId("limits-section").remove();
    return;
  }
  byId("limits-note").textContent =
    `The last placement of layer ${config.heatmap_layer}, on the ${plural(config.window, "step")} that it was chosen ` +
    "from. Ranks and experts bind where they belong to the set of ranks that proves the split optimal: tokens of such " +
    "an expert cannot leave these ranks. One more copy, in a further slot, is tried on the ranks with the least load.";
  for (const { strategy, limits } of limited) {
    byId("limits").append(element("div", {},
      element("p", {}, mark(strategy), element("strong", {}, strategy), `: ${limitsSentence(limits)}`),
      helpful(limits).length > 0 ? limitsTable(limits, strategy)
        : element("p", { className: "note" }, "No single further copy would lower it.")));
  }
}
