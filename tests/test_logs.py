"""Logs: whoever reads them, slowly or not at all, the service goes on."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from signal_actor import logs
from signal_actor.logs import Outlet


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with suppress(OSError):
            os.close(descriptor)


def read_until(descriptor: int, mark: bytes) -> bytes:
    found = b""
    while mark not in found:
        found += os.read(descriptor, 65_536)
    return found


def test_lines_arrive_in_order(pipe: tuple[int, int]) -> None:
    outlet = Outlet(pipe[1])
    for number in range(1_000):
        outlet.write(f"line {number}\n")
    outlet.write("the end\n")
    assert read_until(pipe[0], b"the end\n").decode().splitlines() == [*[f"line {n}" for n in range(1_000)], "the end"]


def test_a_reader_that_reads_nothing_holds_nobody_up_and_is_told_what_it_missed(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LINES", 100)
    outlet = Outlet(pipe[1])
    slowest = 0.0
    for number in range(5_000):
        started = time.perf_counter()
        outlet.write(f"{number} {'x' * 1_000}\n")
        slowest = max(slowest, time.perf_counter() - started)
    assert slowest < 1, "the pipe holds 64 KiB, and is full"
    reader = threading.Thread(target=read_until, args=(pipe[0], b"the end"), daemon=True)
    reader.start()
    while outlet._lines.qsize():
        time.sleep(0.001)
    outlet.write("after\n")
    outlet.write("the end\n")
    reader.join(10)
    assert not reader.is_alive()


def test_what_was_dropped_is_counted(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LINES", 10)
    outlet = Outlet(pipe[1])
    written = 2_000
    for _ in range(written):
        outlet.write("x" * 1_000 + "\n")
    found = b""
    while outlet._lines.qsize():
        found += os.read(pipe[0], 65_536)
    outlet.write("the end\n")
    found += read_until(pipe[0], b"the end\n")
    lines = found.decode().splitlines()
    [notice] = [line for line in lines if "too slow" in line]
    arrived = sum(line.startswith("x") for line in lines)
    assert f"for {written - arrived} lines" in notice


def test_a_reader_that_is_gone_is_not_missed(pipe: tuple[int, int]) -> None:
    outlet = Outlet(pipe[1])
    os.close(pipe[0])
    for number in range(20_000):
        outlet.write(f"line {number}\n")
    with_patience = time.monotonic() + 10
    while outlet._lines.qsize() and time.monotonic() < with_patience:
        time.sleep(0.01)
    assert outlet._lines.qsize() == 0


def test_the_end_of_the_process_waits_for_a_reader_only_so_long(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PATIENCE", 0.2)
    outlet = Outlet(pipe[1])
    for _ in range(200):
        outlet.write("x" * 1_000 + "\n")
    started = time.monotonic()
    outlet._flush()
    assert 0.1 < time.monotonic() - started < 5


FAILING = r"""
import structlog
from signal_actor import logs

def fail(token):
    raise ValueError("\x1b[31m")

logs.configure({log_format!r})
try:
    fail("s" + "ecret")
except ValueError:
    structlog.get_logger().exception("failed", path="/\x1b")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_an_exception_shows_no_values_and_steers_no_terminal(log_format: str) -> None:
    program = FAILING.format(log_format=log_format)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stderr
    assert b"ValueError" in said
    assert b"secret" not in said
    assert b"\x1b" not in said
