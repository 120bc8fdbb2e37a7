"""What the visitor has not allowed is neither sent nor stored; what is allowed is stored once."""

import time

import pytest

from tests.datafly.conftest import Browser, eventually, holds, names
from tests.datafly.service import Service

ALL = "{functional: true, analytics: true, marketing: true, personalization: true}"
NONE = "{functional: false, analytics: false, marketing: false, personalization: false}"


def traces(browser: Browser) -> list[str]:
    """Everything of ours in the browser but the consent itself."""
    stored = [name for name in browser.stored_names() if name.startswith("_df") and not name.startswith("_df_consent")]
    return stored + [part for part in browser.run("return document.cookie").split("; ") if part.startswith("_df")]


def server_cookies(browser: Browser, service: Service) -> list[str]:
    cookies = browser.cdp("Network.getAllCookies")["cookies"]
    return [cookie["value"] for cookie in cookies if cookie["domain"] == service.host]


def test_nothing_is_stored_before_consent_is_known(browser: Browser, service: Service) -> None:
    service.configure(consent="wait", flush_ms=200)
    browser.open()
    browser.run("datafly.identify('u1', {plan: 'pro'}); datafly.track('A', {n: 1})")
    time.sleep(1)
    assert service.requests == []
    assert traces(browser) == []
    assert browser.stored_names() == []
    browser.run("datafly.consent({analytics: true, marketing: false})")
    holds(service, "page", "identify", "A")
    assert all(event["context"]["consent"] == {"analytics": True, "marketing": False} for event in service.events)
    assert service.events[2]["userId"] == "u1"
    browser.go("/second")
    holds(service, "page", "identify", "A", "page")
    assert service.events[3]["context"]["consent"] == {"analytics": True, "marketing": False}


def test_leaving_before_consent_is_known_sends_nothing(browser: Browser, service: Service) -> None:
    browser.open(consent="wait")
    browser.run("datafly.track('A')")
    browser.go("/second")
    browser.flush()
    assert service.requests == []


def test_denied_then_granted_then_withdrawn(browser: Browser, service: Service) -> None:
    browser.open(consent="wait")
    browser.run(f"datafly.track('Waiting'); datafly.consent({NONE}); datafly.track('Denied')")
    time.sleep(0.6)
    assert service.requests == []
    assert traces(browser) == []
    browser.run(f"datafly.consent({ALL}); datafly.identify('u1'); datafly.track('Granted')")
    holds(service, "identify", "Granted")
    assert server_cookies(browser, service) == [service.events[1]["anonymousId"]]
    service.stop()
    browser.run(f"datafly.track('Queued'); datafly.consent({NONE}); datafly.track('Withdrawn')")
    assert [name for name in traces(browser) if not name.startswith("_df_notice")] == []
    service.start()
    eventually(lambda: server_cookies(browser, service) == [], 15)
    holds(service, "identify", "Granted")
    first = service.events[0]["anonymousId"]
    assert service.consents[first]["marketing"] is False
    assert traces(browser) == []
    browser.go("/second")
    browser.run(f"datafly.track('Still'); datafly.consent({ALL}); datafly.track('Again')")
    holds(service, "identify", "Granted", "Again")
    again = service.events[2]
    assert again["anonymousId"] != first
    assert "userId" not in again


def test_withdrawal_reaches_the_service_by_a_later_page(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    service.stop()
    browser.run(f"datafly.consent({NONE})")
    browser.go("/second")
    service.start()
    eventually(lambda: server_cookies(browser, service) == [], 15)
    holds(service, "page")


def test_partial_withdrawal_is_told_at_once(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    browser.run("datafly.consent({marketing: false})")
    visitor = service.events[0]["anonymousId"]
    eventually(lambda: service.consents == {visitor: {"marketing": False}})
    browser.run("datafly.track('Still')")
    holds(service, "page", "Still")
    assert service.events[1]["anonymousId"] == visitor
    assert server_cookies(browser, service) == [visitor]


def test_withdrawal_in_another_tab(browser: Browser, service: Service) -> None:
    browser.open()
    holds(service, "page")
    first = browser.driver.current_window_handle
    browser.new_tab("/second")
    holds(service, "page", "page")
    browser.run(f"datafly.consent({NONE})")
    time.sleep(0.3)
    browser.driver.switch_to.window(first)
    browser.run("datafly.track('A')")
    browser.flush()
    holds(service, "page", "page")
    assert traces(browser) == []


def test_global_privacy_control_denies_marketing(browser: Browser, service: Service) -> None:
    browser.before_every_page("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})")
    browser.open()
    browser.run(f"datafly.consent({ALL}); datafly.track('A')")
    holds(service, "page", "A")
    assert all(event["context"]["consent"]["marketing"] is False for event in service.events)
    assert service.events[1]["context"]["consent"]["analytics"] is True


GOOGLE = """<script>window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments); }
gtag('consent', 'default', {ad_storage: 'denied', ad_user_data: 'denied', analytics_storage: 'denied'});</script>"""
TCF = """<script>function __tcfapi(command, version, callback) {
    tell = (status, ids) => callback({eventStatus: status, gdprApplies: true,
        purpose: {consents: Object.fromEntries(ids.map((id) => [id, true]))}}, true);
    tell('cmpuishown', []);
}</script>"""
ONETRUST = """<script>chosen = false; OneTrust = {IsAlertBoxClosed: () => chosen}; OnetrustActiveGroups = ',C0001,';
choose = (groups) => {
    chosen = true; OnetrustActiveGroups = groups; dispatchEvent(new Event('OneTrustGroupsUpdated'));
};
</script>"""
COOKIEBOT = """<script>
Cookiebot = {hasResponse: false, consent: {necessary: true, preferences: false, statistics: false, marketing: false}};
choose = (given) => {
    Object.assign(Cookiebot.consent, given); Cookiebot.hasResponse = true;
    dispatchEvent(new Event('CookiebotOnAccept'));
};
</script>"""

BANNERS = {
    "google": (
        GOOGLE,
        "gtag('consent', 'update', {analytics_storage: 'granted'})",
        {"analytics": True, "marketing": False},
        "gtag('consent', 'update', {analytics_storage: 'denied', functionality_storage: 'denied', "
        "ad_personalization: 'denied'})",
    ),
    "tcf": (
        TCF,
        "tell('useractioncomplete', [1, 5, 6, 8])",
        {"functional": True, "analytics": True, "marketing": False, "personalization": True},
        "tell('useractioncomplete', [])",
    ),
    "onetrust": (
        ONETRUST,
        "choose(',C0001,C0002,C0003,')",
        {"functional": True, "analytics": True, "marketing": False, "personalization": True},
        "choose(',C0001,')",
    ),
    "cookiebot": (
        COOKIEBOT,
        "choose({statistics: true})",
        {"functional": False, "analytics": True, "marketing": False, "personalization": False},
        "choose({statistics: false})",
    ),
}


@pytest.mark.parametrize("banner", BANNERS)
def test_banners(banner: str, browser: Browser, service: Service) -> None:
    head, grant, expected, withdraw = BANNERS[banner]
    browser.open(head=head + browser.tag(consent="wait"))
    browser.run("datafly.track('A')")
    time.sleep(0.4)
    assert service.requests == []
    assert browser.stored_names() == []
    browser.run(grant)
    holds(service, "page", "A")
    assert [event["context"]["consent"] for event in service.events] == [expected] * 2
    browser.run(withdraw)
    browser.run("datafly.track('B')")
    eventually(lambda: server_cookies(browser, service) == [])
    assert names(service) == ["page", "A"]
    assert traces(browser) == []


def test_a_banner_that_loads_late(browser: Browser, service: Service) -> None:
    banner = TCF.removeprefix("<script>").removesuffix("</script>")
    late = f"<script>addEventListener('DOMContentLoaded', () => {{ {banner}; window.__tcfapi = __tcfapi; }})</script>"
    browser.open(head=late + browser.tag(consent="wait tcf"))
    time.sleep(0.3)
    browser.run("tell('tcloaded', [1, 8])")
    holds(service, "page")


def test_the_call_decides_over_the_banner(browser: Browser, service: Service) -> None:
    browser.open(head=GOOGLE + browser.tag(consent="wait"))
    browser.run("datafly.consent({analytics: true}); gtag('consent', 'update', {analytics_storage: 'denied'})")
    holds(service, "page")
    assert service.events[0]["context"]["consent"] == {"analytics": True}
