"""Strict pages: a content security policy and subresource integrity."""

from signal_actor.ingest.datafly.bundle import build, stub
from tests.datafly.conftest import Browser, holds
from tests.datafly.service import Service


def test_strict_policy(browser: Browser, service: Service) -> None:
    data = service.origin()
    browser.shop.headers = {
        "Content-Security-Policy": "default-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
        f"script-src {data} 'nonce-abc'; connect-src {data}"
    }
    browser.open(head=f'<script nonce="abc">{stub()};datafly.track("Early")</script>' + browser.tag())
    browser.run("datafly.track('Click'); datafly.identify('u1'); history.pushState(null, '', '/two')")
    browser.flush()
    browser.run("datafly.track('Last'); window.dispatchEvent(new Event('pagehide'))")
    holds(service, "page", "Early", "Click", "identify", "page", "Last")


def test_subresource_integrity(browser: Browser, service: Service) -> None:
    script = service.running.script()
    tag = browser.tag(src=f"{service.origin()}/{script.immutable_name}")
    browser.open(head=tag.replace("></", f' integrity="{script.integrity}" crossorigin></'))
    holds(service, "page")


def test_hosted_by_the_shop_itself(browser: Browser, service: Service) -> None:
    browser.shop.pages["/own.js"] = build({}).plain.decode()
    browser.shop.headers = {"Content-Security-Policy": f"connect-src {service.origin()}"}
    browser.open(head=browser.tag(src="/own.js", endpoint=service.origin()))
    holds(service, "page")
