"""Sessions: logging in and out of the web UI, by a token or by a one-time link."""

from quart import Blueprint, Response, request

from signal_actor.errors import Refusal
from signal_actor.management import pages
from signal_actor.management.auth import COOKIE, CSRF_FIELD, Credentials
from signal_actor.management.office import Office
from signal_actor.management.routes import credentials, see_other
from signal_actor.store import sessions
from signal_actor.store.tokens import Role, hashed


def blueprint(office: Office) -> Blueprint:
    """`/login` and `/logout`."""
    routes = Blueprint("sessions", __name__)

    @routes.get("/login")
    async def login() -> Response:
        text = request.args.get("token")
        if text is None:
            return Response(await pages.login_page(None), content_type="text/html; charset=utf-8")
        if not office.links.use(text):
            refused = await pages.login_page("This login link was used already, or is too old. Log in with a token.")
            return Response(refused, 401, content_type="text/html; charset=utf-8")
        return await opened("login link", "admin", None)

    @routes.post("/login")
    async def login_with_token() -> Response:
        form = await request.form
        text = form.get("token", "").strip()
        try:
            caller = office.guard.token(text, credentials().address)
        except Refusal as error:
            refused = await pages.login_page(error.message)
            return Response(refused, error.status, content_type="text/html; charset=utf-8")
        return await opened(caller.name, caller.role, hashed(text))

    @routes.post("/logout")
    async def logout() -> Response:
        shown = credentials()
        form = await request.form
        csrf = shown.csrf or form.get(CSRF_FIELD)
        office.guard.caller(Credentials(shown.address, "POST", cookie=shown.cookie, csrf=csrf))
        if shown.cookie:
            await office.database.run(sessions.end, hashed(shown.cookie))
        answer = see_other("/login")
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return answer

    async def opened(name: str, role: Role, token_hash: str | None) -> Response:
        text = await office.database.run(sessions.create, name, role, token_hash, now=office.now())
        answer = see_other("/")
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
