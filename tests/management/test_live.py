"""Live: Server-Sent Events of what is accepted and delivered, filtered, bounded, and at an end when the service is."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import h11
import pytest
import trio

from signal_actor.management import feed, viewer
from tests.management.desk import ADMIN, API, Desk
from tests.service.house import PATIENCE, House

Event = tuple[str, dict[str, Any]]


class Watching:
    """An open stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._parser = h11.Connection(h11.CLIENT)
        self.text = ""
        self.ended = False

    async def open(self, path: str, token: str) -> None:
        headers = [("Host", "here"), ("Authorization", f"Bearer {token}")]
        await self._stream.send_all(self._parser.send(h11.Request(method="GET", target=path, headers=headers)) or b"")
        await self._stream.send_all(self._parser.send(h11.EndOfMessage()) or b"")
        while not self.text:  # the greeting says that the stream is open
            await self.more()

    async def more(self) -> None:
        """Reads until there is more text, or the end."""
        with trio.fail_after(PATIENCE):
            while True:
                match self._parser.next_event():
                    case h11.NEED_DATA:
                        self._parser.receive_data(await self._stream.receive_some())
                    case h11.Response() as response:
                        assert response.status_code == 200
                        assert dict(response.headers)[b"content-type"] == b"text/event-stream"
                    case h11.Data() as data:
                        self.text += bytes(data.data).decode()
                        return
                    case _:
                        self.ended = True
                        return

    async def until(self, count: int) -> list[Event]:
        """The next so many events."""
        found: list[Event] = []
        while len(found) < count:
            while "\n\n" not in self.text:
                await self.more()
                assert not self.ended
            block, self.text = self.text.split("\n\n", 1)
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"])))
        return found


@asynccontextmanager
async def watching(house: House, token: str = ADMIN, **params: str) -> AsyncIterator[Watching]:
    address = urlsplit(house.ready.admin)
    async with await trio.open_tcp_stream(str(address.hostname), address.port or 0) as stream:
        watcher = Watching(stream)
        await watcher.open(f"{API}/events/live?{urlencode(params)}", token)
        yield watcher


async def test_what_happens_is_told_as_it_happens(house: House, viewer: Desk) -> None:
    async with watching(house, str(viewer.token)) as stream:
        await house.track(1)
        events = await stream.until(5)
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "accepted"
    assert kinds.count("delivery") == 4
    _, accepted = events[0]
    assert (accepted["pipeline"], accepted["name"], accepted["message_id"]) == ("shop", "Signed Up", "m-1")
    outcomes = {data["integration"]: (data["outcome"], data["status"]) for kind, data in events if kind == "delivery"}
    assert outcomes == {
        "ninetailed": ("delivered", 200),
        "insider": ("delivered", 200),
        "ometria": ("delivered", 202),
        "webhook": ("delivered", 200),
    }


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"kind": "accepted"}, [("accepted", "m-1"), ("accepted", "m-2")]),
        ({"kind": "accepted", "anonymous_id": "visitor-2"}, [("accepted", "m-2")]),
        ({"integration": "insider"}, [("delivery", "m-1"), ("delivery", "m-2")]),
        ({"integration": "insider", "message_id": "m-2"}, [("delivery", "m-2")]),
        ({"kind": "accepted", "event": "Signed Up", "type": "track", "pipeline": "shop"}, [("accepted", "m-1")]),
    ],
)
async def test_filters(house: House, params: dict[str, str], wanted: list[tuple[str, str]]) -> None:
    async with watching(house, **params) as stream:
        await house.track(1)
        await house.track(2)
        events = await stream.until(len(wanted))
    # Two visitors' deliveries are told in the order in which the vendor answered.
    assert sorted((kind, data["message_id"]) for kind, data in events) == wanted


async def test_wrong_filters_are_refused(viewer: Desk) -> None:
    await viewer.refused(400, "GET", "/events/live", state="gone")
    await viewer.refused(400, "GET", "/events/live", colour="red")


async def test_what_is_too_much_is_counted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SHOWN", 10)
    monkeypatch.setattr(feed, "READ", 30)
    async with watching(house, kind="accepted") as stream:
        await house.track(*range(50))
        shown, missed = 0, 0
        while shown + missed < 50:
            for kind, data in await stream.until(1):
                shown += kind == "accepted"
                missed += data["count"] if kind == "missed" else 0
    assert shown < 50
    assert missed > 0


async def test_many_viewers_share_the_work(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[feed.Item] = []
    real = feed.Item.text.func  # type: ignore[attr-defined]

    def text(self: feed.Item) -> bytes:
        made.append(self)
        return bytes(real(self))

    monkeypatch.setattr(feed.Item.text, "func", text)
    async with trio.open_nursery() as nursery:
        seen: list[list[Event]] = []

        async def watch(*, task_status: trio.TaskStatus[None]) -> None:
            async with watching(house, kind="accepted") as stream:
                task_status.started()
                seen.append(await stream.until(3))

        for _ in range(10):
            await nursery.start(watch)
        await house.track(1, 2, 3)
    assert all(events == seen[0] for events in seen)
    assert len(seen) == 10
    assert len(made) == 3


async def test_nobody_watching_costs_nothing(house: House) -> None:
    assert house.service.observations.watcher is None
    async with watching(house):
        assert house.service.observations.watcher is house.service.feed
    with trio.fail_after(PATIENCE):
        while house.service.observations.watcher is not None:
            await trio.sleep(0.01)


async def test_a_silent_stream_has_a_heartbeat(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "HEARTBEAT_SECONDS", 0.05)
    async with watching(house) as stream:
        while "still here" not in stream.text:
            await stream.more()


async def test_a_slow_viewer_loses_the_oldest_and_is_told() -> None:
    class Host:
        def join(self, viewer: viewer.Viewer) -> None: ...
        def leave(self, viewer: viewer.Viewer) -> None: ...

    slow = viewer.Viewer(Host(), viewer.Filter())
    assert await anext(slow) == viewer.HELLO
    for number in range(viewer.ROUNDS + 5):
        slow.push(b"%d\n" % number, 1, 0)
    text = (await anext(slow)).decode().splitlines()
    assert text[: viewer.ROUNDS] == [str(n) for n in range(5, viewer.ROUNDS + 5)]
    assert 'data: {"count":5}' in text


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_a_revoked_token_sees_nothing_more(
    house: House, admin: Desk, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setattr(viewer, "LOOK_SECONDS", 0)
    made = await admin.ok("POST", "/tokens", {"name": "gone", "role": role}, status=201)
    async with watching(house, made["token"]) as stream, watching(house) as other:
        await admin.ok("DELETE", f"/tokens/{made['id']}", status=204)
        await house.track(1)
        with trio.fail_after(PATIENCE):
            while not stream.ended:
                await stream.more()
        assert "m-1" not in stream.text
        assert await other.until(1)


async def test_a_session_that_is_over_sees_nothing_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "LOOK_SECONDS", 0)
    await house.client.post(house.ready.admin + "/login", data={"token": ADMIN})
    csrf = {"X-CSRF-Token": house.value("select csrf from session")}
    async with house.client.stream("GET", f"{house.ready.admin}{API}/events/live") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        await house.client.post(house.ready.admin + "/logout", headers=csrf)
        await house.track(1)
        with trio.fail_after(PATIENCE):
            assert "m-1" not in "".join([line async for line in lines])


async def test_what_waits_for_a_slow_viewer_is_bounded_in_bytes() -> None:
    class Host:
        def join(self, viewer: viewer.Viewer) -> None: ...
        def leave(self, viewer: viewer.Viewer) -> None: ...

    slow = viewer.Viewer(Host(), viewer.Filter())
    await anext(slow)
    for _ in range(viewer.ROUNDS):
        slow.push(b"x" * (viewer.WAITING // 4), 1, 0)
    text = await anext(slow)
    assert text.count(b"x") == viewer.WAITING
    assert b'data: {"count":%d}' % (viewer.ROUNDS - 4) in text


async def test_streams_end_when_the_service_stops(house: House) -> None:
    async with watching(house) as stream:
        with trio.fail_after(3):  # and not only after the grace of ten seconds
            await house.leave()
            while not stream.ended:
                await stream.more()
