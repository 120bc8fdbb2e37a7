"""One visitor is one visitor: races, lost storage, resets, other sites, other SDKs."""

import re

from signal_actor.ingest.datafly.bundle import stub
from tests.datafly.conftest import Browser, eventually, holds, names
from tests.datafly.service import KEY, Service
from tests.datafly.test_calls import UUID


def visitors(service: Service) -> list[str]:
    return [event["anonymousId"] for event in service.events]


def test_the_servers_cookie_names_the_visitor(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    [visitor] = visitors(service)
    assert re.fullmatch(UUID, visitor)
    [cookie] = [
        cookie for cookie in browser.cdp("Network.getAllCookies")["cookies"] if cookie["domain"] == service.host
    ]
    assert (cookie["name"], cookie["value"], cookie["httpOnly"]) == ("_dfid", visitor, True)


def test_two_tabs_race_on_the_first_page(browser: Browser, service: Service) -> None:
    browser.open(head="")
    browser.shop.html = f"<!doctype html><title>Shop</title>{browser.tag()}"
    browser.run("for (let i = 0; i < 4; i++) window.open('/?' + i, '_blank', 'noopener')")
    eventually(lambda: len(service.events) == 4)
    assert len(set(visitors(service))) == 1


def test_two_requests_race_on_the_first_page(browser: Browser, service: Service) -> None:
    service.configure(batch_size=1)
    service.delay = 0.5
    browser.open()
    browser.run("datafly.track('A'); dispatchEvent(new Event('pagehide'))")
    holds(service, "page", "A")
    assert [request.visitor for request in service.requests][:2] == ["", ""], "they have not raced"
    assert len(set(visitors(service))) == 1


def test_cleared_storage_keeps_the_visitor(browser: Browser, service: Service, site: str) -> None:
    browser.open()
    holds(service, "page")
    browser.run("localStorage.clear()")
    browser.go("/second")
    holds(service, "page", "page")
    browser.run("localStorage.clear(); document.cookie = '_df_aid=; Max-Age=0; Path=/; Domain=' + arguments[0]", site)
    assert "_df_aid" not in browser.run("return document.cookie")
    browser.go("/third")
    holds(service, "page", "page", "page")
    assert len(set(visitors(service))) == 1


def test_a_lost_cookie_keeps_the_visitor(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    browser.cdp("Network.clearBrowserCookies")
    browser.go("/second")
    holds(service, "page", "page")
    assert len(set(visitors(service))) == 1


def test_reset_starts_a_new_visitor(browser: Browser, service: Service) -> None:
    browser.open()
    browser.run("datafly.identify('u1', {plan: 'pro'}); datafly.reset(); datafly.track('After')")
    holds(service, "page", "identify", "After")
    browser.go("/second")
    holds(service, "page", "identify", "After", "page")
    before, same, after, later = service.events
    assert before["anonymousId"] == same["anonymousId"]
    assert after["anonymousId"] == later["anonymousId"] != before["anonymousId"]
    assert re.fullmatch(UUID, after["anonymousId"])
    assert "userId" not in after
    assert "traits" not in after["context"]


def test_reset_reaches_the_other_tab(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    first = browser.driver.current_window_handle
    browser.run("datafly.identify('u1')")
    browser.new_tab("/second")
    browser.run("datafly.reset(); datafly.track('B')")
    eventually(lambda: "B" in names(service))
    browser.driver.switch_to.window(first)
    browser.run("datafly.track('A')")
    eventually(lambda: "A" in names(service))
    a, b = (next(event for event in service.events if event.get("event") == name) for name in "AB")
    assert a["anonymousId"] == b["anonymousId"] != service.events[0]["anonymousId"]
    assert "userId" not in a


def test_reset_before_the_script(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    early = f"<script>{stub()};datafly.track('Old'); datafly.reset(); datafly.track('New')</script>"
    browser.open(head=early + browser.tag(auto_page="false"))
    holds(service, "page", "Old", "New")
    page, old, new = visitors(service)
    assert page == old != new


def test_data_host_of_another_site(browser: Browser, service: Service) -> None:
    elsewhere = service.origin("data.other.localhost") + "/datafly.js"
    browser.open(head=browser.tag(src=elsewhere))
    holds(service, "page")
    browser.go("/second")
    holds(service, "page", "page")
    assert [request.visitor for request in service.requests] == ["", ""]
    assert len(set(visitors(service))) == 1


def test_other_hosts_of_the_site_share_the_visitor(browser: Browser, service: Service, site: str) -> None:
    elsewhere = service.origin("data.other.localhost") + "/datafly.js"
    browser.open(head=browser.tag(src=elsewhere))
    browser.open(host=f"blog.{site}", head=browser.tag(src=elsewhere))
    holds(service, "page", "page")
    assert len(set(visitors(service))) == 1


def test_insecure_pages_have_no_locks(browser: Browser, service: Service) -> None:
    tag = browser.tag(src=service.origin("data.site.test") + "/datafly.js")
    service.delay = 0.5
    browser.open(head="", host="www.site.test")
    browser.shop.html = f"<!doctype html><title>Shop</title>{tag}"
    assert browser.run("return isSecureContext || !!navigator.locks") is False
    browser.run("for (let i = 0; i < 4; i++) window.open('/?' + i, '_blank', 'noopener')")
    holds(service, *["page"] * 4)
    assert [request.visitor for request in service.requests][:2] == ["", ""], "they have not raced"
    assert len(set(visitors(service))) == 1


def test_mirror_of_the_ninetailed_sdk(browser: Browser, service: Service) -> None:
    browser.open(head="<script>localStorage.__nt_anonymous_id__ = 'nt-1'</script>" + browser.tag(mirror="ninetailed"))
    holds(service, "page")
    assert visitors(service) == ["nt-1"]
    browser.run("datafly.reset(); datafly.track('After')")
    holds(service, "page", "After")
    assert re.fullmatch(UUID, visitors(service)[1])
    browser.run("document.cookie = 'ntaid=nt-2; Path=/'; datafly.track('Theirs')")
    holds(service, "page", "After", "Theirs")
    assert visitors(service)[2] == "nt-2"


def test_mirror_waits_for_a_late_sdk(browser: Browser, service: Service) -> None:
    late = "<script>setTimeout(() => { localStorage.__nt_anonymous_id__ = 'nt-1'; }, 400)</script>"
    browser.open(head=browser.tag(mirror="ninetailed") + late)
    holds(service, "page")
    assert visitors(service) == ["nt-1"]


def test_keys_do_not_share_their_users(browser: Browser, service: Service) -> None:
    browser.open(auto_page="false")
    browser.run("datafly.identify('u1')")
    holds(service, "identify")
    assert [name for name in browser.stored_names() if "user" in name] == [f"_df_user.{KEY}"]
