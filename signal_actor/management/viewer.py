"""Viewer: one stream of Server-Sent Events, with a filter and a bounded memory of what was not read yet."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import trio
from quart.wrappers.response import ResponseBody

HEARTBEAT_SECONDS = 15.0  # proxies close what is silent for longer
BEAT = b": still here\n\n"
HELLO = b"retry: 2000\n: watching\n\n"
ROUNDS = 20  # that wait for a viewer who does not read
WAITING = 256 * 1024  # bytes that do; a round of long names and errors may have more than that by itself
LOOK_SECONDS = 1.0  # after which it is looked at again who is watching


@dataclass(frozen=True, slots=True)
class Filter:
    """What a viewer wants to see; None does not matter. A filter for deliveries shows no acceptances."""

    kind: str | None = None
    pipeline: str | None = None
    integration: str | None = None
    integration_id: int | None = None
    type: str | None = None
    name: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    message_id: str | None = None
    state: str | None = None

    def admits(self, kind: str, data: dict[str, Any]) -> bool:
        if self.kind is not None and self.kind != kind:
            return False
        return all(data.get(name) == value for name, value in self._given())

    def _given(self) -> tuple[tuple[str, Any], ...]:
        return tuple((name, value) for name in FIELDS if (value := getattr(self, name)) is not None)


FIELDS = tuple(name for name in Filter.__slots__ if name != "kind")  # of what is told


class Host(Protocol):
    """Whom a viewer watches."""

    def join(self, viewer: "Viewer") -> None: ...

    def leave(self, viewer: "Viewer") -> None: ...


class Viewer(ResponseBody):
    """The body of an answer that goes on for as long as somebody reads it who may: `welcome` says whether they do."""

    def __init__(self, host: Host, wanted: Filter, welcome: Callable[[], bool] = lambda: True) -> None:
        self.filter = wanted
        self._host = host
        self._welcome = welcome
        self._looked = trio.current_time()
        self._rounds: deque[tuple[bytes, int]] = deque()
        self._waiting = 0  # bytes
        self._missed = 0
        self._ended = False
        self._bell = trio.Event()
        self._greeted = False

    def push(self, text: bytes, items: int, missed: int) -> None:
        """A round's items as text, and how many were left out of it."""
        while self._rounds and (len(self._rounds) >= ROUNDS or self._waiting + len(text) > WAITING):
            old, lost = self._rounds.popleft()
            self._waiting -= len(old)
            self._missed += lost
        self._missed += missed
        if items:
            self._rounds.append((text, items))
            self._waiting += len(text)
        if items or missed:
            self._bell.set()

    def end(self) -> None:
        """Ends the stream."""
        self._ended = True
        self._bell.set()

    async def __aenter__(self) -> "Viewer":
        self._host.join(self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._host.leave(self)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._greeted:
            self._greeted = True
            return HELLO
        with trio.move_on_after(HEARTBEAT_SECONDS):
            await self._bell.wait()
        if self._ended or not self._is_welcome():
            raise StopAsyncIteration
        self._bell = trio.Event()
        text = b"".join(text for text, _ in self._rounds)
        self._rounds.clear()
        self._waiting = 0
        if self._missed:
            text += b'event: missed\ndata: {"count":%d}\n\n' % self._missed
            self._missed = 0
        return text or BEAT

    def _is_welcome(self) -> bool:
        """A token that was revoked, or a session that has ended, shows nothing more."""
        if trio.current_time() < self._looked + LOOK_SECONDS:
            return True
        self._looked = trio.current_time()
        return self._welcome()

    async def make_conditional(self, begin: int, end: int | None) -> int:
        raise NotImplementedError("a stream has no ranges")
