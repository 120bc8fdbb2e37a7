"""Person: somebody at a browser, who finds things by what they say."""

import time
from collections.abc import Callable
from contextlib import suppress
from importlib import resources
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.management.pages.house import House

DESKTOP, PHONE = (1280, 800), (390, 844)
SERIOUS = {"serious", "critical"}
PATIENCE = 12.0  # seconds
AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text()
# Notes on the window whether a click leads away from it: the driver may answer before the browser has set out.
WATCH = """
if (window.leaving === undefined) {
  window.leaving = false;
  addEventListener("submit", (event) => { window.leaving ||= !event.defaultPrevented; });
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    const elsewhere = link && link.href.split("#")[0] !== location.href.split("#")[0];
    window.leaving ||= Boolean(elsewhere && !event.defaultPrevented);
  });
}
"""
ARRIVED = "return !window.leaving && document.readyState === 'complete'"
CHECK = "axe.run({resultTypes: ['violations']}).then(arguments[0])"


class Person:
    """A tab. Whatever the console says that it should not is in `complaints`."""

    def __init__(self, driver: webdriver.Chrome, house: House) -> None:
        self.driver, self.house, self.width = driver, house, 0
        self.driver.get_log("browser")

    def size(self, size: tuple[int, int], *, dark: bool = False) -> None:
        width, height = self.width, _ = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.cdp("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.cdp("Emulation.setEmulatedMedia", features=scheme)

    def cdp(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)

    def go(self, path: str) -> None:
        self.driver.get(path if path.startswith("http") else self.house.admin + path)

    def log_in(self, token: str | None = None) -> None:
        """With a token, else by a link like the one that the demo prints."""
        self.driver.delete_all_cookies()
        if token is None:
            self.go(self.house.ask(self.house.demo.login))
            return
        self.go("/login")
        self.fill("Token", token)
        self.press("Log in")

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, css: str = "main") -> str:
        """What can be read there, with single spaces. Asked of the page in one go, because it renews itself."""
        found = self.driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", css)
        return " ".join(str(found).split())

    def named(self, kind: str, name: str) -> WebElement:
        """The visible link, button or summary that says this."""
        found = [item for item in self.all(kind) if item.is_displayed() and " ".join(item.text.split()) == name]
        assert found, f"no {kind} says {name!r}: {[item.text for item in self.all(kind) if item.is_displayed()]}"
        return found[0]

    def follow(self, name: str) -> None:
        self._click("a", name)

    def press(self, name: str) -> None:
        self._click("button", name)

    def ask(self, name: str) -> None:
        """Opens what asks before it does something."""
        self._click("summary", name)

    def _click(self, kind: str, name: str) -> None:
        """Once more if the page renewed the thing at that moment."""
        for _ in range(5):
            try:
                return self.click(self.named(kind, name))
            except StaleElementReferenceException:
                continue
        raise AssertionError(f"{name!r} does not hold still")

    def click(self, element: WebElement) -> None:
        """Clicks, and if that leads to another page, waits for it."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        self.driver.execute_script(WATCH)
        element.click()
        eventually(lambda: self.driver.execute_script(ARRIVED), words=lambda: "the next page does not come")

    def field(self, label: str) -> WebElement:
        for item in self.all("label"):
            text = item.text.removesuffix(" optional").strip()
            if text == label and item.is_displayed():
                return self.one(f"#{item.get_attribute('for')}")
        raise AssertionError(f"no field is called {label!r}")

    def fill(self, label: str, text: str) -> None:
        field = self.field(label)
        field.clear()
        field.send_keys(text)

    def choose(self, name: str, value: str) -> None:
        self.click(self.one(f"input[name='{name}'][value='{value}']"))

    def sees(self, text: str, css: str = "main", *, seconds: float = PATIENCE, again: bool = False) -> None:
        """Waits for words; `again` loads the page anew each time."""

        def look() -> bool:
            if again:
                self.driver.refresh()
            return text in self.text(css)

        eventually(look, seconds, lambda: f"{text!r} is not in {self.text(css)!r}")

    def complaints(self) -> list[str]:
        said = self.driver.get_log("browser")
        return [entry["message"] for entry in said if entry["level"] in ("SEVERE", "WARNING")]

    def barriers(self) -> list[str]:
        """Serious findings of axe-core on this page, and what hangs over its edge."""
        self.driver.execute_script(AXE)
        found = self.driver.execute_async_script(CHECK)["violations"]
        words = [
            f"{each['id']}: {each['help']}: {node['html'][:120]}"
            for each in found
            if each["impact"] in SERIOUS
            for node in each["nodes"][:3]
        ]
        # Not the window's own width: a phone makes it as wide as what hangs over.
        wide = self.driver.execute_script("return document.documentElement.scrollWidth") - self.width
        return words + ([f"hangs over by {wide} pixels"] if wide > 0 else [])


def eventually(check: Callable[[], Any], seconds: float = PATIENCE, words: Callable[[], str] = str) -> Any:
    """What `check` returns once it is true. A page may change while it is read, which the driver calls many names."""
    end = time.monotonic() + seconds
    while True:
        with suppress(WebDriverException):
            if found := check():
                return found
        assert time.monotonic() < end, words()
        time.sleep(0.05)
