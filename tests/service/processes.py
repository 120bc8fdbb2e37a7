"""Processes: the command as a user runs it, to be signalled and killed."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.service.commander import ROOT, environment
from tests.service.house import PATIENCE, SERVER, Database, numbered

COMMAND = (sys.executable, "-m", "signal_actor")


async def run(*arguments: Any, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    with trio.fail_after(PATIENCE * 2):
        done = await trio.run_process(
            [*COMMAND, *map(str, arguments)],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=ROOT,
            env=environment(env),
        )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Serving(Database):
    """A `serve` in a process of its own."""

    def __init__(self, data_dir: Path, process: trio.Process, ready: dict[str, Any], log: Path) -> None:
        super().__init__(data_dir)
        self.data_dir = data_dir
        self.process = process
        self.ready = ready
        self.log = log

    async def kill(self) -> None:
        """As the kernel does it, without a warning."""
        self.process.kill()
        await self.process.wait()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks for the orderly end and returns the exit code."""
        self.process.send_signal(number)
        with trio.fail_after(PATIENCE):
            return await self.process.wait()

    async def post(self, client: httpx.AsyncClient, batch: list[dict[str, Any]]) -> None:
        url = f"{self.ready['ingest']}/v1/batch"
        response = await client.post(url, json={"batch": batch}, headers=SERVER)
        assert response.status_code == 200, response.text
        assert response.json()["accepted"] == len(batch)

    async def track(self, *numbers: int, visitor: str | None = None) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            await self.post(client, [numbered(n, visitor=visitor) for n in numbers])


async def launched(data_dir: Path, log: Path, *arguments: Any, **options: Any) -> trio.Process:
    """`serve` on free ports, which may not be up yet. Its stderr goes to the file `log`, appended."""
    with log.open("ab") as errors:
        return await trio.lowlevel.open_process(
            [*COMMAND, "serve", "--data-dir", str(data_dir), *BINDS, *map(str, arguments)],
            **{"stdout": subprocess.PIPE, "stderr": errors, "cwd": ROOT, "env": environment(None), **options},
        )


BINDS = ("--ingest-bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0")


async def serving(data_dir: Path, log: Path, *arguments: Any, **options: Any) -> Serving:
    """`serve`, once it says that it is ready."""
    process = await launched(data_dir, log, *arguments, **options)
    line = await first_line(process)
    if not line:
        raise AssertionError(f"not ready, exit code {await process.wait()}: {said(log)[-2000:]}")
    return Serving(data_dir, process, json.loads(line), log)


async def first_line(process: trio.Process) -> str:
    assert process.stdout is not None
    text = b""
    with trio.fail_after(PATIENCE * 2):
        while not text.endswith(b"\n") and (piece := await process.stdout.receive_some()):
            text += piece
    return text.decode()


def said(log: Path) -> str:
    return log.read_text()
