"""Reading: long reads, in threads of their own that step back when the machine is busy.

A search that competes for a core with accepting events slows it down by what it takes. So the threads run with a lower
priority than the rest of the process: on an idle machine a search is as quick as ever, on a busy one it gets about a
tenth of a core.
"""

import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import trio

T = TypeVar("T")

AT_ONCE = 2  # threads are few, because cores are
NICENESS = 10


class Reading:
    """Runs reading verbs, each on a connection of its own that `connect` opens."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._turns = trio.CapacityLimiter(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, "reading", initializer=_step_back)

    async def run(self, verb: Callable[[sqlite3.Connection], T]) -> T:
        """Runs a verb when it is its turn. Whoever is cancelled while it runs still waits for its end."""

        def work() -> T:
            with closing(self._connect()) as connection:
                return verb(connection)

        async with self._turns:
            done = trio.Event()
            loop = trio.lowlevel.current_trio_token()
            future = self._threads.submit(work)
            future.add_done_callback(lambda _: loop.run_sync_soon(done.set))
            with trio.CancelScope(shield=True):
                await done.wait()
            return future.result()

    def close(self) -> None:
        """Ends the threads, once what they run has ended."""
        self._threads.shutdown()


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + NICENESS)
