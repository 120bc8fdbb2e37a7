"""Pages: the web UI, rendered here and made lively by small modules of our own."""

from html import escape

from quart import Blueprint, Response

from signal_actor.management.office import Office
from signal_actor.management.routes import credentials, see_other


def blueprint(office: Office) -> Blueprint:
    """All pages. Who is not logged in is sent to `/login`."""
    routes = Blueprint("pages", __name__)

    @routes.get("/")
    async def overview() -> Response:
        caller = office.guard.caller(credentials())
        if caller is None:
            return see_other("/login")
        return Response(f"<!doctype html><title>Signal Actor</title><h1>Hello {escape(caller.name)}</h1>")

    return routes


async def login_page(problem: str | None) -> str:
    """The login form; `problem` says why the last try failed."""
    said = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Log in - Signal Actor</title>'
        f'<main><h1>Log in</h1>{said}<form method="post" action="/login"><label>Token'
        ' <input name="token" type="password" autocomplete="current-password" required autofocus></label>'
        " <button>Log in</button></form></main></html>"
    )
