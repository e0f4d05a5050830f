"""The page as a reader has it: opened from disk in Chromium, without a network, in light and dark, and printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from simulations.report.writing import write_report
from tests.client.serve.browser import chromium, needs_chromium
from tests.simulations.report.made import add_audit, make_run, make_sweep

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [needs_chromium, pytest.mark.slow]
# In the page: texts of one plot that lie over each other, and things wider than the page.
_OVERLAPS = """() => [...document.querySelectorAll('.plot svg')].flatMap((svg, plot) => {
  const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent.trim(), t.getBoundingClientRect()])
    .filter(([text]) => text);
  return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([, b]) =>
    a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
    .map(([other]) => `plot ${plot}: ${one} / ${other}`));
})"""
_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Contrast of text with the page behind it (WCAG 2), and of every colour of a series with it.
_CONTRAST = """() => {
  const light = colour => { const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(Number)
    .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const against = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05); };
  const paper = getComputedStyle(document.body).backgroundColor;
  const probe = document.body.appendChild(document.createElement('i'));
  const of = value => { probe.style.color = value; return getComputedStyle(probe).color; };
  const found = { text: against(getComputedStyle(document.body).color, paper),
    soft: against(getComputedStyle(document.querySelector('figcaption')).color, paper),
    tick: against(getComputedStyle(document.querySelector('.plot text')).fill, paper) };
  for (const name of ['blue', 'vermilion', 'green', 'purple', 'orange', 'sky'])
    found[name] = against(of(`var(--${name})`), paper);
  probe.remove();
  return found;
}"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    sweep = make_sweep(directory / "sweep")
    add_audit(sweep / "epsilon-4-0")
    other = make_run(directory / "a run by itself", wins=np.linspace(0, 1, 11), epsilon=2.0)
    return write_report([sweep, other], directory / "out")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_it_opens_without_a_network_and_is_legible(
    page_file: Path, browser: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(page_file.as_uri())

    assert asked == [page_file.as_uri()]
    assert said == []
    assert page.locator("section").count() >= 8
    assert page.locator(".plot svg").count() == 6
    assert page.evaluate(_TOO_WIDE) == 0
    assert page.evaluate(_OVERLAPS) == []
    contrast = page.evaluate(_CONTRAST)
    assert min(contrast["text"], contrast["soft"], contrast["tick"]) >= 4.5, contrast
    # Orange and sky are for a fifth and a sixth series, which markers and lines tell apart as well.
    assert min(contrast[name] for name in ("blue", "vermilion", "green")) >= 3, contrast
    background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 22, 27)"}[scheme]
    assert page.get_by_role("img", name=re.compile("^What privacy leaves of the gain")).count() == 1
    context.close()


def test_it_prints_in_ink_on_paper_with_its_configurations(page_file: Path, browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("() => getComputedStyle(document.body).color") == "rgb(22, 24, 29)"
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    # What is folded away on a screen is on paper.
    assert page.evaluate("() => document.querySelector('#configurations pre').getBoundingClientRect().height") > 0
    context.close()
