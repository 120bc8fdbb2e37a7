"""Live: accepted events and delivery outcomes as they happen, as Server-Sent Events.

event: accepted    an event was stored
event: delivery    an attempt had an outcome: delivered, skipped, dead or retry
event: missed      {"count": n} that were too many to show, or that the reader was too slow for
"""

from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, ConfigDict
from quart import Response

from signal_actor.errors import Refusal
from signal_actor.management.office import Office
from signal_actor.management.routes import Noun, credentials
from signal_actor.management.viewer import Filter, Viewer
from signal_actor.store import names

live = Noun("live")


class Watch(BaseModel):
    """What to see. `event` is an event's name; `state` shows deliveries only.

    A pipeline and an integration go by their slugs or their ids.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["accepted", "delivery"] | None = None
    pipeline: str | None = None
    integration: str | None = None
    type: str | None = None
    event: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    message_id: str | None = None
    state: Literal["done", "skipped", "dead", "pending"] | None = None


@live.get("/events/live")
async def watch(office: Office, query: Watch) -> Response:
    """Accepted events and delivery outcomes as they happen, as Server-Sent Events."""
    if not office.feed.has_room:
        raise Refusal(503, "overloaded", "Too many are watching; close a page and try again.", retry_after=5)
    given, shown = query.model_dump(), credentials()
    given |= asdict(office.database.read(names.called, query.pipeline, query.integration))
    wanted = Filter(name=given.pop("event"), **given)
    viewer = Viewer(office.feed, wanted, welcome=lambda: office.guard.knows(shown))
    answer = Response(viewer, content_type="text/event-stream")
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would hold the stream back
    answer.timeout = None
    return answer
