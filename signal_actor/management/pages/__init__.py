"""Pages: the web UI, rendered here and made lively by small modules of our own."""

from quart import Blueprint

from signal_actor.management.office import Office
from signal_actor.management.pages import (
    access,
    alarms,
    assets,
    debugger,
    desk,
    integrations,
    letters,
    library,
    live,
    mappings,
    overview,
    pipelines,
    revisions,
    settings,
)
from signal_actor.management.pages.render import render

ROOMS = (
    overview.room,
    live.room,
    debugger.room,
    integrations.room,
    library.room,
    letters.room,
    mappings.room,
    pipelines.room,
    revisions.room,
    settings.room,
    alarms.room,
    access.room,
)
TITLES = {404: ("Not found", "There is no such page here. It may have been removed, or the address has a slip.")}


def blueprint(office: Office) -> Blueprint:
    """All pages. Who is not logged in is sent to `/login`."""
    routes = Blueprint("pages", __name__)
    assets.mount(routes)
    for room in ROOMS:
        desk.mount(routes, room, office)
    return routes


def stray_page(status: int, message: str) -> str:
    """What a browser is shown where there is no page, or where one failed."""
    title, words = TITLES.get(status, ("That did not work", message))
    return render("alone.html", title=title, message=words)


def login_page(problem: str | None, path: str) -> str:
    """The login form; `problem` says why the last try failed, `path` is where it leads."""
    return render("login.html", problem=problem, path=path)
