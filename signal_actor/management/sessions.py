"""Sessions: logging in and out of the web UI, by a token or by a one-time link.

Who asked for a page and had to log in first arrives at that page: `/login?next=/events/7`.
"""

import re

from quart import Blueprint, Response, request

from signal_actor.errors import Refusal
from signal_actor.management import pages
from signal_actor.management.auth import COOKIE, CSRF_FIELD, Credentials
from signal_actor.management.office import Office
from signal_actor.management.pages.desk import html
from signal_actor.management.routes import credentials, see_other
from signal_actor.store import sessions
from signal_actor.store.tokens import Role, hashed

# A path of this site, in what URLs are made of. "//host" and "/\\host" would lead to another one.
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")


def own_path(text: str | None) -> str:
    """The page to go to after logging in: what was asked for if it is a page of ours, else the Overview."""
    return text if text and _OWN_PATH.fullmatch(text) and not text.startswith(("/login", "/logout")) else "/"


def blueprint(office: Office) -> Blueprint:
    """`/login` and `/logout`."""
    routes = Blueprint("sessions", __name__)

    @routes.get("/login")
    async def login() -> Response:
        text, path = request.args.get("token"), own_path(request.args.get("next"))
        if text is None or request.method == "HEAD":  # who only looks at a link does not use it up
            return form(path)
        if not office.links.use(text):
            return form(path, 401, "This login link was used already, or is too old. Log in with a token.")
        return await opened("login link", "admin", None, path)

    @routes.post("/login")
    async def login_with_token() -> Response:
        given = await request.form
        text, path = given.get("token", "").strip(), own_path(given.get("next"))
        try:
            caller = office.guard.token(text, credentials().address)
        except Refusal as error:
            return form(path, error.status, error.message)
        return await opened(caller.name, caller.role, hashed(text), path)

    @routes.post("/logout")
    async def logout() -> Response:
        shown = credentials()
        csrf = shown.csrf or (await request.form).get(CSRF_FIELD)
        office.guard.caller(Credentials(shown.address, "POST", cookie=shown.cookie, csrf=csrf))
        if shown.cookie:
            await office.database.run(sessions.end, hashed(shown.cookie))
        answer = see_other("/login")
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return answer

    def form(path: str, status: int = 200, problem: str | None = None) -> Response:
        return html(status, pages.login_page(problem, path))

    async def opened(name: str, role: Role, token_hash: str | None, path: str) -> Response:
        text = await office.database.run(sessions.create, name, role, token_hash, now=office.now())
        answer = see_other(path)
        answer.set_cookie(
            COOKIE,
            text,
            max_age=sessions.LIFE // 1000,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
        return answer

    return routes
