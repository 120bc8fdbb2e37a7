"""Dead letters: what was given up on, to be sent again once the cause is mended, or to be let go."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from quart import Response

from signal_actor.errors import Refusal
from signal_actor.management.api.deliveries import Discard, Replay, give_up, send_again
from signal_actor.management.pages import sight
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import letters
from signal_actor.store.ids import whole
from signal_actor.store.letters import Filter

B = TypeVar("B", bound=BaseModel)

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
    ticked = [key for text in visit.form.getlist("event_id") if (key := whole(text)) is not None]
    do, _, which = visit.form.get("do", "").partition("-")
    if do not in ("replay", "discard"):
        raise Refusal(400, "invalid_payload", "Choose what to do.")
    if which == "ticked":
        if not ticked:
            return visit.go(
                f"/integrations/{id}/letters?state={wanted.state}", "Nothing was ticked, so nothing is done."
            )
        wanted = Filter(integration_id=id, state=wanted.state, event_ids=ticked)
    body = {name: getattr(wanted, name) for name in ("event", "event_ids", "since", "until")} | {"integration": id}
    if do == "replay":
        count = (await send_again(visit.office, visit.caller, _asked(Replay, wanted.state, body))).count
    else:
        count = (await give_up(visit.office, visit.caller, _asked(Discard, wanted.state, body))).count
    what = f"{count} event{'' if count == 1 else 's'}"
    said = f"{what} will be sent again." if do == "replay" else f"{what} discarded."
    return visit.go(f"/integrations/{id}/letters?state={wanted.state}", said)


def _asked(model: type[B], state: str | None, body: dict[str, Any]) -> B:
    try:
        return model.model_validate({**body, "state": state})
    except ValidationError:
        raise Refusal(400, "invalid_payload", f"What is {state} cannot be treated so.") from None


def _wanted(given: Any, found: sight.Sight) -> Filter:
    state = given.get("state", "dead")
    return Filter(
        integration_id=found.shown.id,
        state=state if state in STATES else "dead",
        event=given.get("event", "").strip() or None,
        since=given.get("since", "").strip() or None,
        until=given.get("until", "").strip() or None,
    )
