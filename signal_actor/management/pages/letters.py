"""Dead letters: what was given up on, to be sent again once the cause is mended, or to be let go."""

from functools import partial
from typing import Any

from quart import Response

from signal_actor.errors import Refusal
from signal_actor.management.pages import sight
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import letters
from signal_actor.store.letters import CHUNK, Filter

room = Room("integrations")
LIMIT = 100
STATES = ("dead", "skipped", "pending")


@room.get("/integrations/<int:id>/letters")
async def listed(visit: Visit, id: int) -> Response:
    found = await sight.one(visit.office, id)
    wanted = _wanted(visit.args, found)
    search = visit.office.database.search
    return visit.show(
        "letters.html",
        sight=found,
        wanted=wanted,
        states=STATES,
        count=await search(letters.count, wanted),
        letters=await search(letters.newest, wanted, limit=LIMIT),
        limit=LIMIT,
    )


@room.post("/integrations/<int:id>/letters")
async def decide(visit: Visit, id: int) -> Response:
    """Replays or discards those that were ticked, or all that the filter finds."""
    found = await sight.one(visit.office, id)
    wanted = _wanted(visit.form, found)
    ticked = [int(text) for text in visit.form.getlist("event_id") if text.isdigit()]
    do, _, which = visit.form.get("do", "").partition("-")
    if do not in ("replay", "discard"):
        raise Refusal(400, "invalid_payload", "Choose what to do.")
    if which == "ticked":
        if not ticked:
            return visit.go(
                f"/integrations/{id}/letters?state={wanted.state}", "Nothing was ticked, so nothing is done."
            )
        wanted = Filter(wanted.pipeline, wanted.integration, wanted.state, event_ids=ticked)
    verb = letters.replay if do == "replay" else letters.discard
    count = 0
    while True:
        done = await visit.office.database.run(partial(verb, wanted=wanted, **visit.author))
        count += done
        if done < CHUNK:
            break
    visit.office.reload()
    what = f"{count} event{'' if count == 1 else 's'}"
    said = f"{what} will be sent again." if do == "replay" else f"{what} discarded."
    return visit.go(f"/integrations/{id}/letters?state={wanted.state}", said)


def _wanted(given: Any, found: sight.Sight) -> Filter:
    state = given.get("state", "dead")
    return Filter(
        pipeline=found.pipeline,
        integration=found.shown.slug,
        state=state if state in STATES else "dead",
        event=given.get("event", "").strip() or None,
        since=given.get("since", "").strip() or None,
        until=given.get("until", "").strip() or None,
    )
