"""Identities in the store: visitors, persons, and what an event learns from them and teaches about them."""

import json
import sqlite3
from typing import Any

from signal_actor import identity
from signal_actor.consent import Consent
from signal_actor.event import Event
from signal_actor.wire import dumps


def resolve(
    connection: sqlite3.Connection, pipeline_id: int, event: Event, stated: Consent | None, *, now: int
) -> None:
    """Links, remembers and carries: after it the event holds user id, traits and consent as known at this moment."""
    visitor_id, said_user = event.get("anonymousId"), event.get("userId")
    linked, visitor_consent = _visitor(connection, pipeline_id, visitor_id)
    user_id = said_user or linked
    traits, person_consent = _person(connection, pipeline_id, user_id)
    known = visitor_consent if visitor_id is not None else person_consent
    consent = known if stated is None else identity.merged(known or {}, stated)

    match event["type"]:
        case "identify":
            traits = identity.merged(traits, event["traits"])
            _remember_person(connection, pipeline_id, said_user, traits=traits, now=now)
            linked = said_user
        case "alias":
            _adopt(connection, pipeline_id, event["previousId"], event["userId"], now=now)
        case _:
            pass
    if visitor_id is not None:
        if event["type"] == "identify" or stated is not None:
            _remember_visitor(connection, pipeline_id, visitor_id, linked, consent or {}, now=now)
    elif stated is not None:
        _remember_person(connection, pipeline_id, user_id, consent=consent, now=now)
    identity.carry(event, user_id=user_id, traits=traits, consent=consent)


def consented(connection: sqlite3.Connection, pipeline_id: int, visitor_id: str, stated: Consent, *, now: int) -> None:
    """A visitor's newest word on consent, which counts for what still waits, too."""
    linked, known = _visitor(connection, pipeline_id, visitor_id)
    _remember_visitor(connection, pipeline_id, visitor_id, linked, identity.merged(known or {}, stated), now=now)


def consent_now(connection: sqlite3.Connection, event_id: int) -> Consent | None:
    """The newest consent of the event's visitor; None if nothing is known."""
    row = connection.execute(
        "select coalesce(v.consent, n.consent) from event e"
        " left join visitor v on v.pipeline_id = e.pipeline_id and v.anonymous_id = e.anonymous_id"
        " left join person n on n.pipeline_id = e.pipeline_id and n.user_id = e.user_id and e.anonymous_id is null"
        " where e.id = ?",
        (event_id,),
    ).fetchone()
    return _known(row[0] if row else None)


def _known(text: str | None) -> Consent | None:
    return None if text is None or text == "{}" else json.loads(text)


def _visitor(connection: sqlite3.Connection, pipeline_id: int, visitor_id: str | None) -> tuple[str | None, Any]:
    if visitor_id is None:
        return None, None
    row = connection.execute(
        "select user_id, consent from visitor where pipeline_id = ? and anonymous_id = ?", (pipeline_id, visitor_id)
    ).fetchone()
    return (row[0], _known(row[1])) if row else (None, None)


def _person(connection: sqlite3.Connection, pipeline_id: int, user_id: str | None) -> tuple[dict[str, Any], Any]:
    if user_id is None:
        return {}, None
    row = connection.execute(
        "select traits, consent from person where pipeline_id = ? and user_id = ?", (pipeline_id, user_id)
    ).fetchone()
    return (json.loads(row[0]), _known(row[1])) if row else ({}, None)


def _remember_visitor(
    connection: sqlite3.Connection,
    pipeline_id: int,
    visitor_id: str,
    user_id: str | None,
    consent: Consent,
    *,
    now: int,
) -> None:
    connection.execute(
        "insert into visitor (pipeline_id, anonymous_id, user_id, consent, updated_at) values (?, ?, ?, ?, ?)"
        " on conflict do update set user_id = excluded.user_id, consent = excluded.consent,"
        " updated_at = excluded.updated_at where user_id is not excluded.user_id or consent <> excluded.consent",
        (pipeline_id, visitor_id, user_id, dumps(consent), now),
    )


def _remember_person(
    connection: sqlite3.Connection,
    pipeline_id: int,
    user_id: str | None,
    *,
    traits: dict[str, Any] | None = None,
    consent: Consent | None = None,
    now: int,
) -> None:
    connection.execute(
        "insert into person (pipeline_id, user_id, traits, consent, updated_at)"
        " values (?1, ?2, coalesce(?3, '{}'), coalesce(?4, '{}'), ?5)"
        " on conflict do update set traits = coalesce(?3, traits), consent = coalesce(?4, consent), updated_at = ?5",
        (
            pipeline_id,
            user_id,
            None if traits is None else dumps(traits),
            None if consent is None else dumps(consent),
            now,
        ),
    )


def _adopt(connection: sqlite3.Connection, pipeline_id: int, previous: str, user_id: str, *, now: int) -> None:
    """An alias: the visitor or person `previous` turns out to be the user. SDKs also send it for the user itself."""
    if previous == user_id:
        return
    _, consent = _visitor(connection, pipeline_id, previous)
    _remember_visitor(connection, pipeline_id, previous, user_id, consent or {}, now=now)
    old, _ = _person(connection, pipeline_id, previous)
    new, _ = _person(connection, pipeline_id, user_id)
    _remember_person(connection, pipeline_id, user_id, traits=identity.merged(old, new), now=now)
