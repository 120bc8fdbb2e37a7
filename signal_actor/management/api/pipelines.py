"""Pipelines: sources of events, edited in a draft and published as revisions."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from signal_actor.errors import Refusal
from signal_actor.live import PipelineSettings
from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.paging import Page, Paged, cut
from signal_actor.management.routes import Id, Noun, at_once
from signal_actor.store import keys, revisions
from signal_actor.store import pipelines as store
from signal_actor.wanted import SLUG
from signal_actor.wire import iso

pipelines = Noun("pipelines")


class Pipeline(PipelineSettings):
    """A pipeline as the draft has it, or as it is live. `changes` are what publishing would change."""

    id: int
    slug: str
    name: str
    pipeline_keys: list[str]
    integrations: list[str]
    revision: int
    draft: bool
    changes: list[str]
    created_at: str


class NewPipeline(PipelineSettings):
    """A pipeline to be; without keys it gets one."""

    slug: Annotated[str, Field(pattern=f"^{SLUG.pattern}$")]
    name: str | None = None
    pipeline_keys: list[str] = Field(default=[])


class PipelinePatch(PipelineSettings):
    """A JSON merge patch that goes into the draft, or live at once with `publish`."""

    name: str | None = None
    publish: bool = False


class Revision(BaseModel):
    """One publication. `changes` are against the one before."""

    revision: int
    author: str
    note: str
    created_at: str
    changes: list[str]


class Rollback(BaseModel):
    """The revision to publish again."""

    model_config = ConfigDict(extra="forbid")

    revision: Id


class Key(BaseModel):
    """A pipeline key. It is public: browsers show it."""

    key: str


@pipelines.get("/pipelines")
async def listed(office: Office, query: Paged) -> Page[Pipeline]:
    """Pipelines."""
    after = (query.after() or [0])[0]
    ids = [key for key in office.database.read(store.ids) if key > after][: query.limit + 1]
    return cut([_shown(office, key) for key in ids], query.limit, lambda item: (item.id,))


@pipelines.post("/pipelines", role="editor", status=201, shape=NewPipeline)
async def create(office: Office, caller: Caller, body: dict[str, Any]) -> Pipeline:
    """Create a pipeline; it is live at once."""
    slug = body.pop("slug", None)
    if not isinstance(slug, str):
        raise Refusal(400, "invalid_payload", 'slug: is required, such as "shop".')
    identity = await office.change(store.create_pipeline, slug, body, author=caller.name, now=office.now())
    return _shown(office, identity)


@pipelines.get("/pipelines/<id>")
async def one(office: Office, id: str) -> Pipeline:
    """One pipeline, by id or slug."""
    return _shown(office, office.pipeline(id))


@pipelines.patch("/pipelines/<id>", role="editor", shape=PipelinePatch)
async def change(office: Office, caller: Caller, id: str, body: dict[str, Any]) -> Pipeline:
    """Change name and settings in the draft; with `publish` they are live at once."""
    publish = at_once(body, default=False)
    identity = office.pipeline(id)
    await office.change(store.patch_pipeline, identity, body, publish=publish, author=caller.name, now=office.now())
    return _shown(office, identity)


@pipelines.delete("/pipelines/<id>", role="admin")
async def remove(office: Office, caller: Caller, id: str) -> None:
    """End a pipeline: its keys are refused, its integrations removed; what is stored stays until retention takes it."""
    await office.change(store.delete_pipeline, office.pipeline(id), author=caller.name, now=office.now())


@pipelines.post("/pipelines/<id>/publish", role="editor")
async def publish(office: Office, caller: Caller, id: str) -> Pipeline:
    """Make the draft live at once."""
    identity = office.pipeline(id)
    await office.change(revisions.publish, identity, office.box, author=caller.name, now=office.now())
    return _shown(office, identity)


@pipelines.post("/pipelines/<id>/discard-draft", role="editor")
async def discard(office: Office, caller: Caller, id: str) -> Pipeline:
    """Throw the draft away."""
    identity = office.pipeline(id)
    await office.change(revisions.discard_draft, identity, author=caller.name, now=office.now())
    return _shown(office, identity)


@pipelines.get("/pipelines/<id>/revisions")
async def history(office: Office, id: str, query: Paged) -> Page[Revision]:
    """What was published, newest first."""
    identity = office.pipeline(id)
    before = query.after()
    found = office.database.read(revisions.revisions, identity)
    left = [item for item in found if before is None or item.number < before[0]]
    page = cut(left, query.limit, lambda item: (item.number,))
    data = [_revision(office, identity, item) for item in page.data]
    return Page(data=data, next_cursor=page.next_cursor, has_more=page.has_more)


@pipelines.post("/pipelines/<id>/rollback", role="editor")
async def rollback(office: Office, caller: Caller, id: str, body: Rollback) -> Pipeline:
    """Publish an old revision again, as a new one."""
    identity = office.pipeline(id)
    now = office.now()
    await office.change(revisions.rollback, identity, body.revision, office.box, author=caller.name, now=now)
    return _shown(office, identity)


@pipelines.post("/pipelines/<id>/keys", role="editor", status=201)
async def create_key(office: Office, caller: Caller, id: str) -> Key:
    """Issue a pipeline key."""
    made = await office.change(keys.create_key, office.pipeline(id), author=caller.name, now=office.now())
    return Key(key=made)


@pipelines.delete("/pipelines/<id>/keys/<key>", role="editor")
async def revoke_key(office: Office, caller: Caller, id: str, key: str) -> None:
    """Revoke a pipeline key; it is refused at once."""
    await office.change(keys.revoke_key, office.pipeline(id), key, author=caller.name, now=office.now())


def _shown(office: Office, pipeline_id: int) -> Pipeline:
    item = office.database.read(store.shown, pipeline_id, office.box)
    return Pipeline.model_construct(
        id=item.id,
        slug=item.slug,
        name=item.name,
        **dict(item.settings),
        pipeline_keys=list(item.keys),
        integrations=list(item.integrations),
        revision=item.revision,
        draft=item.draft,
        changes=[str(change) for change in item.changes],
        created_at=iso(item.created_at),
    )


def _revision(office: Office, pipeline_id: int, item: revisions.Revision) -> Revision:
    changes = office.database.read(revisions.changes, pipeline_id, item.number, office.box)
    return Revision(
        revision=item.number,
        author=item.author,
        note=item.note,
        created_at=iso(item.created_at),
        changes=[str(change) for change in changes],
    )
