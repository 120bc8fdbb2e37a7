"""Library: every destination there is, by category, and the form that installs one."""

from itertools import count
from typing import Any

from quart import Response

from signal_actor import mapping
from signal_actor.consent import CATEGORIES
from signal_actor.destinations import form
from signal_actor.destinations.base import Destination
from signal_actor.destinations.registry import destinations
from signal_actor.errors import ConfigurationError, Refusal
from signal_actor.management.pages import forms
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import integrations
from signal_actor.store.ids import whole

room = Room("integrations")
KINDS = {"page": "Page views", "identify": "Identification", "track": "Track events", "screen": "App screens"}
OFF = {"skip": "switched off when it was installed"}


@room.get("/integrations/library")
async def library(visit: Visit) -> Response:
    wanted = visit.args.get("q", "").strip()
    found = [each for each in destinations().values() if wanted.lower() in _words(each)]
    shelves: dict[str, list[Destination[Any]]] = {}
    for each in sorted(found, key=lambda each: (each.category, each.name)):
        shelves.setdefault(each.category, []).append(each)
    installed = {item.vendor for item in visit.office.live().integrations.values() if not item.removed}
    return visit.show("library.html", shelves=shelves, wanted=wanted, installed=installed)


@room.get("/integrations/library/<vendor>")
async def book(visit: Visit, vendor: str) -> Response:
    destination = _found(vendor)
    values = {"name": _name(visit, destination), "variant": "default", "pipeline": visit.args.get("pipeline", "")}
    return _form(visit, destination, values, list(destination.consent), list(KINDS), forms.Wrong())


@room.post("/integrations/library/<vendor>")
async def install(visit: Visit, vendor: str) -> Response:
    destination = _found(vendor)
    fields = form.fields(destination)
    variant = visit.form.get("variant", "default")
    sent = visit.form.getlist("events")
    publish = visit.form.get("publish") != "later"
    written = {
        "vendor": vendor,
        "name": visit.form.get("name", "").strip() or None,
        "variant": variant,
        "consent_categories": visit.form.getlist("consent"),
        "config": forms.config(fields, visit.form),
        "mappings": _switched_off(destination, variant, sent),
    }
    try:
        key = await visit.office.change(
            integrations.install,
            _pipeline(visit),
            visit.form.get("slug", "").strip() or None,
            written,
            visit.office.box,
            publish=publish,
            **visit.author,
        )
    except ConfigurationError as error:
        wrong = forms.sorted_out(error, ["name", "variant", *(each["key"] for each in fields)])
        return _form(visit, destination, forms.typed(visit.form), visit.form.getlist("consent"), sent, wrong)
    done = (
        "is installed. Send a test event to see that it works." if publish else "is in the draft. Publish to go live."
    )
    return visit.go(f"/integrations/{key}", f"{written['name'] or destination.name} {done}")


def _form(
    visit: Visit,
    destination: Destination[Any],
    values: dict[str, str],
    consent: list[str],
    sent: list[str],
    wrong: forms.Wrong,
) -> Response:
    return visit.show(
        "install.html",
        400 if wrong.fields or wrong.lines else 200,
        vendor=destination,
        fields=form.fields(destination),
        pipelines=list(visit.office.live().pipelines.values()),
        categories=CATEGORIES,
        kinds={key: label for key, label in KINDS.items() if _sends(destination, key)},
        values=values,
        consent=consent,
        sent=sent,
        wrong=wrong,
    )


def _name(visit: Visit, destination: Destination[Any]) -> str:
    """The vendor's name, numbered if an integration has it already."""
    taken = {each.name for each in visit.office.live().integrations.values() if not each.removed}
    names = (destination.name if number == 1 else f"{destination.name} {number}" for number in count(1))
    return next(name for name in names if name not in taken)


def _found(vendor: str) -> Destination[Any]:
    if vendor not in destinations():
        raise Refusal(404, "not_found", f"There is no {vendor[:80]} in the library.")
    return destinations()[vendor]


def _words(destination: Destination[Any]) -> str:
    return " ".join((destination.name, destination.slug, destination.category, destination.summary)).lower()


def _pipeline(visit: Visit) -> int:
    given = whole(visit.form.get("pipeline", ""))
    there = visit.office.live().pipelines
    if given is not None and given in there:
        return given
    if len(there) == 1:
        return next(iter(there))
    raise Refusal(404, "not_found", "Choose a pipeline that there is; make one under Pipelines if there is none.")


def _sends(destination: Destination[Any], kind: str) -> bool:
    """Whether some variant sends events of this type."""
    if kind == "track":
        return True
    rules = [document.get(kind) for document in destination.variants.values()]
    return any(rule is not None and not rule.get("skip") for rule in rules)


def _switched_off(destination: Destination[Any], variant: str, sent: list[str]) -> dict[str, Any]:
    """The mapping changes that keep back the types of events that a person did not choose."""
    document = destination.variants.get(variant, {})
    offered = [kind for kind in KINDS if kind != "track" and kind in document and _sends(destination, kind)]
    changes: dict[str, Any] = {kind: OFF for kind in offered if kind not in sent}
    if "track" not in sent:
        changes |= {"other": OFF, "track": dict.fromkeys(document.get("track", {}), OFF)}
    return mapping.difference(document, mapping.merge(document, changes)) if changes else {}
