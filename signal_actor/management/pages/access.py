"""Access: who may come in, who changed what, and people who want to be forgotten. For admins."""

from functools import partial
from typing import Any, cast

from quart import Response

from signal_actor.errors import Refusal
from signal_actor.management.api.forget import Who, erase
from signal_actor.management.pages import forms
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import audit, tokens
from signal_actor.store.ids import whole
from signal_actor.store.tokens import Role

room = Room("settings")
LINES = 100  # of the audit, a page
PERSON: forms.Fields = [
    {"key": key, "label": label, "type": "string", "required": None, "help": about}
    for key, label, about in (
        ("user_id", "User id", "With all visitors that are linked to it."),
        ("anonymous_id", "Anonymous id", "With the user that it is linked to."),
        ("email", "Email", "With everybody who gave it."),
    )
]


@room.get("/settings/tokens", role="admin")
async def listed(visit: Visit) -> Response:
    return _tokens(visit)


@room.post("/settings/tokens", role="admin")
async def create(visit: Visit) -> Response:
    """Shows the token in the answer itself: it is in no address, no cookie and no log."""
    name, role = visit.form.get("name", "").strip(), visit.form.get("role", "viewer")
    if not name or role not in ("viewer", "editor", "admin"):
        raise Refusal(400, "invalid_payload", "A token needs a name, and one of the roles viewer, editor, admin.")
    _, text = await visit.office.database.run(tokens.create, name[:200], cast(Role, role), **visit.author)
    return _tokens(visit, fresh=text, name=name)


@room.post("/settings/tokens/revoke", role="admin")
async def revoke(visit: Visit) -> Response:
    verb = partial(tokens.revoke, token_id=whole(visit.form.get("id", "")) or 0, **visit.author)
    if not await visit.office.database.run(verb):
        raise Refusal(404, "not_found", "There is no such token in force.")
    return visit.go("/settings/tokens", "The token is revoked, and its sessions have ended.")


@room.get("/settings/audit", role="admin")
async def changes(visit: Visit) -> Response:
    before = whole(visit.args.get("before", ""))
    found = visit.office.database.read(audit.lines, limit=LINES + 1, before=before)
    following = found[LINES - 1].id if len(found) > LINES else None
    return visit.show("settings_audit.html", tab="audit", lines=found[:LINES], following=following)


@room.get("/settings/forget", role="admin")
async def whom(visit: Visit) -> Response:
    return visit.show("settings_forget.html", tab="forget", fields=PERSON, receipt=None)


@room.post("/settings/forget", role="admin")
async def forget(visit: Visit) -> Response:
    if "sure" not in visit.form:
        raise Refusal(400, "invalid_payload", "Say that you mean it: this cannot be undone.")
    given = {each["key"]: visit.form.get(each["key"], "").strip() or None for each in PERSON}
    receipt = await erase(visit.office, visit.caller, Who(**given))
    return visit.show("settings_forget.html", tab="forget", fields=PERSON, receipt=receipt)


def _tokens(visit: Visit, **fresh: Any) -> Response:
    found = visit.office.database.read(tokens.tokens)
    values = {"fresh": None, "name": "", **fresh}
    return visit.show("settings_tokens.html", tab="tokens", tokens=found, **values)
