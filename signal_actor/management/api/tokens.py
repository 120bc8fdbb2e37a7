"""Tokens: who may use the API and the UI. A token's text is shown once, when it is created."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from signal_actor.errors import Refusal
from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.paging import Page, Paged, cut
from signal_actor.management.routes import Noun
from signal_actor.store import tokens as store
from signal_actor.store.tokens import Role
from signal_actor.wire import iso

tokens = Noun("tokens")


class Token(BaseModel):
    """A token, without its text."""

    id: int
    name: str
    role: Role
    created_at: str
    revoked_at: str | None


class NewToken(BaseModel):
    """Whose token it is to be, and what they may do."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: Role = "viewer"


class CreatedToken(Token):
    """A token with its text, for the one time that it is shown."""

    token: str


@tokens.get("/tokens", role="admin")
async def listed(office: Office, query: Paged) -> Page[Token]:
    """Tokens, revoked ones too, oldest first."""
    after = (query.after() or [0])[0]
    found = [_shown(token) for token in office.database.read(store.tokens) if token.id > after]
    return cut(found, query.limit, lambda token: (token.id,))


@tokens.post("/tokens", role="admin", status=201)
async def create(office: Office, caller: Caller, body: NewToken) -> CreatedToken:
    """Create a token."""
    now = office.now()
    identity, text = await office.database.run(store.create, body.name, body.role, author=caller.name, now=now)
    return CreatedToken(id=identity, name=body.name, role=body.role, created_at=iso(now), revoked_at=None, token=text)


@tokens.delete("/tokens/<int:id>", role="admin")
async def revoke(office: Office, caller: Caller, id: int) -> None:
    """Revoke a token; sessions that it opened end with it."""
    if not await office.database.run(store.revoke, id, author=caller.name, now=office.now()):
        raise Refusal(404, "not_found", f"There is no token {id} in force.")


def _shown(token: store.Token) -> Token:
    revoked = None if token.revoked_at is None else iso(token.revoked_at)
    return Token(id=token.id, name=token.name, role=token.role, created_at=iso(token.created_at), revoked_at=revoked)
