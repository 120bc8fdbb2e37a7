"""Live Events: what comes in and what becomes of it, as it happens. Without a script, the newest at the time."""

from quart import Response

from signal_actor.event import TYPES
from signal_actor.management.pages import places
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import search
from signal_actor.store.search import Wanted

room = Room("live")
NEWEST = 30


@room.get("/live")
async def live(visit: Visit) -> Response:
    found, _ = await visit.office.database.search(search.events, Wanted(), before=None, limit=NEWEST)
    return visit.show(
        "live.html",
        events=found,
        types=TYPES,
        places=places.groups(visit.office.live()),
    )
