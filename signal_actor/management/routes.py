"""Routes: an endpoint is declared once: path, role, body, query and answer. It is checked and documented from that.

    integrations = Noun("integrations")

    @integrations.patch("/integrations/<integration:id>", role="editor")
    async def change(office: Office, caller: Caller, id: int, body: Patch) -> Integration: ...

A handler names what it needs: `office`, `caller`, `query` and `body` (pydantic models; or a `dict`, which goes on to a
room that checks it by itself), and the path's own parameters; `<integration:id>` is an integration's id or slug in the
path and its id for the handler. quart-schema was considered: it wants an untyped decorator each for body, query, answer
and security, and knows neither roles nor errors of our shape.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import getdoc
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel, Field, TypeAdapter
from quart import Blueprint, Response, request
from werkzeug.routing import UnicodeConverter

from signal_actor.errors import Refusal
from signal_actor.management.auth import COOKIE, CSRF_HEADER, Credentials
from signal_actor.management.office import Office
from signal_actor.problems import Problems
from signal_actor.store.ids import LARGEST
from signal_actor.store.tokens import Role
from signal_actor.wire import dumps, inflate, loads

PREFIX = "/v1/admin"
MAX_BODY = 1024 * 1024  # bytes

Id = Annotated[int, Field(ge=0, le=LARGEST)]

Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `shape` describes a body that the handler takes as a dict."""

    method: str
    path: str
    role: Role
    status: int
    handler: Handler
    hints: dict[str, Any]
    shape: type[BaseModel] | None = None
    secret: frozenset[str] = frozenset()  # fields of the body that no message may quote

    @property
    def answers(self) -> bool:
        """Whether there is JSON to answer with, and not nothing or a stream."""
        hint = self.hints["return"]
        return hint is not type(None) and not (isinstance(hint, type) and issubclass(hint, Response))

    @property
    def summary(self) -> str:
        return (getdoc(self.handler) or "").partition("\n")[0]


@dataclass
class Noun:
    """The endpoints about one thing."""

    name: str
    routes: list[Route] = field(default_factory=list)

    def get(self, path: str, *, role: Role = "viewer") -> Callable[[H], H]:
        return self._declare("GET", path, role, 200)

    def post(self, path: str, *, role: Role, status: int = 200, **more: Any) -> Callable[[H], H]:
        return self._declare("POST", path, role, status, **more)

    def put(self, path: str, *, role: Role, **more: Any) -> Callable[[H], H]:
        return self._declare("PUT", path, role, 200, **more)

    def patch(self, path: str, *, role: Role, **more: Any) -> Callable[[H], H]:
        return self._declare("PATCH", path, role, 200, **more)

    def delete(self, path: str, *, role: Role) -> Callable[[H], H]:
        return self._declare("DELETE", path, role, 204)

    def _declare(self, method: str, path: str, role: Role, status: int, **more: Any) -> Callable[[H], H]:
        def declare(handler: H) -> H:
            hints = get_type_hints(handler)
            self.routes.append(Route(method, PREFIX + path, role, status, handler, hints, **more))
            return handler

        return declare


def mount(nouns: list[Noun], office: Office) -> Blueprint:
    """The nouns' endpoints as a blueprint."""
    blueprint = Blueprint("api", __name__)
    blueprint.record(lambda state: state.app.url_map.converters.update(integration=Named))
    for noun in nouns:
        for route in noun.routes:
            name = f"{noun.name}-{route.handler.__name__}"
            blueprint.add_url_rule(route.path, name, _view(route, office), methods=[route.method])
    return blueprint


class Named(UnicodeConverter):
    """A part of a path that names an integration; its value is looked up when the caller is known."""

    def to_python(self, value: str) -> str:
        return Name(value)


class Name(str):
    """An integration's id or slug."""


def credentials() -> Credentials:
    """What the current request shows of itself."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return Credentials(
        address=request.remote_addr or "",
        method=request.method,
        bearer=text.strip() if scheme.lower() == "bearer" else None,
        cookie=request.cookies.get(COOKIE),
        csrf=request.headers.get(CSRF_HEADER),
    )


def bounded(path: dict[str, Any]) -> None:
    """Raises Refusal (404) for numbers in a path that SQLite does not hold."""
    if any(isinstance(value, int) and value > LARGEST for value in path.values()):
        raise Refusal(404, "not_found", f"There is no {request.path[:80]}.")


def at_once(patch: dict[str, Any], *, default: bool) -> bool:
    """Takes `publish` out of a merge patch, in which null means the default. Raises Refusal (400)."""
    publish = patch.pop("publish", None)
    if publish is not None and not isinstance(publish, bool):
        raise Refusal(400, "invalid_payload", "publish: must be true or false.")
    return default if publish is None else publish


def json_response(status: int, value: Any) -> Response:
    """An answer as JSON text."""
    return Response(dumps(value), status, content_type="application/json")


def see_other(path: str) -> Response:
    """A redirect after a form. (Werkzeug's own is no Quart response, and quart-trio cannot send its body.)"""
    return Response(b"", 303, headers={"Location": path})


def _view(route: Route, office: Office) -> Handler:
    answer = TypeAdapter(route.hints["return"]) if route.answers else None

    async def view(**path: Any) -> Response:
        caller = office.guard.admit(credentials(), route.role)
        bounded(path)
        arguments = {key: office.integration(part) if isinstance(part, Name) else part for key, part in path.items()}
        if "office" in route.hints:
            arguments["office"] = office
        if "caller" in route.hints:
            arguments["caller"] = caller
        if "query" in route.hints:
            arguments["query"] = _checked(route.hints["query"], _query(), frozenset())
        if "body" in route.hints:
            arguments["body"] = _checked(route.hints["body"], await _body(), route.secret)
        value = await route.handler(**arguments)
        if answer is None:
            return value if isinstance(value, Response) else Response(b"", 204)
        return json_response(route.status, answer.dump_python(value, mode="json"))

    return view


def _query() -> dict[str, str]:
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    if repeated:
        raise Refusal(400, "invalid_payload", f"{repeated[0]}: give it once.")
    return request.args.to_dict()


async def _body() -> Any:
    raw = await request.get_data(False, False, False)
    raw = inflate(raw, request.headers.get("Content-Encoding", ""), MAX_BODY)
    return loads(raw) if raw.strip() else {}


def _checked(model: Any, value: Any, secret: frozenset[str]) -> Any:
    """The value as the model. Raises ConfigurationError in words that name the field."""
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_payload", "The body must be a JSON object.")
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return value
    problems = Problems()
    checked = problems.checked(model, value, "", secret=secret)
    problems.done()
    return checked
