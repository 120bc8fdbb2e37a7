"""Invariants: what must be true of `signal.db` at any moment, read from its views by SQL alone."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

# Each query finds what breaks one rule.
BROKEN = {
    "an event has not exactly one delivery for each integration": """
        select e.event_id, count(d.event_id) from v_events e
        left join v_deliveries d on d.event_id = e.event_id
        group by e.event_id
        having count(d.event_id) <> (select count(*) from v_backlog b where b.pipeline = e.pipeline)
            or count(distinct d.integration) <> count(d.event_id)
    """,
    "a delivery is neither final nor waits with a due time": """
        select * from v_deliveries where case state
            when 'pending' then due_at is null or finished_at is not null
            when 'leased' then leased_until is null or finished_at is not null
            else finished_at is null end
    """,
    "a delivery was attempted after it was done": """
        select d.event_id, d.integration, a.attempt_id from v_deliveries d
        join attempt_event x on x.event_id = d.event_id
        join v_attempts a on a.attempt_id = x.attempt_id and a.integration = d.integration
        where d.state = 'done' and a.started_at > d.finished_at
    """,
    "a delivery was done twice": """
        select x.event_id, a.integration, count(*) from attempt_event x join v_attempts a using (attempt_id)
        where a.outcome = 'delivered' group by x.event_id, a.integration having count(*) > 1
    """,
    "a visitor's events were done out of order": """
        select * from (
            select d.event_id, d.finished_at, lag(d.finished_at) over (
                       partition by d.pipeline, d.integration, coalesce(e.anonymous_id, 'user ' || e.user_id)
                       order by d.event_id
                   ) as before
            from v_deliveries d join v_events e using (event_id) where d.state = 'done'
        ) where finished_at < before
    """,
    "a delivery counts more attempts than there are": """
        select d.event_id, d.integration, d.attempts from v_deliveries d
        where d.attempts > (d.state = 'leased') + (
            select count(*) from attempt_event x join v_attempts a using (attempt_id)
            where x.event_id = d.event_id and a.integration = d.integration
        )
    """,
    "a message was stored twice": """
        select pipeline, message_id, count(*) from v_events group by pipeline, message_id having count(*) > 1
    """,
    "the backlog does not say what the deliveries say": """
        select b.* from v_backlog b where b.done <> (
            select count(*) from v_deliveries d
            where d.state = 'done' and d.pipeline = b.pipeline and d.integration = b.integration
        ) or b.pending <> (
            select count(*) from v_deliveries d
            where d.state = 'pending' and d.pipeline = b.pipeline and d.integration = b.integration
        )
    """,
    "a visitor has no head, or two": """
        select integration_id, visitor from delivery where finished_at is null
        group by integration_id, visitor having sum(behind = 0) <> 1 and sum(state = 'leased') = 0
    """,
    "foreign keys": "pragma foreign_key_check",
}


def check(path: Path, *, at_rest: bool = True) -> None:
    """Fails with the rows that break a rule. `at_rest`: no process runs, so nothing may be leased and overdue."""
    with closing(sqlite3.connect(path)) as connection:
        for rule, sql in BROKEN.items():
            found = connection.execute(sql).fetchmany(5)
            assert not found, f"{rule}: {found}"
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        if not at_rest:
            now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
            overdue = connection.execute("select * from v_deliveries where leased_until < ?", (now,)).fetchmany(5)
            assert not overdue, f"a lease is older than its time-out: {overdue}"
