"""The examples of the documents and of docstrings do what they show."""

import doctest
import importlib
import re

import pytest
from conftest import HAS_TORCH, ROOT, why_no_gpu

import lplb

MODULES = ["lplb.placement", "lplb.metrics", "lplb.plan", "lplb.refresh"]


def fenced(path):
    """The ```pycon blocks of a page as one session; those with lplb.cuda only where a GPU is."""
    text = (ROOT / path).read_text(encoding="utf-8")
    blocks = re.findall(r"^```pycon\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return "\n".join(block for block in blocks if "lplb.cuda" not in block or not why_no_gpu())


def run(name, session, namespace):
    parsed = doctest.DocTestParser().get_doctest(session, namespace, name, name, 0)
    assert parsed.examples
    failures = []
    doctest.DocTestRunner().run(parsed, out=failures.append)
    assert not failures, "".join(failures)


def without_torch(session):
    """The examples before the first that needs torch."""
    return session.partition(">>> import torch")[0]


@pytest.mark.parametrize("path", ["docs/python.md", "README.md", "README.zh-CN.md"])
def test_pages(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    session = fenced(path)
    run(path, session if HAS_TORCH else without_torch(session), {})


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    found = doctest.testmod(importlib.import_module(name), extraglobs={"Placement": lplb.Placement})
    assert found.attempted > 0
    assert found.failed == 0


def test_both_readmes_show_the_same():
    assert fenced("README.md") == fenced("README.zh-CN.md")
