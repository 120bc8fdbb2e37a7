"""Burden: those who look on do not hold up those who post."""

import os
import sqlite3
import sys
import threading
import time

import pytest
import trio

from tests.service.house import House, numbered


async def test_searches_wait_for_each_other_and_nobody_waits_for_them(house: House) -> None:
    at_once, most = 0, 0

    def slow(connection: sqlite3.Connection) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.05)
        at_once -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(60):
            nursery.start_soon(house.service.database.search, slow)
        started = trio.current_time()
        assert (await house.post("/v1/t", numbered(1))).status_code == 200
        assert trio.current_time() - started < 1
        nursery.cancel_scope.cancel()
    assert 1 <= most <= 2


async def test_searches_step_back_and_nothing_else_does(house: House) -> None:
    def priority(_: object = None) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    usual = priority()
    lower = min(usual + 10, 19) if sys.platform == "linux" else usual  # elsewhere a priority is the whole process's
    assert await house.service.database.search(priority) == lower
    assert await trio.to_thread.run_sync(priority) == usual
    assert priority() == usual


async def test_a_search_that_fails_says_so_and_the_next_one_works(house: House) -> None:
    with pytest.raises(sqlite3.OperationalError):
        await house.service.database.search(lambda connection: connection.execute("select nothing"))
    assert await house.service.database.search(lambda connection: connection.execute("select 1").fetchall()) == [(1,)]
