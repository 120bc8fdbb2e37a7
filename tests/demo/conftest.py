"""A demo as a process, as whoever tries it starts it, and a browser to visit it with."""

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as ChromeDriver

PATIENCE = 20.0  # seconds


class Process:
    """`signal-actor demo`. `lines` is what it has printed so far."""

    def __init__(self, data_dir: Path) -> None:
        command = [sys.executable, "-m", "signal_actor", "demo", "--data-dir", str(data_dir)]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._new: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append(line.rstrip())

    def said(self, beginning: str) -> str:
        """The line that begins so, once there is one."""
        return str(eventually(lambda: next((line for line in self.lines if line.startswith(beginning)), None)))

    def address(self, what: str) -> str:
        return self.said(what).split(maxsplit=1)[1]

    def interrupt(self) -> int:
        self.popen.send_signal(signal.SIGINT)
        return self.popen.wait(PATIENCE)


def eventually(check: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := check()):
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)
    return found


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    with process.popen:
        yield process
        process.popen.kill()


@pytest.fixture
def browser(process: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"):
        options.add_argument(argument)
    options.add_argument("--window-size=1400,950")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, ChromeDriver("/usr/bin/chromedriver"))
    yield driver
    said = driver.get_log("browser")
    driver.quit()
    assert said == []
