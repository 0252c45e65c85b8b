#!/usr/bin/env python3
"""Opens the sample reports in headless Chromium, as a user does: from disk, in light and dark, wide and narrow.

Checks that nothing is written to the console, that the numbers of the table are those of the JSON file, that the
charts and heat maps have been drawn, that the page is not wider than the window, and that the theme follows the
system's. A probe script, added to a copy of the page, reports what only the browser knows.

Usage: browser_test.py WRITE_SAMPLES FOLDER. Screenshots stay in FOLDER. Exit code 77 means skipped.
"""

import html.parser
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

PROBE = """
<script>
addEventListener("load", () => {
  const colors = {};
  for (const canvas of document.querySelectorAll("canvas")) {
    const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    colors[canvas.id || canvas.ariaLabel] = new Set(pixels).size;
  }
  const buttons = [...document.querySelectorAll("#legend button")];
  buttons.forEach((button) => button.click());
  const pressed = buttons.filter((button) => button.ariaPressed === "true").length;
  buttons.forEach((button) => button.click());
  const press = (key) => document.querySelector(".heat canvas")?.dispatchEvent(new KeyboardEvent("keydown", { key }));
  ["ArrowRight", "ArrowRight", "ArrowDown"].forEach(press);
  const root = document.documentElement;
  const report = JSON.stringify({ colors, pressed, title: document.title, width: innerWidth,
    readout: document.getElementById("heat-readout")?.textContent, tags: document.querySelectorAll("b, img").length,
    limits: document.getElementById("limits-section")?.innerText,
    overflow: root.scrollWidth - root.clientWidth, command: document.getElementById("command").textContent });
  root.dataset.probe = report;
  parent.postMessage(report, "*");
});
</script>
</body>"""

# Headless windows are at least 500 pixels wide; a telephone is narrower.
PHONE = """<!doctype html><html><body style="margin:0">
<iframe src="{name}" style="border:0; width:400px; height:7000px"></iframe>
<script>onmessage = (event) => {{ document.documentElement.dataset.probe = event.data; }};</script></body></html>"""


class Page(html.parser.HTMLParser):
    """Cells of the strategies' table by (strategy, key), and the probe's report."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.probe, self.row, self.cell, self.reasons = {}, None, None, None, {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "html" and "data-probe" in attributes:
            self.probe = json.loads(attributes["data-probe"])
        elif tag == "tr":
            self.row = attributes.get("data-strategy")
        elif tag == "td" and self.row is not None:
            self.cell = attributes.get("data-key", "reason")

    def handle_endtag(self, tag):
        if tag == "td":
            self.cell = None

    def handle_data(self, text):
        if self.cell == "reason":
            self.reasons[self.row] = text
        elif self.cell:
            self.cells[self.row, self.cell] = text


def chromium(path, *options):
    """Runs the browser on a file; returns its standard output. Anything on the console fails the test."""
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                   "--enable-logging=stderr", f"--user-data-dir={profile}", "--virtual-time-budget=2000", *options,
                   "file://" + os.path.abspath(path)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not console, f"{path}: the page wrote to the console: {console}"
    return result.stdout


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def on_phone(path):
    return write_file(path.replace(".html", ".phone.html"), PHONE.format(name=os.path.basename(path)))


def probed(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return write_file(path.replace(".html", ".probed.html"), PROBE.join(text.rsplit("</body>", 1)))


def open_page(path):
    page = Page(chromium(path, "--dump-dom", "--window-size=1280,1000"))
    assert page.probe is not None, f"{path}: the page did not come to its end"
    return page


def number(text):
    return float(text.replace(",", "").removesuffix(" %"))


def check_table(page, results):
    """Every shown number is the JSON's, rounded to the digits shown."""
    for result in results:
        name = result["strategy"]
        if "skipped" in result:
            assert result["skipped"] in page.reasons[name], f"{name}: the reason for skipping it is not shown"
            continue
        keys = [key for strategy, key in page.cells if strategy == name]
        assert len(keys) >= 11, f"{name}: only {keys} in the table"
        for key in keys:
            value = result
            for part in key.split("."):
                value = value[part]
            text = page.cells[name, key]
            if text == "–":
                assert not value, f"{name} {key}: a dash for {value}"
                continue
            value *= 100 if text.endswith("%") else 1
            digits = len(text.removesuffix(" %").partition(".")[2])
            assert abs(number(text) - value) <= 0.5 * 10**-digits + 1e-9, f"{name} {key}: {text} for {value}"


def check_drawn(page, num_heat_maps):
    colors = dict(page.probe["colors"])
    for chart in ("step-chart", "layer-chart", "step-chart-close", "layer-chart-close"):
        assert colors.pop(chart) > 100, f"{chart} is blank"
    assert colors.pop("scale") > 100, "the colour scale is blank"
    assert len(colors) == num_heat_maps, f"heat maps: {colors}"
    for name, count in colors.items():
        assert count > 20, f"{name} is blank"


def check_limits(text, results):
    """The section says, of the strategy that has limits, which ranks and experts bind and what a copy would give."""
    (limits,) = [result["limits"] for result in results if "limits" in result]
    for rank in limits["ranks"]:
        wanted = f"{rank['rank']} ({100 * rank['frequency']:.0f} %)"
        assert wanted in text, f"{wanted} not in: {text}"
    for expert in limits["experts"]:
        assert re.search(rf"{expert['expert']}\s+{100 * expert['frequency']:.1f} %", text), text
        assert f"{expert['gain']:.4f}" in text, text


def background(png_path):
    """Brightness (0 to 255) of the top left pixel of a PNG: the first bytes after the first row's filter byte."""
    with open(png_path, "rb") as file:
        data = file.read()
    at, body = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at:at + 4])
        if data[at + 4:at + 8] == b"IDAT":
            body += data[at + 8:at + 8 + length]
        at += 12 + length
    return sum(zlib.decompress(body)[1:4]) / 3


def check_themes(path):
    for theme, setting in (("dark", 0), ("light", 1)):
        for view, page, size in (("desktop", path, "1280,3900"), ("phone", on_phone(path), "400,7000")):
            shot = path.replace(".html", f".{theme}.{view}.png")
            chromium(page, f"--screenshot={shot}", f"--window-size={size}",
                     f"--blink-settings=preferredColorScheme={setting}")
            bright = background(shot)
            assert (bright < 60) == (theme == "dark"), f"{shot}: background {bright} in the {theme} theme"


def main():
    write_samples, folder = sys.argv[1:3]
    if shutil.which("chromium") is None:
        print("Skipped: chromium is not installed (Debian's package chromium).")
        return 77
    os.makedirs(folder, exist_ok=True)
    subprocess.run([write_samples, folder], check=True)

    def sample(name):
        with open(f"{folder}/{name}.json", encoding="utf-8") as file:
            return f"{folder}/{name}.html", json.load(file)

    path, data = sample("sample")
    page = open_page(probed(path))
    check_table(page, data["results"])
    check_drawn(page, num_heat_maps=2)
    assert page.probe["overflow"] == 0, "the page is wider than a desktop window"
    assert page.probe["pressed"] == 0, "the legend's buttons do not switch"
    assert re.fullmatch(r"Rank 1, step 9: none \d\.\d\d, optimize \d\.\d\d times the mean", page.probe["readout"]), \
        page.probe["readout"]
    check_limits(page.probe["limits"], data["results"])
    narrow = open_page(on_phone(probed(path))).probe
    assert narrow["width"] == 400 and narrow["overflow"] == 0, f"the page is wider than a telephone: {narrow}"
    check_themes(path)

    path, data = sample("hostile")
    page = open_page(probed(path))
    check_table(page, data["results"])
    check_drawn(page, num_heat_maps=2)
    assert page.probe["title"].startswith("</script>"), page.probe["title"]
    assert page.probe["tags"] == 0, "a string of the trace became an element"
    assert page.probe["command"] == "lplb replay '</script><b>{{page.js}} & $(x)'", page.probe["command"]
    assert not any(key.startswith("cross_") for _, key in page.cells), "traffic shown for a trace without source ranks"

    assert "What limits" in page.probe["limits"]

    path, data = sample("empty")
    page = open_page(probed(path))
    assert len(page.reasons) == len(data["results"]) and not page.cells
    print("The pages render, the console is empty, and the numbers equal the JSON.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
