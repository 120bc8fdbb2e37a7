"""Fixtures of the store: a real file, migrated as at start, and a transaction that belongs to the test."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from signal_actor.database import migrate, open_writer
from signal_actor.secrets import Box


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_writer(tmp_path / "signal.db")) as opened:
        migrate(opened)
        opened.execute("begin immediate")
        yield opened
        assert opened.in_transaction, "a verb must not end its caller's transaction"
        assert not opened.execute("pragma foreign_key_check").fetchall()


@pytest.fixture
def box() -> Box:
    return Box("a key for tests only")
