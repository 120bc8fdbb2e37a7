"""Burden: those who look on do not hold up those who post."""

import sqlite3
import time

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
    assert most <= 2
