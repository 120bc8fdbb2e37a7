"""A real Chromium, a shop and the service that its events go to."""

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as ChromeDriver

from tests.datafly.listener import Shop
from tests.datafly.service import KEY, Service

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP *.test 127.0.0.1",  # *.localhost is loopback already
)
SITES = itertools.count(1)


class Browser:
    """A new tab of Chromium, at the shop."""

    def __init__(self, driver: webdriver.Chrome, shop: Shop, service: Service) -> None:
        self.driver, self.shop, self.service = driver, shop, service
        self.expects_console = ""
        self.said: list[str] = []
        before = driver.window_handles
        driver.switch_to.new_window("tab")  # what CDP has set on a tab ends with it
        tab = driver.current_window_handle
        self.close_tabs(before)
        driver.switch_to.window(tab)
        driver.get_log("browser")

    def close_tabs(self, handles: list[str]) -> None:
        for handle in handles:
            self.driver.switch_to.window(handle)
            self.driver.close()

    def tag(self, key: str = KEY, src: str = "", **attributes: str) -> str:
        src = src or self.service.origin() + "/datafly.js"
        more = "".join(f' data-{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
        return f'<script src="{src}" data-pipeline-key="{key}"{more}></script>'

    def open(self, path: str = "/", head: str | None = None, title: str = "Shop", host: str = "", **tag: str) -> None:
        """A page whose head holds the script tag, unless `head` says otherwise."""
        head = self.tag(**tag) if head is None else head
        self.shop.html = f"<!doctype html><title>{title}</title>{head}<body>{title}</body>"
        self.driver.get(self.shop.origin(host) + path)

    def go(self, path: str) -> None:
        self.driver.get(self.shop.origin() + path)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def flush(self) -> None:
        self.driver.execute_async_script("datafly.flush().then(arguments[0])")

    def cdp(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)

    def before_every_page(self, script: str) -> None:
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=script)

    def new_tab(self, path: str = "") -> str:
        self.driver.switch_to.new_window("tab")
        if path:
            self.go(path)
        return self.driver.current_window_handle

    def console(self) -> list[str]:
        """Everything that was said, without what the browser itself says about a failed request."""
        with contextlib.suppress(Exception):
            self.said += [
                entry["message"]
                for entry in self.driver.get_log("browser")
                if entry["source"] != "network" and entry["level"] in ("SEVERE", "WARNING")
            ]
        return self.said

    def stored_names(self) -> list[str]:
        return sorted(self.run("return Object.keys(localStorage)"))

    def check_console(self) -> None:
        assert not [line for line in self.console() if not re.search(self.expects_console or "$^", line)]


@pytest.fixture
def site() -> str:
    """Loopback by name, a secure context, one site for two origins, and new for every test, as its cookies are."""
    return f"site{next(SITES)}.localhost"


@pytest.fixture
def shop(site: str) -> Iterator[Shop]:
    shop = Shop(site)
    yield shop
    shop.stop()


@pytest.fixture
def service(site: str, shop: Shop, tmp_path: Path) -> Iterator[Service]:
    service = Service(site, shop, tmp_path / "data")
    yield service
    service.end()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in [*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(argument)
    # chromedriver switches it off, and a test is about it.
    options.add_experimental_option("excludeSwitches", ["disable-back-forward-cache"])
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, ChromeDriver("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome, shop: Shop, service: Service) -> Iterator[Browser]:
    browser = Browser(chromium, shop, service)
    yield browser
    browser.check_console()


def eventually(check: Callable[[], Any], seconds: float = 8.0) -> Any:
    """What `check` returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.03)
    return found


def names(service: Service) -> list[str]:
    """The stored events, in short."""
    return [event.get("event") or event["type"] for event in service.events]


def holds(service: Service, *expected: str, seconds: float = 8.0) -> None:
    """Exactly these, in this order, and nothing more arrives for a moment."""
    with contextlib.suppress(AssertionError):  # the comparison below says more
        eventually(lambda: len(service.events) >= len(expected), seconds)
    time.sleep(0.3)
    assert names(service) == list(expected)
