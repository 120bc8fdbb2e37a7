"""Pipelines: where events come from: keys, the script tag, and who may send how much."""

import json
from html import escape
from typing import Any

from quart import Response

from signal_actor.errors import ConfigurationError
from signal_actor.management.pages import forms, sight
from signal_actor.management.pages.address import address
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import keys
from signal_actor.store import pipelines as store
from signal_actor.store.pipelines import Shown

room = Room("pipelines")

FIELDS: forms.Fields = [
    {"key": "name", "label": "Name", "type": "string", "required": True, "help": "What it is called here."},
    {
        "key": "allowed_origins",
        "label": "Allowed origins",
        "type": "lines",
        "required": False,
        "help": "One a line, such as https://shop.example.com or https://*.shop.example.com. "
        "In production an empty list admits no browser.",
    },
    {
        "key": "mode",
        "label": "Mode",
        "type": "choice",
        "required": True,
        "options": ["production", "development"],
        "help": "Development also admits localhost and 127.0.0.1 on any port.",
    },
    {
        "key": "default_consent",
        "label": "Consent, if an event says nothing",
        "type": "choice",
        "required": True,
        "options": ["granted", "denied"],
        "help": "What an event without consent information means.",
    },
    {
        "key": "rate_limit_rps",
        "label": "Rate limit",
        "type": "number",
        "required": True,
        "unit": "events a second",
        "help": "What is above it is answered with 429, and browsers send it again.",
    },
    {
        "key": "cookie_domain",
        "label": "Cookie domain",
        "type": "string",
        "required": False,
        "help": "Such as .example.com, to share the visitor's id between subdomains. Empty: this host only.",
    },
    {
        "key": "cookie_same_site",
        "label": "Cookie SameSite",
        "type": "choice",
        "required": True,
        "options": ["Lax", "Strict", "None"],
        "help": "None is needed only if the shop is on another site than this service.",
    },
    {
        "key": "ip_allowlist",
        "label": "Networks that may use the server endpoints",
        "type": "lines",
        "required": False,
        "help": "One a line, such as 10.0.0.0/8. Empty: any.",
    },
]
BROWSER: forms.Fields = [
    {
        "key": "auto_page",
        "label": "Page views by themselves",
        "type": "boolean",
        "required": None,
        "help": "datafly.js sends a page event on load and on every navigation.",
    },
    {
        "key": "consent",
        "label": "Before consent is known",
        "type": "string",
        "required": None,
        "help": "wait holds events back in the browser until your banner has spoken, send does not; behind it may be "
        "the banners to read, such as wait onetrust. Empty: as the consent setting above says.",
    },
    {
        "key": "mirror",
        "label": "Visitor id of",
        "type": "choice",
        "required": None,
        "options": ["", "ninetailed"],
        "blank": "its own",
        "help": "Uses the id of the vendor's own SDK where it is on the page, so that both write to one profile.",
    },
    {
        "key": "flush_ms",
        "label": "Send after",
        "type": "number",
        "required": None,
        "unit": "milliseconds",
        "help": "So long events wait for company.",
    },
    {"key": "batch_size", "label": "Events at a time", "type": "number", "required": None, "help": "1 to 100."},
]


@room.get("/pipelines")
async def listed(visit: Visit) -> Response:
    read = visit.office.database.read
    found = [read(store.shown, key, visit.office.box) for key in read(store.ids)]
    return visit.show("pipelines.html", pipelines=found, typed={}, wrong=forms.Wrong())


@room.post("/pipelines")
async def create(visit: Visit) -> Response:
    slug = visit.form.get("slug", "").strip()
    table: dict[str, Any] = {"allowed_origins": forms.lines(visit.form.get("allowed_origins", ""))}
    if name := visit.form.get("name", "").strip():
        table["name"] = name
    try:
        key = await visit.office.change(store.create_pipeline, slug, table, **visit.author)
    except ConfigurationError as error:
        wrong = forms.sorted_out(error, ["allowed_origins", "name", slug])
        if slug in wrong.fields:
            wrong.fields["slug"] = wrong.fields.pop(slug)
        read = visit.office.database.read
        found = [read(store.shown, key, visit.office.box) for key in read(store.ids)]
        return visit.show("pipelines.html", 400, pipelines=found, typed=forms.typed(visit.form), wrong=wrong)
    return visit.go(f"/pipelines/{key}", "The pipeline is live. Put its script tag on your site.")


@room.get("/pipelines/<int:id>")
async def setup(visit: Visit, id: int) -> Response:
    return await _setup(visit, id, "")


@room.post("/pipelines/<int:id>", role="viewer")
async def tag(visit: Visit, id: int) -> Response:
    """The same page with an address in the tag. A form, and no link: nobody else is to choose what people copy."""
    return await _setup(visit, id, visit.form.get("at", "").strip())


async def _setup(visit: Visit, id: int, at: str) -> Response:
    found = _found(visit, id)
    key = escape(found.keys[0] if found.keys else "YOUR_PIPELINE_KEY")  # a quote in it would end what is copied
    host = address(at, found.settings.cookie_domain, visit.office.ingest())
    body = json.dumps({"type": "track", "event": "Hello", "anonymousId": "test-1", "properties": {"price": 49.99}})
    return visit.show(
        "pipeline.html",
        pipeline=found,
        integrations=[each for each in await sight.everything(visit.office) if each.shown.pipeline_id == id],
        at=host,
        tag=f'<script src="{host.origin}/datafly.js" data-pipeline-key="{key}"></script>',
        curl=f"curl {host.origin}/v1/t \\\n  -H 'Authorization: Bearer {key}' \\\n  -d '{body}'",
    )


@room.post("/pipelines/<int:id>/keys")
async def issue(visit: Visit, id: int) -> Response:
    await visit.office.change(keys.create_key, id, **visit.author)
    return visit.go(f"/pipelines/{id}", "A new key is in force.")


@room.post("/pipelines/<int:id>/keys/revoke")
async def revoke(visit: Visit, id: int) -> Response:
    await visit.office.change(keys.revoke_key, id, visit.form.get("key", ""), **visit.author)
    return visit.go(f"/pipelines/{id}", "The key is revoked. Who still uses it is answered with 401.")


@room.post("/pipelines/<int:id>/delete", role="admin")
async def delete(visit: Visit, id: int) -> Response:
    name = _found(visit, id).name
    await visit.office.change(store.delete_pipeline, id, **visit.author)
    return visit.go("/pipelines", f"{name} is deleted.")


@room.get("/pipelines/<int:id>/settings", role="editor")
async def settings(visit: Visit, id: int) -> Response:
    found = _found(visit, id)
    values = {"name": found.name, **found.settings.model_dump(mode="json")}
    texts = {key: "\n".join(value) if isinstance(value, list) else str(value) for key, value in values.items()}
    return _settings(visit, found, texts | forms.texts(BROWSER, values["browser"]), forms.Wrong())


@room.post("/pipelines/<int:id>/settings")
async def save(visit: Visit, id: int) -> Response:
    found = _found(visit, id)
    publish = visit.form.get("publish") != "later"
    patch: dict[str, Any] = {}
    for each in FIELDS:
        text = visit.form.get(each["key"], "").strip()
        patch[each["key"]] = forms.lines(text) if each["type"] == "lines" else forms.value(each["type"], text)
    patch["browser"] = forms.config(BROWSER, visit.form, patch=True)
    try:
        await visit.office.change(store.patch_pipeline, id, patch, publish=publish, **visit.author)
    except ConfigurationError as error:
        wrong = forms.sorted_out(error, [each["key"] for each in [*FIELDS, *BROWSER]])
        return _settings(visit, found, forms.typed(visit.form), wrong)
    return visit.go(f"/pipelines/{id}", "Saved and live." if publish else "Saved in the draft. Publish to go live.")


def _settings(visit: Visit, found: Shown, values: dict[str, str], wrong: forms.Wrong) -> Response:
    return visit.show(
        "pipeline_settings.html",
        400 if wrong.fields or wrong.lines else 200,
        pipeline=found,
        fields=FIELDS,
        browser=BROWSER,
        values=values,
        wrong=wrong,
    )


def _found(visit: Visit, id: int) -> Shown:
    return visit.office.database.read(store.shown, id, visit.office.box)
