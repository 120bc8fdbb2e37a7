"""The demo: what it prints, what its shop sends, what it shows of that, and how it ends."""

import json
import sqlite3
import urllib.request
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.demo.conftest import Process, eventually

VENDORS = ("ninetailed", "insider", "ometria", "webhook")


def rows(process: Process, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(process.address("Database"))) as connection:
        return connection.execute(sql).fetchall()


def sent(process: Process) -> dict[str, str]:
    """Everything that each vendor was sent and took, as text."""
    found = rows(
        process, "select integration, group_concat(request_body) from v_attempts where status < 300 group by 1"
    )
    return dict(found)


class Visitor:
    """Somebody in the shop."""

    def __init__(self, browser: webdriver.Chrome, process: Process) -> None:
        self.browser = browser
        browser.get(process.address("Shop"))

    def click(self, selector: str) -> None:
        eventually(lambda: self.browser.find_elements(By.CSS_SELECTOR, selector))[0].click()

    def reads(self, selector: str) -> list[str]:
        script = "return Array.from(document.querySelectorAll(arguments[0]), (each) => each.textContent)"
        return list(self.browser.execute_script(script, selector))

    def hosts(self) -> set[str]:
        """Everybody that the browser has talked to."""
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return {urlsplit(url).netloc for url in urls if url.startswith("http")}


@pytest.fixture
def visitor(browser: webdriver.Chrome, process: Process) -> Visitor:
    return Visitor(browser, process)


def test_it_says_where_everything_is_and_ends_with_ctrl_c(process: Process) -> None:
    process.said("-> accepted    200  track Order Completed")
    for vendor in VENDORS:
        process.said(f"<- {vendor}")
    assert [line.split()[0] for line in process.lines[:3]] == ["Shop", "Management", "Database"]
    assert process.said("  ometria").split()[1::2] == ["api_key:", "endpoint:"], "what the Library's form wants"
    with httpx.Client(follow_redirects=False, trust_env=False) as client:
        assert client.get(process.address("Management")).status_code == 303
        assert client.get(process.address("Management")).status_code == 401, "the link was used"
    eventually(lambda: rows(process, "select count(*) from v_deliveries where state = 'done'")[0][0] == 15)
    assert process.interrupt() == 0
    assert process.popen.stderr is not None
    assert process.popen.stderr.read() == ""


def test_ctrl_c_while_it_starts(process: Process) -> None:
    process.said("Shop")
    assert process.interrupt() == 0


def test_a_visit_arrives_at_four_vendors(visitor: Visitor, process: Process) -> None:
    visitor.click("#accept")
    visitor.click('.card[href="/p/kettle"]')
    visitor.click("#add")
    visitor.click('nav a[href="/cart"]')
    visitor.click("#checkout")
    visitor.click("#pay")
    visitor.click('nav a[href="/login"]')
    mine = "select count(*) from v_events where json_extract(payload, '$.context.library.name') = 'datafly.js'"
    names = "select name from v_events where type = 'track' order by event_id"
    wanted = ["Product List Viewed", "Product Viewed", "Product Added", "Cart Viewed", "Checkout Started"]
    eventually(lambda: rows(process, mine)[0][0] >= 13)
    assert [name for (name,) in rows(process, names)][2:] == [*wanted, "Order Completed"]
    eventually(lambda: rows(process, "select count(*) from v_deliveries where state = 'pending'") == [(0,)])
    assert rows(process, "select * from v_dead") == []
    taken = sent(process)
    for vendor, words in {
        "ninetailed": ("product_viewed", "product_added", "order_completed", "robin@example.com"),
        "insider": ("product_detail_page_view", "item_added_to_cart", "checkout_page_view", "purchase", "AF-102"),
        "ometria": ("product_viewed", "cart_add", "checkout_started", "order_completed", "robin@example.com"),
        "webhook": ("Product Added", "Order Completed", "customer-"),
    }.items():
        assert [word for word in words if word not in taken[vendor]] == [], vendor
    eventually(lambda: "all settled" in visitor.reads(".state")[0])
    eventually(lambda: len(visitor.reads(".event")) >= 13)
    assert any("not an event of the Retail preset" in text for text in visitor.reads('[data-vendor="ometria"]'))
    shop, data = urlsplit(process.address("Shop")).netloc, process.said("Events go to").split()[3]
    assert visitor.hosts() == {shop, urlsplit(data).netloc}, "nobody else was asked for anything"


def test_nothing_leaves_the_page_before_and_without_consent(visitor: Visitor, process: Process) -> None:
    mine = "select count(*) from v_events where json_extract(payload, '$.context.library.name') = 'datafly.js'"
    visitor.click('.card[href="/p/mug"]')
    assert "wait in this page" in visitor.reads(".hint")[0]
    visitor.click("#refuse")
    visitor.click("#add")
    visitor.browser.execute_async_script("datafly.flush().then(arguments[0])")
    assert rows(process, mine) == [(0,)]
    assert "nothing of yours" in visitor.reads(".hint")[0]


def test_a_vendor_that_is_tripped_up_gets_it_later(visitor: Visitor, process: Process) -> None:
    visitor.click("#accept")
    visitor.click(".trips button:nth-child(2)")
    eventually(lambda: visitor.reads('.trips [aria-pressed="true"]') == ["Insider is down"])
    visitor.click('.card[href="/p/fern"]')
    eventually(lambda: any("retry" in text for text in visitor.reads('.retry[data-vendor="insider"]')))
    visitor.click('.trips [aria-pressed="true"]')
    eventually(lambda: any("try" in text for text in visitor.reads('.done[data-vendor="insider"]')))
    visitor.click(".event .head")
    eventually(lambda: "Sent to Insider" in visitor.reads(".story h3"))


def test_only_its_own_pages_may_trip(process: Process) -> None:
    address = process.address("Shop") + "trip/insider"
    for origin in ("", "http://evil.example"):
        assert httpx.post(address, headers={"Origin": origin}, trust_env=False).status_code == 403
    with urllib.request.urlopen(process.address("Shop") + "happened") as answer:
        assert json.load(answer)["tripped"] == dict.fromkeys(sorted(VENDORS), False) | dict.fromkeys(VENDORS, False)
