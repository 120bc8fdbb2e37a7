"""Acceptance: from a request's bytes to events on the disk, and to the answer that says so."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec

import trio

from signal_actor import consent, event
from signal_actor.database import Database, now_ms
from signal_actor.errors import Refusal, StorageError
from signal_actor.ingest.answers import ACCEPTED, Answer, json_answer
from signal_actor.ingest.limits import Allowance, Room
from signal_actor.ingest.request import Receive, Request
from signal_actor.ingest.visitor import Visitor, new_id
from signal_actor.live import Live, Pipeline, PipelineSettings
from signal_actor.store import events, identities
from signal_actor.store.events import Incoming
from signal_actor.wire import inflate, loads

ONE_EVENT = 1024 * 1024  # bytes, inflated
ONE_BATCH = 8 * 1024 * 1024  # RudderStack's Python SDK sends up to just under this
BATCH_EVENTS = 500
LARGE = 256 * 1024  # bytes; decoding more than this on the loop would be felt by others


P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a path takes. `type` is None where the body says it; server endpoints heed the pipeline's ip_allowlist."""

    type: str | None
    batch: bool = False
    server: bool = False


@dataclass
class Acceptance:
    """Takes what a pipeline's sources send. `live` is replaced whole when something is published."""

    database: Database
    live: Live
    accepted: Callable[[Pipeline, int], None]  # told about every commit
    refusing: Callable[[], str | None] = lambda: None  # why nothing can be taken right now
    now: Callable[[], int] = now_ms
    room: Room = field(default_factory=Room)
    allowance: Allowance = field(default_factory=lambda: Allowance(trio.current_time))

    async def take(self, endpoint: Endpoint, request: Request, receive: Receive) -> Answer:
        """Stores what the request holds.

        Raises:
            Refusal: with the answer's status and code; nothing was stored.
            Disconnected: the client went away before it had sent everything.
        """
        limit = ONE_BATCH if endpoint.batch else ONE_EVENT
        raw = await request.body(receive, self.room, limit)
        held = len(raw)
        try:
            body = inflate(raw, request.headers.get(b"content-encoding", ""), limit)
            key = request.header_key()
            pipeline = self._known(key) if key else None
            value = await trio.to_thread.run_sync(loads, body) if len(body) > LARGE else loads(body)
            pipeline = pipeline or self._known(_body_key(value))
            self._admit(pipeline, endpoint, request)
            if endpoint.batch:
                return await self._batch(pipeline, request, value)
            return await self._single(pipeline, endpoint, request, value)
        finally:
            self.room.give_back(held)

    def _known(self, key: str | None) -> Pipeline:
        if not key:
            raise Refusal(401, "invalid_pipeline_key", "No pipeline key: send `Authorization: Bearer dk_...`.")
        pipeline = self.live.by_key.get(key)
        if pipeline is None:
            raise Refusal(401, "invalid_pipeline_key", "The supplied pipeline key was not recognised.")
        return pipeline

    def _admit(self, pipeline: Pipeline, endpoint: Endpoint, request: Request) -> None:
        """Whether this source may send to this pipeline. A request without Origin is not a browser's."""
        settings = pipeline.settings
        if request.origin is not None:
            check_origin(settings, request.origin)
        elif endpoint.server and settings.ip_allowlist:
            address = request.address()
            if address is None or not any(address in network for network in settings.ip_allowlist):
                raise Refusal(403, "ip_not_allowed", f"The address {address} is not in the pipeline's ip_allowlist.")

    async def _single(self, pipeline: Pipeline, endpoint: Endpoint, request: Request, raw: Any) -> Answer:
        visitor = Visitor(request)
        incoming = self._incoming(raw, endpoint.type, request, visitor, None)
        await self._store(pipeline, [incoming])
        return visitor.remembered(ACCEPTED, pipeline.settings)

    async def _batch(self, pipeline: Pipeline, request: Request, raw: Any) -> Answer:
        items = raw.get("batch") if isinstance(raw, dict) else None
        if items == [] and _speaks_of_consent(raw):
            return await self._notice(pipeline, request, raw)
        if not isinstance(items, list) or not items:
            raise Refusal(400, "invalid_payload", "batch: must be a list with at least one event.")
        if len(items) > BATCH_EVENTS:
            raise Refusal(413, "payload_too_large", f"More than {BATCH_EVENTS} events; send smaller batches.")
        sent_at = raw.get("sentAt")
        shared = raw.get("context") if isinstance(raw.get("context"), dict) else None
        visitor = Visitor(request, raw.get("fallbackAnonymousId"))
        valid: list[Incoming] = []
        rejected = []
        for index, item in enumerate(items):
            try:
                if shared and isinstance(item, dict):
                    item = {**item, "context": {**shared, **(item.get("context") or {})}}
                valid.append(self._incoming(item, None, request, visitor, sent_at))
            except (Refusal, TypeError) as error:
                refused = error if isinstance(error, Refusal) else event.invalid("context", "must be an object")
                rejected.append({"index": index, "error": refused.code, "message": refused.message})
        if valid:
            await self._store(pipeline, valid)
        answer = json_answer(200, {"success": True, "accepted": len(valid), "rejected": rejected})
        return visitor.remembered(answer, pipeline.settings)

    async def _notice(self, pipeline: Pipeline, request: Request, raw: dict[str, Any]) -> Answer:
        """A visitor's word on consent that no event comes with: a withdrawal, most of all."""
        stated = consent.stated(raw["context"], opted_out=request.opted_out)
        visitor = Visitor(request, raw.get("fallbackAnonymousId"))
        known = visitor.recognise(raw.get("anonymousId"))
        if known is not None and stated:
            await self._commit(pipeline, 1, identities.consented, pipeline.id, known, stated, now=self.now())
        answer = json_answer(200, {"success": True, "accepted": 0, "rejected": []})
        if raw.get("forget") is True:
            return visitor.forgotten(answer, pipeline.settings)
        return visitor.remembered(answer, pipeline.settings)

    def _incoming(self, raw: Any, expected: str | None, request: Request, visitor: Visitor, sent_at: Any) -> Incoming:
        """One checked event that knows who it is about."""
        sent_at = sent_at if isinstance(sent_at, str) else request.headers.get(b"sentat")
        parsed = event.parse(raw, expected=expected, received_at=self.now(), sent_at=sent_at, make_id=new_id)
        stated = consent.stated(parsed["context"], opted_out=request.opted_out)
        visitor.identify(parsed)
        return Incoming(parsed, stated)

    async def _store(self, pipeline: Pipeline, incoming: Sequence[Incoming]) -> None:
        hours = self.live.retention.dedupe_hours
        await self._commit(
            pipeline, len(incoming), events.accept, pipeline.id, incoming, now=self.now(), dedupe_hours=hours
        )
        self.accepted(pipeline, len(incoming))

    async def _commit(
        self,
        pipeline: Pipeline,
        cost: int,
        verb: Callable[Concatenate[sqlite3.Connection, P], object],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Runs a verb at the price of so many events. Raises Refusal (429, 503) if it cannot be had."""
        reason = self.refusing()
        if reason is not None:
            raise Refusal(503, "overloaded", reason, retry_after=5)
        self.allowance.spend(pipeline.id, cost, rate=pipeline.settings.rate_limit_rps)
        try:
            await self.database.run(verb, *args, **kwargs)
        except StorageError as error:
            raise Refusal(503, "overloaded", f"Not stored: {error}. Try again shortly.", retry_after=1) from error


def _speaks_of_consent(envelope: dict[str, Any]) -> bool:
    context = envelope.get("context")
    return isinstance(context, dict) and context.get("consent") is not None


def check_origin(settings: PipelineSettings, origin: str) -> None:
    """Raises `Refusal` 403 if a page of this origin may not use the pipeline."""
    if not settings.admits(origin):
        text = f"The origin {origin[:200]} is not among the pipeline's allowed origins."
        raise Refusal(403, "origin_not_allowed", text)


def _body_key(value: Any) -> str | None:
    """The pipeline key from the body, or from the first event of a batch."""
    if not isinstance(value, dict):
        return None
    batch = value.get("batch")
    first = batch[0] if isinstance(batch, list) and batch and isinstance(batch[0], dict) else {}
    key = value.get("writeKey") or first.get("writeKey")
    return key if isinstance(key, str) else None
