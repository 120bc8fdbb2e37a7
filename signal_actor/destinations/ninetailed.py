"""Ninetailed: Contentful Personalization's Experience API, which builds a profile per visitor from a stream of events.

Events carry what the document's example shows and what the vendor's own clients always send besides, so that they hold
against the clients' strict schema: three times ending in Z, campaign, gdpr, library and locale, and a whole page.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pydantic import Field

from signal_actor import __version__
from signal_actor.delivery.rules import Outcome, Skipped
from signal_actor.destinations import page, variants
from signal_actor.destinations.base import Advice, Destination, Limits, Prepared, Reply, Request, Settings
from signal_actor.destinations.blame import blame, cause, misconfigured, read, refused
from signal_actor.destinations.payload import (
    encode,
    identifier,
    known,
    message_id,
    moment,
    prepared,
    section,
    timestamp,
)
from signal_actor.errors import MappingError
from signal_actor.event import Event
from signal_actor.mapping import Mapper, merge

ADDRESS = "https://experience.ninetailed.co"
CLIENT = {"name": "signal-actor", "version": __version__}
CAMPAIGN = {"name": "campaign", "source": "source", "medium": "medium", "term": "term", "content": "content"}


class NinetailedSettings(Settings):
    organization_id: str = Field(
        title="Organization ID",
        description="The Client ID from SDK Keys on the Optimization tab. Forms part of the API URL path.",
        min_length=1,
    )
    environment_slug: str = Field(
        title="Environment slug",
        description="The target environment slug (e.g. main). Forms part of the API URL path.",
        min_length=1,
    )


def prepare(settings: NinetailedSettings, mapper: Mapper, event: Event) -> Prepared | Skipped:
    """One event of the `events` array. `sentAt` is the time of receipt until `build` knows better."""
    anonymous_id, user_id = identifier(event, "anonymousId"), identifier(event, "userId")
    if anonymous_id is None:
        return Skipped("no anonymous id, which is Ninetailed's key of a profile")
    if event.get("event") == "Identified" and event.get("type") == "track" and user_id:
        event = _identified(event)
    mapped = mapper(event)
    if isinstance(mapped, Skipped):
        return mapped
    kind, fields = event["type"], mapped.fields
    if kind == "identify" and user_id is None:
        raise MappingError("userId: an identify needs one")
    payload: dict[str, Any] = {"type": kind}
    if kind == "track":
        payload["event"] = mapped.name
    payload["anonymousId"] = anonymous_id
    if user_id is not None:
        payload["userId"] = user_id
    payload |= {
        "channel": "web",
        "messageId": message_id(event),
        "timestamp": timestamp(event),
        "originalTimestamp": timestamp(event, "originalTimestamp"),
        "sentAt": timestamp(event, "receivedAt"),
    }
    context, seen = section(fields, "context"), known(event, "page")
    if kind == "identify":
        payload["traits"] = section(fields, "traits")
    else:
        payload["properties"] = properties = section(fields, "properties")
    if kind == "page":
        payload["properties"] = properties = page.whole(properties, seen)
        seen = page.whole(seen, properties)
    elif seen:
        seen = page.whole(seen, {})
    payload["context"] = merge(_context(event, seen), context)
    return prepared(fields | payload, identify=kind == "identify", notes=mapped.notes)


def build(settings: NinetailedSettings, payloads: Sequence[Any], now: float) -> Request:
    """The document: the endpoint is scoped by its path alone, and Content-Type is the only header it requires."""
    organization, environment = quote(settings.organization_id, safe=""), quote(settings.environment_slug, safe="")
    sent_at = moment(now)
    return Request(
        "POST",
        f"{settings.address(ADDRESS)}/v2/organizations/{organization}/environments/{environment}/events",
        {"Content-Type": "application/json"},
        encode({"events": [{**payload, "sentAt": sent_at} for payload in payloads]}),
    )


def classify(payloads: Sequence[Any], reply: Reply) -> list[Outcome]:
    """Errors carry `{"error": {"code": "ERR_..."}}`; a batch is accepted or refused as a whole."""
    answer = read(reply)
    error = answer.get("error") if isinstance(answer, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if 400 <= reply.status < 500:
        if code == "ERR_CONFIG_NOT_FOUND":
            return misconfigured(payloads, reply, TROUBLESHOOTING)
        # A profile of another environment, or none at all: the profile's fault, not the configuration's.
        if code in ("ERR_NAMESPACE_MISMATCH", "ERR_PROFILE_NOT_FOUND", "ERR_INVALID_DATA"):
            return refused(payloads, cause(reply))
    return blame(payloads, reply, TROUBLESHOOTING)


def _identified(event: Event) -> Event:
    """The document's table: a track named "Identified" is an identify. Its properties are traits."""
    properties = event.get("properties")
    traits = {**known(event, "traits"), **(properties if isinstance(properties, dict) else {})}
    return {**event, "type": "identify", "traits": traits}


def _context(event: Event, seen: Mapping[str, Any]) -> dict[str, Any]:
    """What the vendor's clients always send.

    Where nothing is known about personalization, the integration's own gate (its categories, and what the pipeline
    says silence means) has let the event through, which is consent.
    """
    context: dict[str, Any] = {"page": seen} if seen else {}
    query = seen.get("query", {})
    campaign = known(event, "campaign") or {key: query.get(f"utm_{utm}") for key, utm in CAMPAIGN.items()}
    context["campaign"] = {key: campaign[key] for key in CAMPAIGN if isinstance(campaign.get(key), str)}
    context["gdpr"] = {"isConsentGiven": known(event, "consent").get("personalization") is not False}
    library = known(event, "library")
    named = isinstance(library.get("name"), str) and isinstance(library.get("version"), str)
    context["library"] = {"name": library["name"], "version": library["version"]} if named else CLIENT
    return context


TROUBLESHOOTING = (
    Advice(
        "404 ERR_CONFIG_NOT_FOUND",
        "The Organization ID or Environment slug in the URL path is wrong. "
        "Re-check the Client ID under SDK Keys and the environment slug.",
        status=404,
    ),
    Advice(
        "400 ERR_INVALID_DATA",
        "A required field is missing. Every event must have anonymousId; track events must have event; "
        "identify events must have userId and traits.",
        status=400,
        mark="ERR_INVALID_DATA",
    ),
    Advice(
        "Profiles not updating",
        "Confirm the same anonymousId is used client-side and server-side so events merge into one profile "
        "rather than creating duplicates.",
    ),
    Advice(
        "Audiences not matching",
        "Check that the trait and property names you send exactly match the names used in your Ninetailed "
        "audience conditions.",
    ),
    Advice(
        "Events rejected in bulk",
        "A single call is capped at 200 events / 50 identify events / 50 unique profiles. Signal batches within "
        "these limits; very large historical backfills should be chunked.",
    ),
)

NINETAILED = Destination(
    slug="ninetailed",
    name="Ninetailed",
    category="Personalization",
    summary="Contentful Personalization: profiles, audiences and experience targeting, fed server to server.",
    settings=NinetailedSettings,
    variants=variants.load("ninetailed"),
    consent=("personalization",),
    limits=Limits(items=200, identifies=50, visitors=50),  # Experience API: the numbers are the document's
    prepare=prepare,
    build=build,
    classify=classify,
    troubleshooting=TROUBLESHOOTING,
)
