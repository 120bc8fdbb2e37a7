"""Tokens: shown once, stored as a hash, and refused once revoked."""

import sqlite3

from signal_actor.store import audit, tokens

NOW = 1_700_000_000_000


def test_a_token_is_known_until_it_is_revoked(connection: sqlite3.Connection) -> None:
    token_id, text = tokens.create(connection, "ci", "editor", author="ann", now=NOW)
    assert text.startswith("sat_") and len(text) > 40
    assert tokens.check(connection, text) == ("ci", "editor")
    assert tokens.check(connection, text + "x") is None
    assert tokens.check(connection, "") is None
    assert tokens.check(connection, "\ud800") is None
    assert tokens.revoke(connection, token_id, author="ann", now=NOW + 1)
    assert tokens.check(connection, text) is None
    assert not tokens.revoke(connection, token_id, author="ann", now=NOW + 2), "it is revoked already"
    assert tokens.tokens(connection) == [tokens.Token(token_id, "ci", "editor", NOW, NOW + 1)]


def test_the_text_is_nowhere(connection: sqlite3.Connection) -> None:
    _, text = tokens.create(connection, "ci", "admin", author="ann", now=NOW)
    assert text not in "\n".join(connection.iterdump())
    assert tokens.hashed(text) not in repr(tokens.tokens(connection))


def test_tokens_are_on_record(connection: sqlite3.Connection) -> None:
    token_id, _ = tokens.create(connection, "ci", "viewer", author="ann", now=NOW)
    tokens.revoke(connection, token_id, author="bob", now=NOW)
    assert [(line.actor, line.action, line.target) for line in audit.lines(connection)] == [
        ("bob", "revoke token", f"token/{token_id}"),
        ("ann", "create token", f"token/{token_id}"),
    ]
