"""Serve and demo as processes: what they print, how they refuse to start, and that nobody has to read their logs."""

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import httpx
import pytest
import trio

from signal_actor import control
from signal_actor.opening import Options, opened
from signal_actor.sandbox import Sandbox
from tests.service.commander import ROOT, Commander, environment
from tests.service.house import PATIENCE, SERVER, Database, arrived, eventually, numbered, tables, written
from tests.service.processes import COMMAND, Serving, launched, serving


async def test_the_ready_line_is_all_that_serve_prints(tmp_path: Path) -> None:
    alive = await serving(tmp_path / "data", tmp_path / "log")
    assert alive.ready.keys() == {"event", "ingest", "admin", "pid"}
    assert (alive.ready["event"], alive.ready["pid"]) == ("ready", alive.process.pid)
    async with httpx.AsyncClient(trust_env=False) as client:
        for address in (alive.ready["ingest"], alive.ready["admin"]):
            assert (await client.get(f"{address}/healthz")).status_code == 200
            assert not address.endswith(":0")
    assert await alive.stop() == 0
    assert alive.process.stdout is not None
    assert await alive.process.stdout.receive_some() == b""
    for line in (tmp_path / "log").read_text().splitlines():
        assert json.loads(line)["event"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert modes["secret.key"] == modes["admin-token"] == modes["signal.db"] == 0o600
    assert "control.json" not in modes


async def test_options_come_from_flag_environment_and_port(tmp_path: Path) -> None:
    env = environment({"PORT": "0", "SIGNAL_ADMIN_BIND": "127.0.0.1:0", "SIGNAL_DATA_DIR": str(tmp_path / "there")})
    process = await trio.lowlevel.open_process(
        [*COMMAND, "serve", "--log-format", "console"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=env,
    )
    assert process.stdout is not None
    with trio.fail_after(PATIENCE):
        assert (await process.stdout.receive_some()).startswith(b'{"event":"ready"')
    assert (tmp_path / "there" / "signal.db").exists()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "{tmp}/none.toml"], "none.toml: cannot be read"),
        (["--config", "{tmp}/wrong.toml"], "wrong.toml: pipelines.shop.mode: must be 'production' or 'development'"),
        (["--admin-bind", "nonsense"], "cannot listen on 'nonsense'"),
        (["--ingest-bind", "127.0.0.1:{taken}"], "choose another address or port"),
        (["--trusted-proxies", "10.0.0.0/99"], "10.0.0.0/99"),
        (["--log-format", "xml"], "xml"),
        (["--data-dir", "{tmp}/wrong.toml/data"], "wrong.toml/data: cannot be used as data directory"),
        (["--nonsense"], "--nonsense"),
    ],
)
async def test_wrong_usage_is_a_2_with_words(
    commander: Commander, sandbox: Sandbox, tmp_path: Path, arguments: list[str], words: str
) -> None:
    written(tmp_path / "wrong.toml", tables(pipeline={"mode": "prod"}))
    taken = sandbox.webhook.url.rpartition(":")[2]
    given = [text.format(tmp=tmp_path, taken=taken) for text in arguments]
    defaults = ["--ingest-bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0"]
    data_dir = ["--data-dir", str(tmp_path / "data")]
    done = await trio.to_thread.run_sync(lambda: commander("serve", *data_dir, *defaults, *given))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_service_that_cannot_listen_delivers_nothing(
    commander: Commander, sandbox: Sandbox, tmp_path: Path
) -> None:
    config = written(tmp_path / "shop.toml", tables(sandbox, only=("webhook",)))
    taken = sandbox.webhook.url.rpartition(":")[2]
    events = tmp_path / "events.ndjson"
    events.write_text(json.dumps(numbered(1)))
    data_dir = ["--data-dir", str(tmp_path / "data")]

    def run() -> int:
        busy = ["--ingest-bind", "127.0.0.1:0", "--admin-bind", f"127.0.0.1:{taken}"]
        assert commander("apply", config, *data_dir).returncode == 0
        assert commander("import", events, "--pipeline", "shop", *data_dir).returncode == 0
        return commander("serve", *data_dir, *busy).returncode

    assert await trio.to_thread.run_sync(run) == 2
    assert Database(tmp_path / "data").rows("select 1 from v_attempts") == []
    assert sandbox.webhook.ledger.requests == []


def test_commands_on_a_directory_that_is_not_there_say_so(commander: Commander, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    for words in (["outbox", "status"], ["export"], ["token", "list"], ["migrate", "--dry-run"]):
        done = commander(*words, "--data-dir", missing)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert len(done.stderr.splitlines()) == 1
        assert str(missing) in done.stderr
    assert not missing.exists()


def test_a_killed_predecessors_address_is_gone_before_anybody_asks_there(tmp_path: Path) -> None:
    control.announce(tmp_path, "http://127.0.0.1:1")
    with opened(Options(tmp_path)):
        assert control.announced(tmp_path) is None


def test_a_file_of_a_newer_version_is_left_untouched(commander: Commander, tmp_path: Path) -> None:
    assert commander("migrate", "--data-dir", tmp_path).returncode == 0
    path = tmp_path / "signal.db"
    connection = sqlite3.connect(path)
    _pretend(connection)
    connection.close()
    before = path.read_bytes()
    for words in (["serve"], ["migrate"], ["token", "create", "--name", "x"]):
        done = commander(*words, "--data-dir", tmp_path)
        assert done.returncode == 2, done.stderr
        assert "newer version" in done.stderr
        assert path.read_bytes() == before


def _pretend(connection: sqlite3.Connection) -> None:
    """Writes down a migration that this version does not know."""
    connection.execute(
        "insert into _sqlite_migrations (migration_set, name, applied_at)"
        " select migration_set, '999_future', applied_at from _sqlite_migrations limit 1"
    )
    connection.commit()


@pytest.mark.parametrize("reader", ["gone", "slow", "closed"])
async def test_nobody_has_to_read_the_logs(tmp_path: Path, sandbox: Sandbox, reader: str) -> None:
    sandbox.webhook.faults.add(status=503, times=None)  # every attempt is a line in the log
    wanted = tables(sandbox, only=("webhook",), delivery={"retry_base_seconds": 0.001, "retry_cap_seconds": 0.001})
    config = written(tmp_path / "signal.toml", wanted)
    reading, writing = os.pipe()
    if reader == "slow" and hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)  # a page, which the first few lines fill
    process = await launched(tmp_path / "data", tmp_path / "log", "--config", config, stderr=writing)
    os.close(writing)
    if reader == "gone":
        os.close(reading)
    assert process.stdout is not None
    with trio.fail_after(PATIENCE):
        ready = json.loads(await process.stdout.receive_some())
    if reader == "closed":
        os.close(reading)
        await process.stdout.aclose()
    alive = Serving(tmp_path / "data", process, ready, tmp_path / "log")
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        for n in range(100):
            refused = client.post(f"{ready['ingest']}/v1/t", content=b"{", headers=SERVER)
            assert (await refused).status_code == 400
            await alive.post(client, [{**numbered(n), "context": {"x": "x" * 500}}])
        sandbox.webhook.faults.clear()
        await arrived(sandbox.webhook, 100)
    assert await alive.stop() == 0
    if reader == "slow":
        assert len(os.read(reading, 4096)) > 2048  # it was full
        os.close(reading)


async def test_nobody_has_to_read_the_ready_line(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await launched(tmp_path / "data", tmp_path / "log", stdout=writing)
    os.close(writing)
    await eventually((tmp_path / "data" / "control.json").exists)
    process.send_signal(signal.SIGTERM)
    with trio.fail_after(PATIENCE):
        assert await process.wait() == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_demo_shows_events_arriving_at_four_vendors(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = await trio.lowlevel.open_process(
            [*COMMAND, "demo", "--data-dir", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env=environment({"PYTHONUNBUFFERED": "1"}),
        )
    assert process.stdout is not None
    told = ""
    with trio.fail_after(PATIENCE * 2):
        while not all(f"<- {slug}" in told for slug in ("ninetailed", "insider", "ometria", "webhook")):
            piece = await process.stdout.receive_some()
            assert piece, (tmp_path / "log").read_text()
            told += piece.decode()
    database = Database(tmp_path)
    assert str(database.path) in told
    await eventually(lambda: len(database.rows("select * from v_backlog where done >= 2")) == 4)
    process.send_signal(signal.SIGINT)
    with trio.fail_after(PATIENCE):
        async for piece in process.stdout:
            told += piece.decode()
        assert await process.wait() == 0
    assert "Traceback" not in told + (tmp_path / "log").read_text()
    assert {row["health"] for row in database.rows("select health from v_backlog")} == {"ok"}


async def test_a_killed_import_goes_on_where_it_stopped(tmp_path: Path, sandbox: Sandbox, commander: Commander) -> None:
    config = written(tmp_path / "signal.toml", tables(sandbox, only=("webhook",)))
    data_dir, file = tmp_path / "data", tmp_path / "events.ndjson"
    assert commander("apply", config, "--data-dir", data_dir).returncode == 0
    count = 20_000
    with file.open("w") as stream:
        for n in range(count):
            event = numbered(n)
            del event["messageId"]  # only the place in the file tells a repeated line from a new one
            stream.write(json.dumps(event) + "\n")
    database = Database(data_dir)
    words = ["import", str(file), "--pipeline", "shop", "--data-dir", str(data_dir)]
    kills = 0
    while kills < 3:
        before = database.value("select count(*) from v_events")
        process = await trio.lowlevel.open_process(
            [*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, env=environment(None)
        )
        await eventually(lambda before=before: database.value("select count(*) from v_events") > before)
        process.kill()
        await process.wait()
        kills += 1
    between = database.value("select count(*) from v_events")
    assert 0 < between < count
    done = commander(*words)
    assert done.returncode == 0, done.stderr
    assert f"{between} lines were done before." in done.stdout
    found = database.rows("select json_extract(payload, '$.properties.n') as n from v_events order by event_id")
    assert [row["n"] for row in found] == list(range(count))
