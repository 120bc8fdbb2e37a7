"""Desk: what every page is given: who asks, the form that came with it, and a frame to be shown in.

room = Room("live")

@room.get("/live", role="viewer")
async def live(visit: Visit) -> Response: ...
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

from quart import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from signal_actor.errors import Refusal, SignalError, UsageError
from signal_actor.management.auth import CSRF_FIELD, Caller
from signal_actor.management.office import Office
from signal_actor.management.pages.render import render
from signal_actor.management.routes import bounded, credentials, see_other
from signal_actor.store import revisions
from signal_actor.store.tokens import Role

SAID = "signal_said"  # the cookie that carries one sentence over a redirect
SAID_CHARACTERS = 300
SAID_SECONDS = 60

Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a person who is logged in."""

    office: Office
    caller: Caller
    section: str  # which entry of the navigation is lit
    form: MultiDict[str, str]
    args: MultiDict[str, str]

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page."""
        frame = {
            "me": self.caller,
            "session_token": self.caller.csrf or "",
            "section": self.section,
            "here": request.full_path.rstrip("?"),
            "said": unquote(request.cookies.get(SAID, ""))[:SAID_CHARACTERS],
            "unpublished": unpublished(self.office),
            "to_the_tag": to_the_tag(self.office),
        }
        answer = html(status, render(template, **frame, **values))
        if frame["said"]:
            answer.delete_cookie(SAID, path="/", httponly=True, samesite="Strict")
        return answer

    def go(self, path: str, said: str = "") -> Response:
        """On to another page, with a sentence about what was done."""
        answer = see_other(path)
        if said:
            text = quote(said[:SAID_CHARACTERS])
            answer.set_cookie(SAID, text, max_age=SAID_SECONDS, path="/", httponly=True, samesite="Strict")
        return answer

    @property
    def author(self) -> dict[str, Any]:
        """Who changes something and when, as the store's verbs want it."""
        return {"author": self.caller.name, "now": self.office.now()}


@dataclass
class Room:
    """The pages about one thing. `section` is the entry of the navigation that is lit on them."""

    section: str
    doors: list[tuple[str, str, Role, Handler]] = field(default_factory=list)

    def get(self, path: str, *, role: Role = "viewer") -> Callable[[Handler], Handler]:
        return self._declare("GET", path, role)

    def post(self, path: str, *, role: Role = "editor") -> Callable[[Handler], Handler]:
        return self._declare("POST", path, role)

    def _declare(self, method: str, path: str, role: Role) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.doors.append((method, path, role, handler))
            return handler

        return declare


def mount(routes: Blueprint, room: Room, office: Office) -> None:
    """Adds the room's pages."""
    for method, path, role, handler in room.doors:
        name = f"{handler.__module__.rpartition('.')[2]}-{handler.__name__}"
        routes.add_url_rule(path, name, _view(handler, role, room.section, office), methods=[method])


def html(status: int, text: str) -> Response:
    """A page as an answer."""
    return Response(text, status, content_type="text/html; charset=utf-8")


def unpublished(office: Office) -> list[tuple[int, str]]:
    """Pipelines whose draft differs from what is live: (id, name)."""
    return [
        (pipeline.id, pipeline.name)
        for pipeline in office.live().pipelines.values()
        if office.database.read(revisions.has_draft, pipeline.id)
    ]


def to_the_tag(office: Office) -> str:
    """Where the script tag is; with several pipelines, or none, a person has to choose or make one first."""
    there = list(office.live().pipelines)
    return f"/pipelines/{there[0]}" if len(there) == 1 else "/pipelines"


def _stranger() -> Response:
    """To the login, which leads back here.

    A link on another site comes without the session's cookie, which is SameSite=Strict. A page of our own that loads
    itself again brings it, if there is one.
    """
    here = request.full_path.rstrip("?")
    if request.method != "GET":
        return see_other("/login")
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return html(200, render("bounce.html", here=here))
    return see_other("/login" if here == "/" else f"/login?next={quote(here, safe='/')}")


def _view(handler: Handler, role: Role, section: str, office: Office) -> Handler:
    async def view(**path: Any) -> Response:
        form: MultiDict[str, str] = MultiDict()
        shown = credentials()
        try:
            # A form costs time to read; whoever has no session, or another's, does not get that far.
            if request.method == "POST" and office.guard.caller(replace(shown, method="GET")) is not None:
                form = await request.form
            caller = office.guard.caller(replace(shown, csrf=shown.csrf or form.get(CSRF_FIELD)))
        except Refusal as error:
            return html(error.status, render("alone.html", title="That did not work", message=error.message))
        if caller is None:
            return _stranger()
        visit = Visit(office, caller, section, form, request.args)
        if not caller.may(role):
            return visit.show(
                "problem.html", 403, title="Not allowed", message=f"This needs the role {role}; yours is {caller.role}."
            )
        try:
            bounded(path)
            return await handler(visit, **path)
        except Refusal as error:
            title = "Not found" if error.status == 404 else "That did not work"
            return visit.show("problem.html", error.status, title=title, message=error.message)
        except UsageError as error:
            return visit.show("problem.html", 400, title="That did not work", message=str(error))
        except SignalError as error:
            return visit.show("problem.html", 503, title="Not now", message=str(error))

    return view
