"""Revisions: what a pipeline would publish, what it published before, how they differ, and the way back."""

from quart import Response

from signal_actor.errors import ConfigurationError
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import pipelines, revisions
from signal_actor.store.documents import Change, diff
from signal_actor.store.ids import whole

room = Room("pipelines")
SHOWN = 50


@room.get("/pipelines/<int:id>/revisions")
async def history(visit: Visit, id: int) -> Response:
    read = visit.office.database.read
    pipeline = read(pipelines.shown, id, visit.office.box)
    found = read(revisions.revisions, id)[:SHOWN]
    numbers = {item.number for item in found}
    old, new = (whole(visit.args.get(name, "")) for name in ("old", "new"))
    compared: list[Change] | None = None
    if old in numbers and new in numbers:
        compared = _compared(visit, id, old, new)
    return visit.show(
        "revisions.html",
        pipeline=pipeline,
        revisions=[(item, read(revisions.changes, id, item.number, visit.office.box)) for item in found],
        compared=compared,
        old=max(pipeline.revision - 1, 1) if old is None else old,
        new=pipeline.revision if new is None else new,
    )


@room.post("/pipelines/<int:id>/publish")
async def publish(visit: Visit, id: int) -> Response:
    try:
        number = await visit.office.change(revisions.publish, id, visit.office.box, **visit.author)
    except ConfigurationError as error:
        return visit.go(f"/pipelines/{id}/revisions", f"Not published: {error}")
    return visit.go(f"/pipelines/{id}/revisions", f"Revision {number} is live.")


@room.post("/pipelines/<int:id>/discard")
async def discard(visit: Visit, id: int) -> Response:
    await visit.office.change(revisions.discard_draft, id, **visit.author)
    return visit.go(f"/pipelines/{id}/revisions", "The draft is thrown away. What is live stays as it is.")


@room.post("/pipelines/<int:id>/rollback")
async def rollback(visit: Visit, id: int) -> Response:
    number = whole(visit.form.get("revision", "")) or 0
    try:
        made = await visit.office.change(revisions.rollback, id, number, visit.office.box, **visit.author)
    except ConfigurationError as error:
        return visit.go(f"/pipelines/{id}/revisions", f"Not rolled back: {error}")
    return visit.go(f"/pipelines/{id}/revisions", f"Revision {number} is live again, as revision {made}.")


def _compared(visit: Visit, pipeline_id: int, old: int, new: int) -> list[Change]:
    read = visit.office.database.read
    slug = read(revisions.slug, pipeline_id)
    before, after = (read(revisions.document, pipeline_id, number) for number in (old, new))
    return diff(before, after, f"pipelines.{slug}", visit.office.box)
