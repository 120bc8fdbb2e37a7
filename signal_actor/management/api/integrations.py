"""Integrations: what is installed, changed by JSON merge patches, paused, resumed and tested."""

from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from signal_actor import event
from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.paging import Page, Paged, cut
from signal_actor.management.routes import Noun, at_once
from signal_actor.store import audit, installed, names, revisions
from signal_actor.store import integrations as store
from signal_actor.wire import iso

integrations = Noun("integrations")

TEST_EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "page", "name": "Signal Actor test", "properties": {"path": "/signal-actor-test"}},
    {"type": "track", "event": "Signal Actor Test", "properties": {"test": True}},
    {"type": "track", "event": "Product Viewed", "properties": {"product_id": "TEST", "name": "Test", "price": 1}},
)
TEST_VISITOR = {"anonymousId": "signal-actor-test", "userId": "signal-actor-test"}
TEST_CONTEXT: dict[str, Any] = {
    "page": {"url": "https://example.com/signal-actor-test", "path": "/signal-actor-test", "title": "Signal Actor"},
    "traits": {"email": "signal-actor-test@example.com"},
}


class Integration(BaseModel):
    """An integration as the draft has it, or as it is live. Secrets read as "***"; `mappings` are its changes."""

    id: int
    pipeline: str
    pipeline_id: int
    slug: str
    name: str
    vendor: str
    variant: str
    enabled: bool
    delivery_mode: str
    consent_categories: list[str]
    config: dict[str, Any]
    delivery: dict[str, Any]
    mappings: dict[str, Any]
    managed_by: Literal["file", "api"]
    published: bool
    edited: bool
    health: Literal["ok", "retrying", "paused", "misconfigured"]
    health_reason: str | None
    health_since: str
    created_at: str
    updated_at: str


class IntegrationPatch(BaseModel):
    """A JSON merge patch; a secret given as "***" stays. With `publish` false it waits in the pipeline's draft."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    variant: str | None = None
    enabled: bool | None = None
    delivery_mode: Literal["server_side"] | None = None
    consent_categories: list[str] | None = None
    config: dict[str, Any] | None = None
    delivery: dict[str, Any] | None = None
    mappings: dict[str, Any] | None = None
    publish: bool = True


class Which(Paged):
    """The query of the list."""

    pipeline: str | None = None


class Publishing(BaseModel):
    """Whether a removal is live at once."""

    model_config = ConfigDict(extra="forbid")

    publish: bool = True


class Pause(BaseModel):
    """Why deliveries shall stop."""

    model_config = ConfigDict(extra="forbid")

    reason: str = ""


class TestEvent(BaseModel):
    """The event to send; without one it is a synthetic one."""

    __test__ = False
    model_config = ConfigDict(extra="forbid")

    event: dict[str, Any] | None = None


class TestResult(BaseModel):
    """What was sent, what came back, and what that means."""

    __test__ = False
    request: dict[str, Any] | None
    response: dict[str, Any] | None
    verdict: str
    reason: str | None
    duration_ms: int
    event: dict[str, Any]


@integrations.get("/integrations")
async def listed(office: Office, query: Which) -> Page[Integration]:
    """Installed integrations."""
    after = (query.after() or [0])[0]
    pipeline = office.database.read(names.called, query.pipeline, None).pipeline
    found = office.database.read(installed.listed, office.box, pipeline=pipeline)
    left = sorted((item for item in found if item.id > after), key=lambda item: item.id)
    return cut([_integration(office, item) for item in left], query.limit, lambda item: (item.id,))


@integrations.get("/integrations/<integration:id>")
async def one(office: Office, id: int) -> Integration:
    """One integration."""
    return shown(office, id)


@integrations.patch("/integrations/<integration:id>", role="editor", shape=IntegrationPatch)
async def change(office: Office, caller: Caller, id: int, body: dict[str, Any]) -> Integration:
    """Change an integration; it is live at once unless `publish` is false.

    An editor who changes the address that it sends to gives its secrets again.
    """
    publish = at_once(body, default=True)
    await office.change(
        store.patch_integration,
        id,
        body,
        office.box,
        publish=publish,
        redirects=caller.may("admin"),
        author=caller.name,
        now=office.now(),
    )
    return shown(office, id)


@integrations.delete("/integrations/<integration:id>", role="editor")
async def remove(office: Office, caller: Caller, id: int, query: Publishing) -> None:
    """Remove an integration; what it did is kept until retention takes it."""
    await office.change(store.remove_integration, id, publish=query.publish, author=caller.name, now=office.now())


@integrations.post("/integrations/<integration:id>/pause", role="editor")
async def pause(office: Office, caller: Caller, id: int, body: Pause) -> Integration:
    """Stop deliveries until somebody resumes them; nothing is lost."""
    await office.change(store.pause, id, reason=body.reason, author=caller.name, now=office.now())
    return shown(office, id)


@integrations.post("/integrations/<integration:id>/resume", role="editor")
async def resume(office: Office, caller: Caller, id: int) -> Integration:
    """Let deliveries go on."""
    await office.change(store.resume, id, author=caller.name, now=office.now())
    return shown(office, id)


@integrations.post("/integrations/<integration:id>/test", role="editor")
async def test(office: Office, caller: Caller, id: int, body: TestEvent) -> TestResult:
    """Send one event through the real transport, as the draft has it; it is no delivery and is not kept."""
    integration, default = office.database.read(installed.drafted, id, office.box)
    now = office.now()
    candidates = [_normal(raw, now) for raw in (TEST_EVENTS if body.event is None else (body.event,))]
    chosen = candidates[0]
    for candidate in candidates:
        found = office.rehearsal.preview(integration, candidate, None, default_consent=default, now=now)
        if found.outcome == "mapped" or (found.reason or "").startswith("consent"):
            chosen = candidate
            break
    tested = await office.rehearsal.test(integration, chosen, now=now)
    await office.database.run(
        audit.record,
        actor=caller.name,
        action="test",
        target=f"integration/{id}",
        detail={"verdict": tested.verdict},
        now=now,
    )
    return TestResult(
        request=tested.request,
        response=tested.response,
        verdict=tested.verdict,
        reason=tested.reason,
        duration_ms=tested.duration_ms,
        event=chosen,
    )


def shown(office: Office, integration_id: int) -> Integration:
    """An integration for people. Raises Refusal (404)."""
    return _integration(office, office.database.read(installed.shown, integration_id, office.box))


def _integration(office: Office, item: installed.Shown) -> Integration:
    own = {name: getattr(item, name) for name in ("id", "pipeline_id", "slug", "managed_by", "published", "edited")}
    times = {name: iso(getattr(item, name)) for name in ("health_since", "created_at", "updated_at")}
    health = {"health": item.health, "health_reason": item.health_reason}
    pipeline = office.database.read(revisions.slug, item.pipeline_id)
    return Integration.model_validate({**own, **item.table, **health, **times, "pipeline": pipeline})


def _normal(raw: dict[str, Any], now: int) -> event.Event:
    context = raw.get("context")
    given = {**TEST_VISITOR, **raw, "context": {**TEST_CONTEXT, **(context if isinstance(context, dict) else {})}}
    return event.parse(given, expected=None, received_at=now, make_id=lambda: f"test-{uuid4()}")
