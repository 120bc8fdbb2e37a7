"""Disk: an SQLite VFS that writes down what is written and synced, and every disk that a power cut could leave behind.

A write is certain once its file was synced after it. Before that it may be there, be missing, or be torn at a sector,
each for itself. What this cannot show: a device that lies about its cache, and entries of directories.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


@dataclass(frozen=True)
class Write:
    """One change of a file; no data means that it was cut off at the offset."""

    file: str
    offset: int
    data: bytes | None


@dataclass(frozen=True)
class Sync:
    """The file's earlier writes are certain."""

    file: str


@dataclass(frozen=True)
class Acknowledged:
    """Somebody was told that everything up to this number is stored."""

    number: int


Entry = Write | Sync | Acknowledged


class Recording(apsw.VFS):  # type: ignore[misc]
    """The ordinary VFS, whose main and WAL files are logged."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.log: list[Entry] = []

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return File(self.log, "wal" if str(path).endswith("-wal") else "db", name, flags)


class File(apsw.VFSFile):  # type: ignore[misc]
    def __init__(self, log: list[Entry], file: str, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._log, self._file = log, file

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._log.append(Write(self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._log.append(Write(self._file, size, None))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._log.append(Sync(self._file))  # and nothing more: this disk is never cut off for real


class Result:
    """A cursor of apsw with what our verbs ask of one of the standard library."""

    def __init__(self, connection: apsw.Connection, cursor: apsw.Cursor) -> None:
        self._cursor = cursor
        self.rowcount = connection.changes()
        self.lastrowid = connection.last_insert_rowid()

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)


class Adapted:
    """A connection of apsw as our verbs know connections."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Result:
        return Result(self._connection, self._connection.execute(sql, tuple(values)))

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> Result:
        return Result(self._connection, self._connection.executemany(sql, [tuple(row) for row in rows]))


@dataclass
class State:
    """What a power cut may leave: the files, and the last number that was acknowledged before it."""

    files: dict[str, bytes]
    acknowledged: int


@dataclass
class Disk:
    """Files of which a part is certain."""

    certain: dict[str, bytearray]
    limbo: dict[str, list[Write]] = field(default_factory=lambda: {"db": [], "wal": []})
    acknowledged: int = 0

    def take(self, entry: Entry) -> None:
        match entry:
            case Write(file):
                self.limbo[file].append(entry)
            case Sync(file):
                for write in self.limbo[file]:
                    put(self.certain[file], write)
                self.limbo[file] = []
            case Acknowledged(number):
                self.acknowledged = number

    def states(self, dice: random.Random) -> Iterator[State]:
        """Nothing of what is in limbo, all of it, the last write torn, and any of it."""
        yield self._with(lambda write: None)
        if any(self.limbo.values()):
            last = {file: writes[-1] for file, writes in self.limbo.items() if writes}
            yield self._with(lambda write: write)
            yield self._with(lambda write: torn(write, dice) if write is last[write.file] else write)
            yield self._with(lambda write: dice.choice([write, None, torn(write, dice)]))

    def _with(self, choose: Any) -> State:
        files = {}
        for file, certain in self.certain.items():
            content = bytearray(certain)
            for write in self.limbo[file]:
                chosen = choose(write)
                if chosen is not None:
                    put(content, chosen)
            files[file] = bytes(content)
        return State(files, self.acknowledged)


def put(content: bytearray, write: Write) -> None:
    if write.data is None:
        del content[write.offset :]
        return
    if len(content) < write.offset:
        content.extend(bytes(write.offset - len(content)))
    content[write.offset : write.offset + len(write.data)] = write.data


def torn(write: Write, dice: random.Random) -> Write | None:
    """The first sectors of it."""
    if write.data is None or len(write.data) <= SECTOR:
        return None
    return Write(write.file, write.offset, write.data[: dice.randrange(1, len(write.data) // SECTOR + 1) * SECTOR])


def power_cuts(log: Sequence[Entry], before: bytes, dice: random.Random, *, every: int) -> Iterator[State]:
    """States after cuts: around every sync and acknowledgement, and after every so many of the other entries."""
    disk = Disk({"db": bytearray(before), "wal": bytearray()})
    for index, entry in enumerate(log):
        following = log[index + 1] if index + 1 < len(log) else None
        disk.take(entry)
        if index % every == 0 or not isinstance(entry, Write) or not isinstance(following, Write):
            yield from disk.states(dice)


def lay_out(state: State, folder: Path) -> Path:
    """The state as files that a database can be opened from."""
    path = folder / "signal.db"
    path.write_bytes(state.files["db"])
    path.with_name("signal.db-wal").write_bytes(state.files["wal"])
    path.with_name("signal.db-shm").unlink(missing_ok=True)
    return path
