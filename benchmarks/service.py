"""Service: the product under measurement, as a process of its own, with its vendors replaced by a sink."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "dk_bench_0123456789"
VENDORS: dict[str, dict[str, Any]] = {
    "ninetailed": {"organization_id": "bench", "environment_slug": "main"},
    "insider": {"api_key": "bench-key", "partner_name": "bench"},
    "ometria": {"api_key": "bench-key"},
}


@dataclass(frozen=True, slots=True)
class Running:
    """A service that is up."""

    ingest: str
    admin: str
    pid: int
    data_dir: Path

    @property
    def headers(self) -> list[str]:
        return [f"Authorization: Bearer {KEY}", "Content-Type: application/json"]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """What SQL says, read only."""
        connection = sqlite3.connect(f"file:{self.data_dir / 'signal.db'}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def resident_mb(self) -> float:
        """Memory of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def configuration(sink: str, vendors: int, *, elsewhere: Mapping[str, str] | None = None) -> str:
    """A pipeline without a rate limit and with the first so many vendors, some of them `elsewhere`."""
    lines = [
        "[pipelines.bench]",
        f'pipeline_keys = ["{KEY}"]',
        'mode = "development"',
        "rate_limit_rps = 1000000",
    ]
    for slug, config in list(VENDORS.items())[:vendors]:
        lines += [f"[pipelines.bench.integrations.{slug}]", f'vendor = "{slug}"']
        endpoint = (elsewhere or {}).get(slug, sink)
        lines += [f"[pipelines.bench.integrations.{slug}.config]", f'endpoint = "{endpoint}"']
        lines += [f"{key} = {json.dumps(value)}" for key, value in config.items()]
    return "\n".join(lines)


@contextmanager
def service(config: str, data_dir: Path | None = None) -> Iterator[Running]:
    """A service with this configuration, on a new data directory if none is given."""
    with tempfile.TemporaryDirectory(prefix="signal-bench-") as folder:
        home = data_dir or Path(folder)
        file = Path(folder) / "bench.toml"
        file.write_text(config)
        command = [sys.executable, "-m", "signal_actor", "serve", "--data-dir", str(home), "--config", str(file)]
        command += ["--ingest-bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0"]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=os.environ)
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            ready = json.loads(line)
            yield Running(ready["ingest"], ready["admin"], ready["pid"], home)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            process.stdout.close()
