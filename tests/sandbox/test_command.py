"""`signal-actor sandbox` as a process: what it prints, and how it ends."""

import signal
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from signal_actor.cli.sandbox import sandbox
from signal_actor.errors import UsageError

PORTS = [part for slug in ("ninetailed", "insider", "ometria", "webhook") for part in (f"--{slug}-port", "0")]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    code = "from signal_actor.cli.sandbox import sandbox; sandbox()"
    with subprocess.Popen([sys.executable, "-c", code, *PORTS], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_it_prints_where_the_vendors_are_and_stops_on_ctrl_c(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert [line.split()[0] for line in lines] == ["ninetailed", "insider", "ometria", "webhook"]
    assert lines[1].split()[2:] == ["api_key=sandbox-insider-key", "partner_name=demo"]
    with urllib.request.urlopen(f"{lines[0].split()[1]}/_sandbox/settings") as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    configuration = tomllib.loads(process.stdout.read())
    assert process.wait(5) == 0
    integrations = configuration["pipelines"]["demo"]["integrations"]
    assert list(integrations) == ["ninetailed", "insider", "ometria", "webhook"]
    assert integrations["ninetailed"]["config"]["endpoint"] == lines[0].split()[1]
    assert integrations["insider"]["config"]["partner_name"] == "demo"


def test_a_port_that_is_taken_is_wrong_usage(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    taken = process.stdout.readline().rpartition(":")[2].split()[0]
    answer = CliRunner().invoke(sandbox, [*PORTS, "--insider-port", taken])
    assert isinstance(answer.exception, UsageError)
    assert f"insider: cannot listen on 127.0.0.1:{taken}" in str(answer.exception)


def test_a_secret_that_is_no_secret_is_wrong_usage() -> None:
    answer = CliRunner().invoke(sandbox, [*PORTS, "--webhook-secret", "whsec_!"])
    assert str(answer.exception).startswith("--webhook-secret: ")
