"""An operator's night, in a real browser: every page, both themes, both widths, the four verbs."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.pages.browser import PHONE, Visitor, chromium, served

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

PAGES = (
    "/fleet/",
    "/m/fraud-scorer/",
    "/m/recs-ranker/",
    "/m/geo-lookup/",
    "/m/recs-ranker/shadow/",
    "/m/fraud-scorer/performance/",
    "/m/fraud-scorer/checklist/?open=discrepancy",
    "/m/fraud-scorer/settings/",
    "/m/fraud-scorer/gates/latency/",
    "/m/churn-model/report/",
    "/approvals/",
    "/m/fraud-scorer/audit/",
    "/audit/",
    "/audit/6/",
    "/new/",
    "/rollback/",
    "/m/search-embedder/promote/",
    "/m/fraud-scorer/hold/",
    "/m/fraud-scorer/rollback/",
    "/menu/",
    "/nothing-here/",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with served(tmp_path_factory.mktemp("state")) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def violations(page):
    found = Axe().run(page).response["violations"]
    return [(v["id"], [n["html"][:160] for n in v["nodes"]][:3]) for v in found]


def frozen(visitor):
    """No live updates while a page is measured: axe must see one state, not half of two."""
    visitor.context.route("**/events", lambda route: route.abort())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, PHONE])
def test_every_page_is_accessible_and_fits(base, browser, theme, size):
    options = {"viewport": size} if size else {}
    visitor = Visitor(browser, base, name="operator", color_scheme=theme, **options)
    frozen(visitor)
    for path in PAGES:
        page = visitor.go(path)
        assert visitor.overflow() <= 0, path
        assert violations(page) == [], path
    assert visitor.hosts == {base.removeprefix("http://")}
    visitor.context.close()


def test_pages_reflow_at_320_and_1920_without_sideways_scroll(base, browser):
    visitor = Visitor(browser, base, name="operator")
    frozen(visitor)
    for width in (320, 768, 1024, 1280, 1920):
        visitor.page.set_viewport_size({"width": width, "height": 900})
        for path in PAGES:
            visitor.go(path)
            assert visitor.overflow() <= 0, (width, path)
    visitor.context.close()


@pytest.mark.parametrize("size", [None, PHONE])
def test_dialogs_are_accessible_and_close_with_escape(base, browser, size):
    options = {"viewport": size} if size else {}
    visitor = Visitor(browser, base, name="operator", **options)
    for slug, key in (("fraud-scorer", "r"), ("fraud-scorer", "h"), ("doc-ranker", "p")):
        page = visitor.go(f"/m/{slug}/")
        page.wait_for_function("window.htmx !== undefined")
        page.keyboard.press(key)
        dialog = page.locator("dialog[open]")
        expect(dialog).to_be_visible()
        if size and key != "r":
            expect(dialog.locator(".mt-h")).to_be_focused()
            assert dialog.bounding_box()["width"] == size["width"]
        assert violations(page) == [], (slug, key)
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
    assert visitor.problems == []
    visitor.context.close()


def test_an_operator_reads_why_promote_is_closed(base, browser):
    visitor = Visitor(browser, base, name="operator")
    page = visitor.go("/m/recs-ranker/")
    closed = page.locator(".btn.primary[aria-disabled=true]")
    expect(closed).to_have_text("Promote to 5%")
    reason = page.locator(f"#{closed.get_attribute('aria-describedby')}")
    expect(reason).to_contain_text("Shadow discrepancy")
    expect(reason).to_contain_text("over the 0.1% limit")
    gate = page.locator("#gate-discrepancy")
    expect(gate).to_contain_text("Fail")
    expect(gate).to_contain_text("POST /v1/infer")
    expect(page.locator(".policy").first).to_contain_text("not protected against bursts")
    visitor.context.close()


def test_hold_resume_and_roll_back_from_a_phone_stand_in_the_log(base, browser):
    visitor = Visitor(browser, base, name="operator", viewport=PHONE)
    page = visitor.go("/m/churn-model/")
    page.locator(".acts").get_by_role("link", name="Hold").click()
    page.get_by_label("Reason").fill("Maintenance from 15:00.")
    page.get_by_role("button", name="Hold at 100%").click()
    expect(page.locator(".pill").first).to_contain_text("Held at 100%")
    expect(page.locator(".toast")).to_contain_text("recorded")

    page.get_by_role("link", name="Resume…").first.click()
    page.get_by_label("Reason").fill("Maintenance is over.")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator(".pill").first).not_to_contain_text("Held")

    page.locator(".acts").get_by_role("link", name="Roll back").click()
    red = page.locator("dialog[open] .danger")
    expect(red).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#head .banner")).to_contain_text("Rolled back to 0%")

    page.goto(visitor.base + "/audit/?migration=churn-model")
    log = page.locator(".log").first
    expect(log.locator("li").nth(0)).to_contain_text("Rolled back 100% → 0%")
    expect(log.locator("li").nth(1)).to_contain_text("Maintenance is over.")
    expect(log.locator("li").nth(2)).to_contain_text("Maintenance from 15:00.")
    log.locator("li").nth(0).get_by_role("link", name="Evidence for entry").click()
    expect(page.locator(".snap")).to_contain_text("Link verified")
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("#chain")).to_contain_text("Chain verified.")
    assert visitor.problems == []
    visitor.context.close()


def test_promote_asks_for_reason_and_typed_words_and_two_browsers_get_one_winner(base, browser):
    first = Visitor(browser, base, name="operator")
    second = Visitor(browser, base, name="operator")
    for visitor in (first, second):
        page = visitor.go("/m/fraud-scorer/")
        page.get_by_role("link", name="Promote to 50%").click()
        page.get_by_label("Reason").fill("Evidence reviewed.")
        page.get_by_role("button", name="Promote to 50%").click()
        expect(page.locator("#confirm-e")).to_have_text("Type fraud-scorer 50 exactly.")
        page.get_by_label("to confirm").fill("fraud-scorer 50")
    for visitor in (first, second):
        visitor.page.get_by_role("button", name="Promote to 50%").click()
    expect(first.page.locator(".pill").first).to_contain_text("50%")
    expect(second.page.locator("#notices")).to_contain_text("Not promoted. operator promoted")
    expect(second.page.locator("dialog[open]")).to_have_count(0)
    assert first.problems == second.problems == []
    first.context.close()
    second.context.close()


def test_an_open_page_hears_of_a_decision_made_elsewhere(base, browser):
    watcher = Visitor(browser, base, name="viewer")
    page = watcher.go("/m/search-embedder/")
    expect(page.locator(".pill").first).to_contain_text("ready for 5%")
    expect(page.locator(".acts")).to_contain_text("Ask an operator")
    actor = Visitor(browser, base, name="operator")
    actor.go("/m/search-embedder/hold/")
    actor.page.get_by_label("Reason").fill("Waiting for the on-call.")
    actor.page.get_by_role("button", name="Hold").click()
    expect(page.locator(".pill").first).to_contain_text("Held", timeout=6000)
    expect(page.locator("#live")).to_contain_text("Live, updated")
    assert watcher.problems == []
    watcher.context.close()
    actor.context.close()


def test_a_page_that_hears_nothing_says_so_and_keeps_roll_back(base, browser):
    visitor = Visitor(browser, base, name="operator")
    visitor.context.route("**/events", lambda route: route.abort())
    visitor.page.clock.install()
    page = visitor.go("/m/fraud-scorer/")
    visitor.context.route(lambda url: "/m/" in url or "/fleet/" in url, lambda route: route.abort())
    page.clock.fast_forward(45_000)
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("#stale")).to_contain_text("Roll back still works")
    expect(page.locator("#live")).to_contain_text("Not live")
    expect(page.locator(".acts").get_by_role("link", name="Roll back")).to_be_enabled()
    visitor.context.unroute_all(behavior="ignoreErrors")
    visitor.context.close()


def test_everything_but_live_works_without_a_script(base, browser):
    visitor = Visitor(browser, base, name="operator", java_script_enabled=False)
    page = visitor.go("/m/intent-router/")
    page.locator(".acts").get_by_role("link", name="Hold").click()
    page.get_by_role("button", name="Hold").click()
    expect(page.locator("#reason-e")).to_contain_text("Say why.")
    page.get_by_label("Reason").fill("No script, still held.")
    page.get_by_role("button", name="Hold").click()
    expect(page.locator(".pill").first).to_contain_text("Held")
    page.goto(base + "/audit/?q=No+script")
    expect(page.locator(".log li")).to_have_count(1)
    page.get_by_role("button", name="Change theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    visitor.context.close()


def test_the_first_visit_weighs_little_and_the_overview_has_few_nodes(base, browser):
    visitor = Visitor(browser, base, name="operator")
    page = visitor.go("/m/fraud-scorer/")
    assert page.evaluate("document.querySelectorAll('*').length") <= 700
    shift = page.evaluate(
        """() => new Promise(done => { let sum = 0;
        new PerformanceObserver(l => l.getEntries().forEach(e => sum += e.value))
          .observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(sum), 300); })"""
    )
    assert shift <= 0.01
    visitor.context.close()


def test_a_failed_request_is_said_and_the_button_comes_back(base, browser):
    visitor = Visitor(browser, base, name="operator")
    page = visitor.go("/audit/")
    visitor.context.route("**/audit/verify/", lambda route: route.fulfill(status=500, body="no"))
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("#problem")).to_contain_text("Banyan failed on this.")
    expect(page.get_by_role("button", name="Verify now")).to_be_enabled()
    page = visitor.go("/m/fraud-scorer/")
    visitor.context.route("**/rollback/", lambda route: route.abort(), times=1)
    page.locator(".acts").get_by_role("link", name="Roll back").click()
    expect(page.locator("#problem")).to_contain_text("Banyan did not answer.")
    visitor.context.close()
