"""Database: opened, migrated and locked, so that nothing half-done and nobody else is ever in the way."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils
from sqlite_utils import Migrations

from signal_actor import database
from signal_actor.database import FILE, held, migrate, open_reader, open_writer
from signal_actor.errors import HeldElsewhere, UsageError
from tests import stage

NAMES = ["001_configuration", "002_outbox", "003_views"]


def digest(folder: Path) -> dict[str, str]:
    """Every file with its content, without what SQLite may rebuild at any time."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if not path.name.endswith("-shm")
    }


def schema(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("select sql from sqlite_schema where sql is not null order by 1")]


def test_a_new_file_gets_every_migration_once(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with closing(open_writer(path)) as connection:
        assert migrate(connection, dry_run=True)[: len(NAMES)] == NAMES
        assert connection.execute("select count(*) from sqlite_schema where name = 'event'").fetchone() == (0,)
        assert migrate(connection)[: len(NAMES)] == NAMES
        assert migrate(connection) == []
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    before = schema(path)
    with closing(open_writer(path)) as connection:
        assert migrate(connection) == []
    assert schema(path) == before


def test_the_file_is_the_owners_and_is_made_as_it_has_to_be(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with closing(open_writer(path)) as connection:
        migrate(connection)
        for pragma, value in {
            "journal_mode": "wal",
            "synchronous": 2,
            "auto_vacuum": 2,
            "page_size": database.PAGE_SIZE,
            "wal_autocheckpoint": 0,
            "mmap_size": 0,
            "secure_delete": 0,
        }.items():
            assert connection.execute(f"pragma {pragma}").fetchone() == (value,), pragma
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_migration_that_fails_leaves_nothing_of_itself_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Migrations("signal_actor")

    @found(name="001_good")
    def good(db: sqlite_utils.Database) -> None:
        db.execute("create table good (a integer)")

    @found(name="002_bad")
    def bad(db: sqlite_utils.Database) -> None:
        db.execute("create table bad (a integer)")
        db.execute("insert into good values (1)")
        raise RuntimeError("half way")

    monkeypatch.setattr(database, "migrations", lambda: found)
    path = tmp_path / FILE
    with closing(open_writer(path)) as connection:
        with pytest.raises(RuntimeError, match="half way"):
            migrate(connection)
        tables = {row[0] for row in connection.execute("select name from sqlite_schema where type = 'table'")}
        assert "good" in tables and "bad" not in tables
        assert connection.execute("select count(*) from good").fetchone() == (0,)
        assert migrate(connection, dry_run=True) == ["002_bad"]


@pytest.mark.parametrize("died", [False, True], ids=["closed", "died with a WAL"])
def test_a_newer_versions_file_is_refused_and_left_byte_for_byte(tmp_path: Path, died: bool) -> None:
    path = stage.on_disk(tmp_path)
    newer = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("pragma journal_mode = wal")
columns = "migration_set, name, applied_at"
connection.execute(f"insert into _sqlite_migrations ({columns}) values ('signal_actor', '999_x', '')")
connection.execute("create table from_the_future (a)")
if sys.argv[2] == "True":
    os._exit(0)
connection.close()
"""
    subprocess.run([sys.executable, "-c", newer, str(path), str(died)], check=True)
    assert path.with_name(FILE + "-wal").exists() == died
    before = digest(tmp_path)
    with pytest.raises(UsageError, match=r"newer version.*999_x.*upgrade"):
        open_writer(path)
    assert digest(tmp_path) == before


def test_a_file_that_a_crash_left_empty_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with closing(open_writer(tmp_path / FILE)) as connection:
        migrate(connection)
        assert connection.execute("pragma auto_vacuum").fetchone() == (2,)
        assert connection.execute("pragma page_size").fetchone() == (database.PAGE_SIZE,)


def test_a_reader_needs_a_file_and_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such database"):
        open_reader(tmp_path / FILE)
    assert not (tmp_path / FILE).exists()
    with closing(open_reader(stage.on_disk(tmp_path))) as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("delete from event")


STARTING = """
import json, sys, time
from contextlib import closing
from pathlib import Path
from signal_actor.database import FILE, held, migrate, open_writer
from signal_actor.errors import HeldElsewhere

folder = Path(sys.argv[1])
print("up", flush=True)
sys.stdin.readline()
try:
    with held(folder), closing(open_writer(folder / FILE)) as connection:
        print(json.dumps(migrate(connection)), flush=True)
        sys.stdin.readline()
except HeldElsewhere as error:
    print("held", flush=True)
"""


def test_of_processes_that_start_together_one_has_the_data_and_the_others_are_told(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", STARTING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    try:
        for process in started:
            assert process.stdout is not None and process.stdout.readline() == "up\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.stdout.readline().strip() for process in started if process.stdout]
        assert said.count("held") == 3
        [migrated] = [line for line in said if line != "held"]
        assert json.loads(migrated)[: len(NAMES)] == NAMES
    finally:
        for process in started:
            process.communicate("end\n")


def test_the_data_is_free_again_when_its_holder_is_gone(tmp_path: Path) -> None:
    with (
        held(tmp_path / "data"),
        pytest.raises(HeldElsewhere, match="another signal-actor process"),
        held(tmp_path / "data"),
    ):
        pass
    with held(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
