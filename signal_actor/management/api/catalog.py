"""Catalogue: the library of destinations, and installing one."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool

from signal_actor.destinations import form
from signal_actor.destinations.base import Destination
from signal_actor.destinations.registry import destinations
from signal_actor.errors import Refusal
from signal_actor.management.api.integrations import Integration, shown
from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.paging import Page
from signal_actor.management.routes import Noun
from signal_actor.store import integrations as store

catalog = Noun("catalog")


class ConfigField(BaseModel):
    """A field of the install form."""

    key: str
    label: str
    type: str
    required: bool
    secret: bool
    help: str
    default: Any
    options: list[str]


class Advice(BaseModel):
    """A row of the vendor's troubleshooting table."""

    symptom: str
    remedy: str
    status: int | None


class Entry(BaseModel):
    """A destination in the library. `default_mappings` are its variants' mapping documents."""

    slug: str
    name: str
    category: str
    summary: str
    config_fields: list[ConfigField]
    variants: list[str]
    default_mappings: dict[str, dict[str, Any]]
    consent_categories: list[str]
    troubleshooting: list[Advice]


class Install(BaseModel):
    """What a person fills in. `pipeline` may be left out where there is only one."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    variant: str = "default"
    config: dict[str, Any] = {}
    delivery_mode: Literal["server_side"] = "server_side"
    pipeline: str | int | None = None
    slug: str | None = None
    enabled: bool = True
    consent_categories: list[str] | None = None
    delivery: dict[str, Any] = {}
    mappings: dict[str, Any] = {}
    publish: StrictBool = True


@catalog.get("/integration-catalog")
async def listed() -> Page[Entry]:
    """The library."""
    return Page(data=[_entry(destination) for destination in destinations().values()])


@catalog.get("/integration-catalog/<vendor>")
async def one(vendor: str) -> Entry:
    """One destination."""
    return _entry(_destination(vendor))


@catalog.post("/integration-catalog/<vendor>/install", role="editor", status=201, secret=frozenset({"config"}))
async def install(office: Office, caller: Caller, vendor: str, body: Install) -> Integration:
    """Install an integration; it is live at once unless `publish` is false."""
    _destination(vendor)
    pipeline_id = office.only_pipeline() if body.pipeline is None else office.pipeline(str(body.pipeline))
    written = body.model_dump(exclude={"pipeline", "slug", "publish"}, exclude_none=True)
    identity = await office.change(
        store.install,
        pipeline_id,
        body.slug,
        {**written, "vendor": vendor},
        office.box,
        publish=body.publish,
        author=caller.name,
        now=office.now(),
    )
    return shown(office, identity)


def _destination(vendor: str) -> Destination[Any]:
    found = destinations().get(vendor)
    if found is None:
        raise Refusal(404, "not_found", f"There is no vendor {vendor[:80]!r} in the catalogue.")
    return found


def _entry(destination: Destination[Any]) -> Entry:
    return Entry(
        slug=destination.slug,
        name=destination.name,
        category=destination.category,
        summary=destination.summary,
        config_fields=[ConfigField(**field) for field in form.fields(destination)],
        variants=list(destination.variants),
        default_mappings={name: dict(document) for name, document in destination.variants.items()},
        consent_categories=list(destination.consent),
        troubleshooting=[
            Advice(symptom=row.symptom, remedy=row.remedy, status=row.status) for row in destination.troubleshooting
        ],
    )
