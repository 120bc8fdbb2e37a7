"""Fixtures: the SDKs as their users run them, against a service in this process."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import trio
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as ChromeDriver

from signal_actor import service
from signal_actor.sandbox import Sandbox
from signal_actor.server import serve
from tests.sdks.packages import CLIENTS, Packages, installed
from tests.sdks.watch import Watch
from tests.service.conftest import OpenHouse, house, open_house, sandbox
from tests.service.house import KEY, PATIENCE, House, tables

__all__ = ["house", "open_house", "sandbox"]  # fixtures of the service's tests

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",  # nothing leaves this machine
)
SITES = itertools.count(1)
LONGEST = 90.0  # seconds that an SDK may take, with all its retries
QUIET = 2.5  # seconds without a request, after which a browser SDK is taken to have given up


@dataclass(frozen=True, slots=True)
class Sdk:
    """A client script. `python` names the requirements that it runs with; without, its suffix says what runs it."""

    script: str
    python: str = ""

    @property
    def in_browser(self) -> bool:
        return self.script.endswith(".js")


@dataclass
class Shop:
    """A service, whoever knocks at its door, and pages on another origin that run an SDK."""

    house: House
    watch: Watch
    packages: Packages
    browser: webdriver.Chrome
    site: str
    pages: str
    scripts: dict[str, bytes]

    @property
    def host(self) -> str:
        """The service as the pages know it: another host of the same site."""
        return f"http://data.{self.site}:{urlsplit(self.house.ready.ingest).port}"

    async def visit(self, sdk: Sdk, key: str = KEY, host: str = "") -> str:
        """Runs a client; returns what it said. A page's client goes on in the background."""
        if sdk.in_browser:
            self.scripts[sdk.script] = await trio.to_thread.run_sync(self.packages.bundle, sdk.script)
            address = f"{self.pages}/{sdk.script}?{urlencode({'host': host or self.host, 'key': key})}"
            await trio.to_thread.run_sync(self.browser.get, address)
            return ""
        host = host or self.house.ready.ingest
        client = CLIENTS / sdk.script
        if sdk.python:
            command = [sys.executable, "-S", str(client), host, key]  # -S: with its own packages only
            options = {"env": os.environ | {"PYTHONPATH": str(self.packages.python / sdk.python)}}
        else:  # a script on stdin finds its packages in the current folder
            command = ["node", "--input-type=module", "-", host, key]
            options = {"cwd": self.packages.node, "stdin": client.read_bytes()}
        with trio.fail_after(LONGEST):
            done = await trio.run_process(
                command, check=False, capture_stdout=True, stderr=subprocess.STDOUT, **options
            )
        said = done.stdout.decode()
        assert done.returncode == 0, said
        return said

    async def stored(self, count: int) -> list[dict[str, Any]]:
        """The events, once there are so many and nothing more comes."""
        with trio.move_on_after(PATIENCE):
            await self.house.until("select count(*) >= ? from v_events", count)
        await self.quiet(0.5)
        return [json.loads(row["payload"]) | {"row": row} for row in self.house.stored()]

    async def quiet(self, seconds: float = QUIET) -> None:
        """Returns once nobody has knocked for so long."""
        knocks, since = len(self.watch.knocks), trio.current_time()
        while trio.current_time() < since + seconds:
            await trio.sleep(0.05)
            if len(self.watch.knocks) > knocks:
                knocks, since = len(self.watch.knocks), trio.current_time()

    async def strangers(self) -> set[str]:
        """The hosts, reachable or not, that the page has asked for anything since the last call, without its own."""
        log = await trio.to_thread.run_sync(self.browser.get_log, "performance")
        messages = [json.loads(entry["message"])["message"] for entry in log]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return {urlsplit(url).netloc for url in sent} - {urlsplit(url).netloc for url in (self.host, self.pages)}


OpenShop = Callable[..., Awaitable[Shop]]


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Packages:
    return installed(request.config.cache.mkdir("sdks"))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory, packages: Packages) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in [*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, ChromeDriver("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
async def open_shop(
    nursery: trio.Nursery,
    packages: Packages,
    chromium: webdriver.Chrome,
    open_house: OpenHouse,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> OpenShop:
    """Opens a service for pages of a site that no test has visited before."""

    async def open_shop(**pipeline: Any) -> Shop:
        watch, scripts, site = Watch(), {}, f"site{next(SITES)}.localhost"
        monkeypatch.setattr(service, "Door", watch.door)
        app = partial(show, scripts)
        address = await nursery.start(partial(serve, app, "127.0.0.1:0", stop=trio.Event()))
        pages = f"http://www.{site}:{urlsplit(address).port}"
        given = {"allowed_origins": [pages], **pipeline}
        house = await open_house(tables(sandbox, only=("webhook",), pipeline=given))
        await trio.to_thread.run_sync(leave_behind, chromium)
        return Shop(house, watch, packages, chromium, site, pages, scripts)

    return open_shop


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await open_shop()


async def show(scripts: dict[str, bytes], scope: Any, receive: Any, send: Any) -> None:
    """The pages: `/name.js` is one that runs that script, which is `/script/name.js`."""
    folder, _, name = scope["path"].lstrip("/").rpartition("/")
    page = f'<!doctype html><title>Shop</title><link rel="icon" href="data:,"><script src="/script/{name}"></script>'
    kind, body = ("text/javascript", scripts[name]) if folder else ("text/html", page.encode())
    headers = [(b"content-type", kind.encode() + b"; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def leave_behind(driver: webdriver.Chrome) -> None:
    """A new tab, and nothing of the last one."""
    before = driver.window_handles
    driver.switch_to.new_window("tab")
    tab = driver.current_window_handle
    for handle in before:
        driver.switch_to.window(handle)
        driver.close()
    driver.switch_to.window(tab)
    driver.get_log("browser")
    driver.get_log("performance")
