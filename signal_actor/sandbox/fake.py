"""Fake: one vendor that is running, its rules together with its settings, script and memory."""

import json
import re
import time
from collections.abc import Sequence
from typing import Any, Generic

import trio

from signal_actor.sandbox.connection import Exchange, Gone
from signal_actor.sandbox.faults import Fault, Faults
from signal_actor.sandbox.ledger import Entry, Ledger
from signal_actor.sandbox.vendor import Answer, Call, Item, Moment, S, Vendor

REASON_HEADER = "x-sandbox-reason"
REASON_CHARACTERS = 500
NO_FAULT = Fault()

Encoded = tuple[int, dict[str, str], bytes]


class Fake(Generic[S]):
    """A running vendor. `url` is its base address, known once it listens."""

    def __init__(self, vendor: Vendor[S]) -> None:
        self.vendor = vendor
        self.slug = vendor.slug
        self.settings = vendor.settings
        self.faults = Faults()
        self.ledger = Ledger(window=vendor.window)
        self.url = ""

    def configure(self, **changes: Any) -> S:
        """Change some settings, such as a key or `strict`. Raises pydantic's ValidationError."""
        self.settings = type(self.settings).model_validate({**self.settings.model_dump(), **changes})
        return self.settings

    @property
    def hint(self) -> dict[str, str]:
        """The `config` of an integration that reaches this vendor."""
        return dict(self.vendor.hint(self.settings, self.url))

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request, or let the script decide what becomes of it."""
        call = exchange.call
        items = self.vendor.items(call)
        entry = self.ledger.arrive(call, items, at=time.time(), clock=trio.current_time(), lean=self._lean)
        fault = self.faults.take(call, items) or NO_FAULT
        try:
            if fault.when == "before" and fault.wait:
                await exchange.pause(fault.wait)
            answer = self._decide(call, items, entry, fault)
            if fault.when == "after" and fault.wait:
                await exchange.pause(fault.wait)
        finally:
            # Before the answer is on the wire: whoever has it may send the visitor's next event at once.
            self.ledger.leave(entry)
        await self._reply(exchange, entry, fault, answer)

    @property
    def _lean(self) -> bool:
        return self.settings.record == "ids"

    def _decide(self, call: Call, items: Sequence[Item], entry: Entry, fault: Fault) -> Answer:
        """What is answered; what the vendor keeps is noted on the way."""
        moment = Moment(
            now=time.time(),
            serial=entry.serial,
            recent=self.ledger.recent,
            busy=entry.overlaps,
            refused=fault.refused(items),
            errors=tuple(self.ledger.errors),
        )
        answer = self.vendor.answer(self.settings, call, items, moment)
        entry.reason = answer.reason
        if not fault.loses:
            self.ledger.accept(answer.accepted, errors=answer.errors, lean=self._lean)
        if fault.status is None:
            return answer
        body = self.vendor.bodies.get(fault.status) if fault.body is None else fault.body
        return Answer(fault.status, body, reason="a scripted fault")

    async def _reply(self, exchange: Exchange, entry: Entry, fault: Fault, answer: Answer) -> None:
        if fault.cut == "silent":
            raise Gone
        status, headers, body = encode(answer)
        headers |= {name.lower(): value for name, value in fault.headers.items()}
        if fault.cut == "midway":
            await exchange.cut(status, headers, body)
        entry.status, entry.reason = status, answer.reason
        await exchange.answer(status, headers, body)


def encode(answer: Answer) -> Encoded:
    """Status, headers and body of an answer. The reason travels in a header of the sandbox's own."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.reason:
        headers[REASON_HEADER] = re.sub(r"[^!-~]+", " ", answer.reason[:REASON_CHARACTERS]).strip()
    if answer.body is None:
        return answer.status, headers, b""
    if isinstance(answer.body, str):
        return answer.status, {"content-type": "text/plain; charset=utf-8"} | headers, answer.body.encode()
    return answer.status, {"content-type": "application/json"} | headers, json.dumps(answer.body).encode()
