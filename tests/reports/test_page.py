"""The page in a headless Chromium; skipped where there is none (pip install playwright; apt-get install chromium)."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reidaug.study.folder import Study
from tests.reports.test_html import full_study, report

__all__ = ["full_study"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        yield running.chromium.launch(executable_path=program, args=["--no-sandbox"])


@pytest.fixture
def page(browser: Any, full_study: Study) -> Iterator[Any]:
    """The report of a whole study, opened; all that goes wrong on the page and all that it fetches is in `log`."""
    report("--images", "16")
    context = browser.new_context(viewport={"width": WIDTHS[0], "height": 900})
    page = context.new_page()
    page.log = []
    page.on("console", lambda message: page.log.append(message.text))
    page.on("pageerror", lambda error: page.log.append(str(error)))
    page.on("request", lambda request: page.log.append(request.url))
    page.goto(Path("report.html").absolute().as_uri())
    yield page
    context.close()


def cards(page: Any, field: str) -> list[str]:
    """A value of each card that is shown, in order."""
    return page.eval_on_selector_all(".card:not([hidden])", f"all => all.map(card => card.dataset.{field})")


def test_it_opens_without_errors_and_fetches_nothing(page: Any) -> None:
    addresses = [line for line in page.log if not line.startswith("data:")]
    assert addresses == [Path("report.html").absolute().as_uri()]
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_page(page: Any, width: int, scheme: str, tmp_path: Path) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.eval_on_selector_all("details", "all => all.forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, ground[4:-1].split(","))) > 200) == (scheme == "light")
    page.screenshot(path=tmp_path / "page.png", full_page=True)


def test_images_are_sorted_and_chosen(page: Any) -> None:
    assert len(cards(page, "l1")) == 12
    page.click("#more")
    assert len(cards(page, "l1")) == 16 and page.is_hidden("#more")
    order = cards(page, "order")
    assert order == sorted(order, key=int)
    for option, field, falling in (("l1", "l1", False), ("-l1", "l1", True), ("-identity", "identity", True)):
        page.select_option("#by", option)
        values = [float(value) for value in cards(page, field)]
        assert values == sorted(values, reverse=falling) and len(set(values)) > 1
    page.select_option("#by", "pid")
    people = cards(page, "pid")
    assert people == sorted(people, key=int) and len(set(people)) > 1
    for why in ("best", "worst", "random"):
        page.select_option("#why", why)
        assert cards(page, "why") and all(why in tags for tags in cards(page, "why"))
    page.select_option("#why", "")
    assert page.text_content("#count") == "16 of 16"


def test_folding_and_sorting_work_by_keyboard(page: Any) -> None:
    part = page.locator("details", has_text="Each baseline")
    part.locator("summary").press("Enter")
    assert part.get_attribute("open") is not None
    heading = part.locator("th button", has_text="mAP trapezoid")
    column = "rows => rows.map(row => parseFloat(row.cells[6].textContent))"
    for expected in ("ascending", "descending"):
        heading.press("Enter")
        assert part.locator("thead th", has_text="mAP trapezoid").get_attribute("aria-sort") == expected
    values = part.locator("tbody tr").evaluate_all(column)
    assert values == sorted(values, reverse=True) and len(values) == 3
    part.locator("summary").press("Enter")
    assert part.get_attribute("open") is None


def test_paper_shows_what_is_folded(page: Any, tmp_path: Path) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    assert page.pdf(path=tmp_path / "page.pdf")


def test_without_scripts_all_is_there(browser: Any, page: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(Path("report.html").absolute().as_uri())
    assert plain.locator(".card").count() == 16 and plain.locator("#controls").is_hidden()
    context.close()
