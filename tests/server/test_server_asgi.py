"""ASGI and HTTP/1.1: what an application sees of a request, and a peer of its answer."""

import time
from email.utils import parsedate_to_datetime

import trio
from strangers import GET, echo, post, read_all, reply
from structlog.testing import capture_logs


async def test_scope(meet):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        await reply(send, b"")

    peer = meet(app)
    await peer.ask(
        b"PUT /caf%C3%A9/%2F?a=%20b HTTP/1.1\r\nHost: x\r\nX-Two: b\r\nx-two: c\r\nContent-Length: 0\r\n\r\n"
    )
    await peer.ask(b"GET https://elsewhere.example:8443/path?q HTTP/1.1\r\nHost: x\r\n\r\n")
    await peer.ask(b"GET http://elsewhere.example HTTP/1.1\r\nHost: x\r\n\r\n")
    await peer.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    first = scopes[0]
    assert first["type"] == "http"
    assert first["method"] == "PUT"
    assert first["path"] == "/café//"
    assert first["raw_path"] == b"/caf%C3%A9/%2F"
    assert first["query_string"] == b"a=%20b"
    assert first["client"] == ("192.0.2.1", 9)
    assert first["http_version"] == "1.1"
    assert first["headers"] == [(b"host", b"x"), (b"x-two", b"b"), (b"x-two", b"c"), (b"content-length", b"0")]
    assert [(scope["path"], scope["query_string"]) for scope in scopes[1:]] == [("/path", b"q"), ("/", b""), ("*", b"")]


async def test_the_clients_address_is_the_sockets(open_door):
    async def app(scope, receive, send):
        await reply(send, f"{scope['client'][0]} {scope['server'][0]} {scope['server'][1]}".encode())

    door = await open_door(app)
    assert (await door.ask(GET)).body == f"127.0.0.1 127.0.0.1 {door.port}".encode()


async def test_date_but_no_server_header(meet):
    answer = await meet(echo).ask(GET)
    assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()) < 2
    assert "server" not in answer.headers


async def test_head_has_the_headers_and_no_body(meet):
    peer = meet(echo)
    answer = await peer.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", method="HEAD")
    assert answer.headers["content-length"] == "7"
    assert (await peer.ask(GET)).body == b"GET / "


async def test_204_has_no_body(meet):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"ignored"})

    peer = meet(app)
    for _ in range(2):
        assert (await peer.ask(GET)).status == 204


async def test_head_and_body_leave_in_one_write(meet):
    peer = meet(echo, stingy=True)
    await peer.send(GET)
    assert (await peer.stream.receive_some(65536)).endswith(b"\r\n\r\nGET / ")


async def test_pieces_of_an_answer_of_unknown_length_leave_at_once(meet, autojump_clock):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await trio.sleep(60)
        await send({"type": "http.response.body"})

    peer = meet(app)
    await peer.send(GET)
    assert (await peer.stream.receive_some(1000)).endswith(b"\r\n\r\n3\r\none\r\n")
    assert await peer.stream.receive_some(1000) == b"3\r\ntwo\r\n"
    assert trio.current_time() == 60
    assert await peer.stream.receive_some(1000) == b"0\r\n\r\n"


async def test_a_connection_serves_any_number_of_requests(meet):
    peer = meet(echo)
    for _ in range(1_200):
        assert (await peer.ask(GET)).body == b"GET / "


async def test_a_large_answer(open_door):
    async def app(scope, receive, send):
        await reply(send, b"x" * 10_000_000)

    door = await open_door(app)
    peer = await door.peer()
    for _ in range(2):
        assert len((await peer.ask(GET)).body) == 10_000_000


async def test_a_chunked_body(meet):
    peer = meet(echo)
    await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
    await peer.send(b"lo\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n" + GET)
    assert (await peer.answer()).body == b"POST / hello world"
    assert (await peer.answer()).body == b"GET / "


async def test_http_1_0_and_connection_close(meet):
    for request in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
        peer = meet(echo)
        assert (await peer.ask(request)).body == b"GET / "
        assert await peer.closed()


async def test_100_continue_is_sent_when_the_body_is_wanted(meet):
    peer = meet(echo)
    head = post(b"hello", Expect="100-continue")[:-5]
    assert (await peer.ask(head)).status == 100
    assert (await peer.ask(b"hello")).body == b"POST / hello"
    assert (await peer.ask(GET)).status == 200


async def test_100_continue_and_the_answer_may_meet(meet):
    """One task asks for the body, another one answers without it, at the same moment."""

    async def app(scope, receive, send):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            nursery.start_soon(reply, send, b"no")

    for _ in range(20):  # in either order
        peer = meet(app)
        with capture_logs() as logs:
            answer = await peer.ask(post(b"hello", Expect="100-continue")[:-5])
            answer = await peer.answer() if answer.status == 100 else answer
            assert answer.body == b"no"
            await peer.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
        assert logs == []


async def test_100_continue_is_not_sent_when_it_is_not(meet):
    async def app(scope, receive, send):
        await reply(send, b"no", status=401)

    answer = await meet(app).ask(post(b"hello", Expect="100-continue")[:-5])
    assert (answer.status, answer.headers["connection"]) == (401, "close")


async def test_an_answer_before_the_body_which_is_read_after_it(meet):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": await read_all(receive)})

    peer = meet(app)
    for _ in range(2):
        assert (await peer.ask(post(b"hello"))).body == b"hello"


async def test_disconnect_is_heard_in_the_middle_of_a_body(meet):
    seen = []

    async def app(scope, receive, send):
        while True:
            seen.append(await receive())
            if seen[-1]["type"] == "http.disconnect":
                heard.set()
                return

    heard = trio.Event()
    peer = meet(app)
    await peer.send(post(b"hello")[:-2])
    await peer.stream.send_eof()
    await heard.wait()
    assert [message["type"] for message in seen] == ["http.request", "http.disconnect"]
    assert await peer.closed()


async def test_disconnect_is_heard_while_working(meet):
    async def app(scope, receive, send):
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        assert await receive() == {"type": "http.disconnect"}
        heard.set()

    heard = trio.Event()
    peer = meet(app)
    await peer.send(GET + GET)
    await peer.stream.aclose()
    with capture_logs() as logs:
        await heard.wait()
        await trio.testing.wait_all_tasks_blocked()
    assert logs == []


async def test_disconnect_is_heard_after_the_answer(meet):
    """Also by a task that was waiting already; and what the peer sent meanwhile is its next request."""

    async def app(scope, receive, send):
        async def watch():
            while (message := await receive())["type"] != "http.disconnect":
                pass
            heard.append(message)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.testing.wait_all_tasks_blocked()
            await reply(send, b"ok")
        assert await receive() == {"type": "http.disconnect"}

    heard = []
    peer = meet(app)
    for count in range(1, 4):
        assert (await peer.ask(GET)).body == b"ok"
        await trio.testing.wait_all_tasks_blocked()
        assert len(heard) == count


async def test_requests_sent_ahead_are_kept_and_bounded(open_door):
    async def app(scope, receive, send):
        await read_all(receive)
        with trio.move_on_after(0.3):
            await receive()
        await reply(send, b"ok")

    door = await open_door(app)
    peer = await door.peer()
    filler = post(b"x" * 30_000)
    with trio.move_on_after(0.2) as stuffed:
        for _ in range(1000):
            await peer.send(filler)
    assert stuffed.cancelled_caught
    for _ in range(3):
        assert (await peer.answer()).status == 200


async def test_sending_to_a_peer_that_left_raises_oserror(meet):
    errors = []

    async def app(scope, receive, send):
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
                await trio.lowlevel.checkpoint()
        except OSError as error:
            errors.append(error)
            raise
        finally:
            ended.set()

    ended = trio.Event()
    peer = meet(app)
    await peer.send(GET)
    await peer.stream.receive_some(10)
    with capture_logs() as logs:
        await peer.stream.aclose()
        await ended.wait()
        await trio.testing.wait_all_tasks_blocked()
    assert errors
    assert logs == []


async def test_an_application_that_fails_halfway_is_cut_off(meet):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("a bug")

    peer = meet(app)
    with capture_logs() as logs:
        answer = await peer.ask(GET)
        assert (await peer.stream.receive_some(100)) == b"" or peer.buffer
    assert answer.status == 200
    assert len(logs) == 1


async def test_an_application_that_says_nothing_is_answered_for(meet):
    async def app(scope, receive, send):
        pass

    answer = await meet(app).ask(GET)
    assert (answer.status, answer.json["code"]) == (500, "internal_error")
