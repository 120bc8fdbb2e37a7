"""Control: a fake vendor's state over HTTP, for scripts that run in another process.

GET    /_sandbox/requests    every request, oldest first
DELETE /_sandbox/requests    forget requests and accepted items
GET    /_sandbox/accepted    ids in order, duplicates, overlaps; with ?wait_for=N&timeout=S it waits for N different ids
GET    /_sandbox/faults      what has still to strike
POST   /_sandbox/faults      add a fault or a list of faults (fields as in `Fault`)
DELETE /_sandbox/faults      forget the script
GET    /_sandbox/settings    the settings in force
POST   /_sandbox/settings    change some of them
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import trio
from pydantic import ValidationError

from signal_actor.sandbox.connection import Exchange
from signal_actor.sandbox.fake import Fake, encode
from signal_actor.sandbox.faults import Fault
from signal_actor.sandbox.ledger import as_json
from signal_actor.sandbox.vendor import MALFORMED, Answer, Call

PREFIX = "/_sandbox/"
WAIT_SECONDS = 10.0
NO_CONTENT = Answer(204)

AnyFake = Fake[Any]
Action = Callable[[AnyFake, Call], Awaitable[Answer]]


async def control(fake: AnyFake, exchange: Exchange) -> None:
    """Answer a request under /_sandbox/."""
    call = exchange.call
    action = _ACTIONS.get((call.method, call.path.removeprefix(PREFIX)))
    try:
        answer = await action(fake, call) if action else Answer(404, {"error": f"no {call.method} {call.path}"})
    except ValueError as error:  # pydantic's ValidationError is one
        answer = Answer(400, {"error": _words(error)})
    await exchange.answer(*encode(answer))


async def _requests(fake: AnyFake, call: Call) -> Answer:
    return Answer(200, [as_json(entry) for entry in fake.ledger.requests])


async def _forget(fake: AnyFake, call: Call) -> Answer:
    fake.ledger.clear()
    return NO_CONTENT


async def _accepted(fake: AnyFake, call: Call) -> Answer:
    query = {name: values[0] for name, values in parse_qs(call.query).items()}
    n, seconds = int(query.get("wait_for", 0)), float(query.get("timeout", WAIT_SECONDS))
    with trio.move_on_after(max(seconds, 0.0)):
        await fake.ledger.wait_for(n)
    ledger = fake.ledger
    body = {"different": len(ledger.counts), "ids": ledger.ids}
    return Answer(200, body | {"duplicates": ledger.duplicates, "overlaps": ledger.overlaps})


async def _faults(fake: AnyFake, call: Call) -> Answer:
    return Answer(200, [fault.model_dump() for fault in fake.faults.pending])


async def _add_faults(fake: AnyFake, call: Call) -> Answer:
    given = _document(call)
    faults = [Fault.model_validate(fault) for fault in (given if isinstance(given, list) else [given])]
    for fault in faults:
        fake.faults.add(fault)
    return await _faults(fake, call)


async def _clear_faults(fake: AnyFake, call: Call) -> Answer:
    fake.faults.clear()
    return NO_CONTENT


async def _settings(fake: AnyFake, call: Call) -> Answer:
    return Answer(200, fake.settings.model_dump())


async def _configure(fake: AnyFake, call: Call) -> Answer:
    changes = _document(call)
    if not isinstance(changes, dict):
        raise ValueError("settings are an object")
    fake.configure(**changes)
    return await _settings(fake, call)


def _document(call: Call) -> Any:
    if call.document is MALFORMED:
        raise ValueError("the body is not JSON")
    return call.document


def _words(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return str(error)


_ACTIONS: dict[tuple[str, str], Action] = {
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _forget,
    ("GET", "accepted"): _accepted,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "settings"): _settings,
    ("POST", "settings"): _configure,
}
