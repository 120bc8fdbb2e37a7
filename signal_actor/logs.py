"""Logs: structured lines on stderr that never hold the service up, whoever reads them or not.

Lines go through a bounded queue to a thread of their own. If the reader is slow, lines are dropped and counted; if it
is gone, they go nowhere.
"""

import atexit
import os
import queue
import sys
import threading
from collections.abc import MutableMapping
from io import StringIO
from typing import Any, TextIO

import structlog

from signal_actor.wire import visible

LINES = 10_000  # waiting lines before the newest are dropped
PATIENCE = 1.0  # seconds that the last lines get at exit


class Outlet:
    """A file-like object for structlog whose `write` never blocks."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes] = queue.Queue(LINES)
        self._dropped = 0
        threading.Thread(target=self._drain, name="logs", daemon=True).start()
        atexit.register(self._flush)

    def write(self, text: str) -> None:
        try:
            if self._dropped and self._lines.qsize() < LINES // 2:
                dropped, self._dropped = self._dropped, 0
                self._lines.put_nowait(f"(the reader of this log was too slow for {dropped} lines)\n".encode())
            self._lines.put_nowait(text.encode("utf-8", "replace"))
        except queue.Full:
            self._dropped += 1

    def flush(self) -> None:
        """Nothing to do: lines are on their way."""

    def _drain(self) -> None:
        while True:
            data = self._lines.get()
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:  # the reader is gone; the service is not
                pass
            finally:
                self._lines.task_done()

    def _flush(self) -> None:
        waiter = threading.Thread(target=self._lines.join, daemon=True)
        waiter.start()
        waiter.join(PATIENCE)


def _harmless(_: object, __: str, said: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What strangers said, for a terminal."""
    return {key: visible(value) if isinstance(value, str) else value for key, value in said.items()}


def _traceback(sio: TextIO, exc_info: Any) -> None:
    """An exception without the values of variables, which may be secrets, and without what would steer a terminal."""
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    sio.write(visible(text.getvalue()))


def configure(log_format: str | None = None, *, least: str = "info") -> None:
    """Sets structlog up: `console` or `json`; by default the first on a terminal, else the second."""
    colours = sys.stderr.isatty()
    console = log_format == "console" or (log_format is None and colours)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if console:
        shared += [_harmless, structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=_traceback)]
    else:
        shared += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=Outlet(sys.stderr.fileno())),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
