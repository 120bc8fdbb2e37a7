"""Migrations: the shape of `signal.db`, step by step. `serve` applies what is missing at start, one transaction each.

Run by hand with `signal-actor migrate`, or with sqlite-utils: `sqlite-utils migrate signal.db migrations/`.
A migration that has been released is never edited; a new one is added below it.

Times are integers, milliseconds since 1970. Tables may change with any migration; the views `v_*` do not.
"""

from sqlite3 import complete_statement

from sqlite_utils import Migrations
from sqlite_utils.db import Database

migrations = Migrations("signal_actor")


def run(db: Database, script: str) -> None:
    """Runs several statements inside the migration's transaction (`executescript` would commit it)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if complete_statement(statement):
            db.execute(statement)
            statement = ""


@migrations(name="001_configuration")
def configuration(db: Database) -> None:
    """Pipelines, their keys and integrations, and every revision that was ever published."""
    run(
        db,
        """
        create table pipeline (
            id          integer primary key,
            slug        text    not null,
            name        text    not null,
            settings    text    not null check (json_valid(settings)),
            draft       text    check (draft is null or json_valid(draft)),      -- edits that are not published yet
            revision    integer not null default 0,             -- the published one
            created_at  integer not null,
            deleted_at  integer
        ) strict;
        create unique index pipeline_slug on pipeline (slug) where deleted_at is null;

        create table pipeline_key (
            key         text    primary key,
            pipeline_id integer not null references pipeline,
            created_at  integer not null,
            revoked_at  integer
        ) strict, without rowid;

        create table integration (
            id                 integer primary key,
            pipeline_id        integer not null references pipeline,
            slug               text    not null,
            name               text    not null,
            vendor             text    not null,
            variant            text    not null,
            enabled            integer not null default 1 check (enabled in (0, 1)),
            delivery_mode      text    not null default 'server_side',
            consent_categories text    not null check (json_valid(consent_categories)),
            config             text    not null check (json_valid(config)),   -- without its secrets
            secrets            text,                                          -- encrypted
            delivery           text    not null default '{}' check (json_valid(delivery)),
            mappings           text    not null default '{}' check (json_valid(mappings)),
            managed_by         text    not null check (managed_by in ('file', 'api')),
            health             text    not null default 'ok'
                               check (health in ('ok', 'retrying', 'paused', 'misconfigured')),
            health_reason      text,
            health_since       integer not null,
            created_at         integer not null,
            updated_at         integer not null,
            deleted_at         integer
        ) strict;
        create unique index integration_slug on integration (pipeline_id, slug) where deleted_at is null;

        create table revision (
            pipeline_id integer not null references pipeline,
            number      integer not null,
            document    text    not null check (json_valid(document)),        -- secrets encrypted
            author      text    not null,
            note        text    not null default '',
            created_at  integer not null,
            primary key (pipeline_id, number)
        ) strict, without rowid;

        create table token (
            id         integer primary key,
            name       text    not null,
            role       text    not null check (role in ('viewer', 'editor', 'admin')),
            hash       text    not null unique,
            created_at integer not null,
            revoked_at integer
        ) strict;

        create table audit (
            id     integer primary key,
            at     integer not null,
            actor  text    not null,
            action text    not null,
            target text    not null,
            detail text    not null default '{}' check (json_valid(detail))
        ) strict;

        create table note (
            name  text primary key,     -- single facts: the delivery defaults in force, the time of the last start, ...
            value text not null
        ) strict, without rowid;
        """,
    )


@migrations(name="002_outbox")
def outbox(db: Database) -> None:
    """Events, who they are about, and what is owed to whom."""
    run(
        db,
        """
        create table event (
            id           integer primary key,   -- grows with time, see store/events.py
            pipeline_id  integer not null references pipeline,
            received_at  integer not null,
            type         text    not null,
            name         text,
            message_id   text    not null,
            anonymous_id text,
            user_id      text,
            payload      text    not null
        ) strict;

        -- De-duplication keys are kept by day, so that new ones are written side by side and old days go cheaply.
        -- A unique index on the event table would slow every insert down as the file grows.
        create table seen (
            day      integer not null,
            key      blob    not null,
            event_id integer not null,
            primary key (day, key)
        ) strict, without rowid;

        create table visitor (
            pipeline_id  integer not null references pipeline,
            anonymous_id text    not null,
            user_id      text,
            consent      text    not null default '{}',
            updated_at   integer not null,
            primary key (pipeline_id, anonymous_id)
        ) strict, without rowid;
        create index visitor_user on visitor (pipeline_id, user_id) where user_id is not null;

        create table person (
            pipeline_id integer not null references pipeline,
            user_id     text    not null,
            traits      text    not null default '{}',
            consent     text    not null default '{}',
            updated_at  integer not null,
            primary key (pipeline_id, user_id)
        ) strict, without rowid;

        create table delivery (
            event_id       integer not null references event,
            integration_id integer not null references integration,
            visitor        integer not null,            -- whose order matters: a hash of anonymous id, else user id
            state          text    not null default 'pending'
                           check (state in ('pending', 'leased', 'done', 'skipped', 'dead')),
            behind         integer not null default 0 check (behind in (0, 1)),  -- has to wait for an earlier one
            due_at         integer,                     -- not before; while leased: the lease's end; final: null
            lease          integer,                     -- fences settling: only the holder of this number may
            attempts       integer not null default 0,
            window_from    integer not null,            -- the retry window counts from acceptance or the last replay
            last_status    integer,
            last_error     text,
            finished_at    integer,
            primary key (event_id, integration_id)
        ) strict, without rowid;
        -- What may be leased next: by due time, so that backed-off rows never stand in front of due ones.
        create index delivery_due on delivery (integration_id, due_at, event_id) where state = 'pending' and behind = 0;
        -- Who has something open: keeps a visitor's events in order. The visitor goes first, so that one event's
        -- deliveries stand side by side: visitors come at random, and every page that is touched is written.
        create index delivery_open on delivery (visitor, integration_id, event_id) where finished_at is null;
        -- Which visitors have something in flight, so that nothing else of theirs is leased meanwhile.
        create index delivery_leased on delivery (integration_id, visitor) where state = 'leased';
        -- What people look for and replay, in order of acceptance.
        create index delivery_letters on delivery (state, event_id) where state = 'dead' or state = 'skipped';

        create table attempt (
            id             integer primary key,
            integration_id integer not null references integration,
            started_at     integer not null,
            duration_ms    integer not null,
            events         integer not null,
            status         integer,                     -- null: no answer came
            outcome        text    not null,
            request_body   text,
            response_body  text,
            error          text
        ) strict;
        create index attempt_integration on attempt (integration_id, id);

        create table attempt_event (
            attempt_id integer not null references attempt,
            event_id   integer not null,
            primary key (attempt_id, event_id)
        ) strict, without rowid;
        create index attempt_event_event on attempt_event (event_id);

        create table import (
            file        text    not null,               -- a fingerprint of the file's beginning and size
            pipeline_id integer not null references pipeline,
            line        integer not null,               -- lines that are done
            primary key (file, pipeline_id)
        ) strict, without rowid;
        """,
    )


ISO = "strftime('%Y-%m-%dT%H:%M:%fZ', {} / 1000.0, 'unixepoch')"


@migrations(name="003_views")
def views(db: Database) -> None:
    """What people and scripts may rely on: the contract's views."""

    def iso(column: str) -> str:
        return ISO.format(column)

    run(
        db,
        f"""
        create view v_events as
        select e.id as event_id, {iso("e.received_at")} as received_at, p.slug as pipeline, e.type, e.name,
               e.message_id, e.anonymous_id, e.user_id, e.payload
        from event e join pipeline p on p.id = e.pipeline_id;

        create view v_deliveries as
        select d.event_id, e.message_id, p.slug as pipeline, i.slug as integration, i.vendor, d.state, d.attempts,
               case d.state when 'pending' then {iso("d.due_at")} end as due_at,
               case d.state when 'leased' then {iso("d.due_at")} end as leased_until,
               d.last_status, d.last_error, {iso("e.received_at")} as accepted_at, {iso("d.finished_at")} as finished_at
        from delivery d
        join event e on e.id = d.event_id
        join integration i on i.id = d.integration_id
        join pipeline p on p.id = i.pipeline_id;

        create view v_attempts as
        select a.id as attempt_id, p.slug as pipeline, i.slug as integration, {iso("a.started_at")} as started_at,
               a.duration_ms, a.events, a.status, a.outcome, a.request_body, a.response_body, a.error
        from attempt a
        join integration i on i.id = a.integration_id
        join pipeline p on p.id = i.pipeline_id;

        create view v_backlog as
        with counted as (
            select integration_id,
                   count(*) filter (where state = 'pending') as pending,
                   count(*) filter (where state = 'leased') as leased,
                   count(*) filter (where state = 'done') as done,
                   count(*) filter (where state = 'skipped') as skipped,
                   count(*) filter (where state = 'dead') as dead,
                   min(event_id) filter (where finished_at is null) as oldest
            from delivery group by integration_id
        )
        select p.slug as pipeline, i.slug as integration, i.vendor, i.health,
               coalesce(c.pending, 0) as pending, coalesce(c.leased, 0) as leased, coalesce(c.done, 0) as done,
               coalesce(c.skipped, 0) as skipped, coalesce(c.dead, 0) as dead,
               (select {iso("received_at")} from event where id = c.oldest) as oldest_pending_at,
               i.health_reason as cause
        from integration i
        join pipeline p on p.id = i.pipeline_id
        left join counted c on c.integration_id = i.id
        where i.deleted_at is null or c.integration_id is not null;

        create view v_dead as
        select d.event_id, e.message_id, p.slug as pipeline, i.slug as integration, d.last_error as reason,
               {iso("d.finished_at")} as dead_at, e.payload
        from delivery d
        join event e on e.id = d.event_id
        join integration i on i.id = d.integration_id
        join pipeline p on p.id = i.pipeline_id
        where d.state = 'dead';

        create view v_identities as
        select p.slug as pipeline, v.anonymous_id, v.user_id, coalesce(n.traits, '{{}}') as traits, v.consent,
               {iso("max(v.updated_at, coalesce(n.updated_at, 0))")} as updated_at
        from visitor v
        join pipeline p on p.id = v.pipeline_id
        left join person n on n.pipeline_id = v.pipeline_id and n.user_id = v.user_id
        union all
        select p.slug, null, n.user_id, n.traits, n.consent, {iso("n.updated_at")}
        from person n
        join pipeline p on p.id = n.pipeline_id
        where not exists (select 1 from visitor v where v.pipeline_id = n.pipeline_id and v.user_id = n.user_id);
        """,
    )


@migrations(name="004_management")
def management(db: Database) -> None:
    """Browsers that are logged in, and figures that do not need a scan."""
    run(
        db,
        """
        create table session (
            hash       text    primary key,
            name       text    not null,
            role       text    not null check (role in ('viewer', 'editor', 'admin')),
            token_hash text,                                    -- null: opened by a login link
            csrf       text    not null,
            created_at integer not null,
            expires_at integer not null
        ) strict, without rowid;

        -- What happened how often, by minute. `gone` counts those whose row has left the state, or was forgotten.
        create table tally (
            slot  integer not null,                             -- start of the minute, older ones of the day; in ms
            noun  text    not null check (noun in ('event', 'delivery', 'attempt')),
            owner integer not null,                             -- event: its pipeline; else the integration
            label text    not null,                             -- event: type; delivery: final state; attempt: status
            total integer not null default 0,
            gone  integer not null default 0,
            primary key (slot, noun, owner, label)
        ) strict, without rowid;

        insert into tally (slot, noun, owner, label, total)
        select received_at / 60000 * 60000, 'event', pipeline_id, type, count(*) from event group by 1, 3, 4;
        insert into tally (slot, noun, owner, label, total)
        select finished_at / 60000 * 60000, 'delivery', integration_id, state, count(*)
        from delivery where finished_at is not null group by 1, 3, 4;
        insert into tally (slot, noun, owner, label, total)
        select started_at / 60000 * 60000, 'attempt', integration_id, coalesce(status, ''), count(*)
        from attempt group by 1, 3, 4;
        """,
    )


@migrations(name="005_scripts")
def scripts(db: Database) -> None:
    """Every datafly.js that was handed out: pages pin one by its hash, and pins outlive publishing and upgrades."""
    run(
        db,
        """
        create table script (
            hash       text    primary key,
            text       blob    not null,                        -- gzip
            created_at integer not null
        ) strict, without rowid;
        """,
    )
