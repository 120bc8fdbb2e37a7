"""Event Debugger: finding an event, and the whole story of one: what came in, what was sent, and what to do."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from quart import Response

from signal_actor.errors import Refusal, SignalError
from signal_actor.event import TYPES
from signal_actor.management.api.events import one as told_of
from signal_actor.management.api.mappings import Preview, PreviewOf, preview
from signal_actor.management.pages import places, sight, verdicts
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import identities, letters, search
from signal_actor.store.ids import whole
from signal_actor.store.letters import Filter
from signal_actor.store.search import Wanted

room = Room("events")
LIMIT = 50
FIELDS = tuple(name for name in Wanted.__slots__ if name != "integration_id")  # as people write them
URGENCY = ("dead", "pending", "leased", "skipped", "done")  # what somebody at 3 a.m. looks for comes first


@room.get("/events")
async def searched(visit: Visit) -> Response:
    given = places.meant({name: text for name in FIELDS if (text := visit.args.get(name, "").strip())})
    before = visit.args.get("before", "")
    problem, found, following = "", list[dict[str, Any]](), None
    try:
        found, following = await visit.office.database.search(
            search.events, Wanted(**given), before=whole(before), limit=LIMIT
        )
    except Refusal as error:
        problem = error.message
    return visit.show(
        "events.html",
        400 if problem else 200,
        given=given,
        problem=problem,
        events=found,
        older=f"/events?{urlencode({**given, 'before': following})}" if following is not None else None,
        types=TYPES,
        places=places.groups(visit.office.live()),
        place=places.place(given),
    )


@room.get("/events/<id>")
async def story(visit: Visit, id: str) -> Response:
    told = await told_of(visit.office, id)
    sights = {(each.pipeline, each.shown.slug): each for each in await sight.everything(visit.office)}
    fates = []
    for delivery in told.deliveries:
        own = [attempt for attempt in told.attempts if attempt.integration == delivery.integration]
        of = sights.get((told.pipeline, delivery.integration))
        mapped = await _mapped(visit, of, told.event_id)
        fates.append(verdicts.told(told, delivery, own, of, mapped))
    fates.sort(key=lambda fate: (URGENCY.index(fate.delivery.state), fate.of.name if fate.of else ""))
    return visit.show(
        "event.html",
        event=told,
        fates=fates,
        consent_now=visit.office.database.read(identities.consent_now, told.event_id),
        **_pipeline(visit, told.pipeline),
    )


@room.post("/events/<int:id>/replay")
async def replay(visit: Visit, id: int) -> Response:
    """Sends one dead or skipped delivery of the event again."""
    state = visit.form.get("state", "dead")
    wanted = Filter(visit.form.get("pipeline"), visit.form.get("integration"), state, event_ids=[id])
    count = await visit.office.database.run(partial(letters.replay, wanted=wanted, **visit.author))
    visit.office.ring()
    return visit.go(f"/events/{id}", "It will be sent again." if count else "There was nothing to send again.")


async def _mapped(visit: Visit, of: sight.Sight | None, event_id: int) -> Preview | None:
    """The event as the mapping is now; None where there is no integration any more."""
    if of is None:
        return None
    try:
        return await preview(visit.office, of.shown.id, PreviewOf(event_id=event_id))
    except SignalError:
        return None


def _pipeline(visit: Visit, slug: str) -> dict[str, Any]:
    """Where the event came in, if that is still there."""
    for pipeline in visit.office.live().pipelines.values():
        if pipeline.slug == slug:
            return {"pipeline_id": pipeline.id, "default_consent": pipeline.settings.default_consent}
    return {"pipeline_id": None, "default_consent": "granted"}
