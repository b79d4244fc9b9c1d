"""A questionnaire in a real browser: filled in, interrupted, downloaded, and scored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..unit.reporting.fabricate import fabricate
from .conftest import Command
from .test_report_browser import BROWSER

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def asked(module_rationale: Command, folder: Path) -> dict:
    """The questionnaire's key, and what people who see valid reasons at RMA ≥ 0.45 would say."""
    (run,) = fabricate(folder / "runs", {"ft": "ft-shortcut"}, ("test",), n=60, witness=False)
    words = ("study", "export", "ft", "--items", "8", "--checks", "2", "--json")
    told = json.loads(module_rationale(*words, cwd=folder).stdout)
    key = json.loads((folder / told["key"]).read_text())
    table = run.evidence("test")[key["specification"]].table
    rma = dict(zip(table.id, table.rma, strict=True))
    said = {item: "yes" if rma[one] >= 0.45 else "no" for item, one in key["items"].items()}
    return {**key, "said": said | key["checks"], "page": folder / told["page"]}


def shown(page) -> str:
    """The item on the screen."""
    return page.evaluate("session.order[at]")


def opened(browser, asked: dict, **options):
    page = browser.new_context(**options).new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on(
        "request", lambda one: one.url.startswith(("file:", "data:", "blob:")) or page.said.append(one.url)
    )
    page.goto(asked["page"].as_uri())
    return page


def fill(page, asked: dict, code: str) -> list[str]:
    """Answer every question, by keys; give the order in which they came."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    order = []
    while page.is_visible("#task"):
        order.append(shown(page))
        page.keyboard.press(asked["said"][order[-1]][0])
    return order


def saved(page, button: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.click(button)
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_two_people_fill_it_in(browser, asked: dict, rationale: Command, folder: Path) -> None:
    ann, bob = (opened(browser, asked, color_scheme=scheme) for scheme in ("light", "dark"))
    orders = fill(ann, asked, "ann"), fill(bob, asked, 'bob "the, second"')
    assert set(orders[0]) == set(orders[1]) == set(asked["said"])
    assert orders[0] != orders[1]
    assert "ann, you have judged all 10 pictures." in ann.inner_text("#summary")
    ann.fill("#comment", "It was fun.")
    files = saved(ann, "#json", folder), saved(ann, "#csv", folder), saved(bob, "#csv", folder)
    assert json.loads(files[0].read_text())["comment"] == "It was fun."
    assert ann.said == bob.said == []
    told = rationale("study", "score", "ft", *map(str, files), "--json", cwd=folder)
    result = json.loads(told.stdout)
    assert (result["people"], result["excluded"]) == (2, [])
    assert result["answers"] == Counter(2 * [asked["said"][item] for item in asked["items"]])
    assert result["among"]["agreement"]["value"] == 1


def test_it_goes_on_where_it_was_left(browser, asked: dict) -> None:
    page = opened(browser, asked, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.activeElement.id") == "participant"
    page.fill("#participant", "eve")
    page.click("text=Start")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    first = shown(page)
    page.click('[data-answer="unsure"]')
    page.click('[data-answer="no"]')
    assert page.inner_text("#count") == "Picture 3 of 10"
    page.reload()
    assert page.inner_text("#count") == "Picture 3 of 10"
    page.keyboard.press("h")
    assert not page.is_visible("#overlay")
    page.keyboard.press("b")
    assert page.get_attribute('[data-answer="no"]', "aria-pressed") == "true"
    page.click("#back")
    assert shown(page) == first and page.is_disabled("#back")
    page.keyboard.press("y")
    assert page.evaluate(f"session.answers['{first}'].response") == "yes"
    assert page.evaluate("document.activeElement.id") == "question"
    assert page.said == []


def test_every_control_has_a_name(browser, asked: dict) -> None:
    page = opened(browser, asked)
    assert page.get_by_label("Your code").is_visible()
    fill(page, asked, "kim")
    assert page.get_by_label("Anything you want to add").is_visible()
    page.click("#review")
    for name in ("Yes", "No", "Unsure", "Back", "Picture alone"):
        assert page.get_by_role("button", name=name).first.is_visible()
    assert page.get_by_role("progressbar", name="Picture 10 of 10").get_attribute("max") == "10"
    assert page.get_by_role("heading", level=1).inner_text().endswith("?")
