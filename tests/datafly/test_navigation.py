"""A page event for every page that the visitor sees, and none more."""

from tests.datafly.conftest import Browser, eventually, holds, names
from tests.datafly.service import Service


def paths(service: Service) -> list[str]:
    return [event["properties"]["path"] for event in service.events if event["type"] == "page"]


def test_single_page_application(browser: Browser, service: Service) -> None:
    browser.open("/list")
    browser.driver.execute_async_script("""
        const done = arguments[0];
        history.pushState(null, '', '/one');
        document.title = 'One';  // as frameworks do, after the address
        setTimeout(() => {
            history.replaceState(null, '', '/two');
            history.replaceState(null, '', '/two?sort=price');
            history.pushState(null, '', '/two#reviews');
            datafly.track('On Two');
            setTimeout(() => { history.go(-2); setTimeout(done, 300); }, 100);
        }, 100);
    """)
    holds(service, "page", "page", "page", "On Two", "page")
    assert paths(service) == ["/list", "/one", "/two", "/list"]
    pages = [event["properties"] for event in service.events if event["type"] == "page"]
    assert pages[1]["title"] == "One"
    assert pages[1]["referrer"] == browser.shop.origin() + "/list"
    assert pages[2]["referrer"] == browser.shop.origin() + "/one"
    assert service.events[3]["context"]["page"]["path"] == "/two"


def test_switched_off(browser: Browser, service: Service) -> None:
    browser.open("/list", auto_page="false")
    browser.run("history.pushState(null, '', '/one'); datafly.page('By Hand')")
    holds(service, "page")
    assert service.events[0]["name"] == "By Hand"


def test_back_from_the_cache(browser: Browser, service: Service) -> None:
    browser.open("/one")
    holds(service, "page")
    browser.run("window.alive = true")
    browser.run("location.href = '/two'")
    eventually(lambda: len(service.events) == 2)
    browser.driver.back()
    eventually(lambda: len(service.events) == 3)
    assert browser.run("return window.alive"), "the browser has loaded the page again"
    holds(service, "page", "page", "page")
    assert paths(service) == ["/one", "/two", "/one"]


def test_prerendered_pages_wait_until_they_are_shown(browser: Browser, service: Service) -> None:
    rules = '{"prerender": [{"urls": ["/next"], "eagerness": "immediate"}]}'
    browser.shop.pages["/next"] = (
        f"<!doctype html><title>Next</title>{browser.tag()}<body>Next<script>"
        "window.wasPrerendered = document.prerendering; datafly.track('While Hidden')</script>"
    )
    browser.open("/one", head=browser.tag() + f'<script type="speculationrules">{rules}</script>')
    browser.run("document.body.innerHTML = '<a id=link href=/next>next</a>'")
    holds(service, "page")
    browser.driver.find_element("id", "link").click()
    eventually(lambda: "While Hidden" in names(service))
    assert browser.run("return window.wasPrerendered"), "the browser has not prerendered"
    holds(service, "page", "While Hidden", "page")
    assert paths(service) == ["/one", "/next"]
