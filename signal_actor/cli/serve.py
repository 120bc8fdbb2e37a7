"""Commands that run the service: `serve` and `demo`."""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import click
import trio

from signal_actor import demo as first_contact
from signal_actor import logs, process, service


class Networks(click.ParamType[tuple[IPv4Network | IPv6Network, ...]]):
    """CIDRs, separated by commas or spaces."""

    name = "cidrs"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[IPv4Network | IPv6Network, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(ip_network(part, strict=False) for part in value.replace(",", " ").split())
        except ValueError as error:
            self.fail(f"{error}; write networks like 10.0.0.0/8,192.168.1.7/32", param, ctx)


def data_dir_option(command: Any) -> Any:
    """`--data-dir`, the same for every command."""
    return click.option(
        "--data-dir",
        envvar="SIGNAL_DATA_DIR",
        default="./data",
        show_default=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Holds signal.db and secret.key.",
    )(command)


@click.command()
@data_dir_option
@click.option(
    "--config",
    envvar="SIGNAL_CONFIG",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file that is applied at start.",
)
@click.option(
    "--ingest-bind",
    envvar="SIGNAL_INGEST_BIND",
    default=lambda: f"0.0.0.0:{os.environ.get('PORT', '8080')}",
    show_default="0.0.0.0:8080, or $PORT",
    help="Browser and server endpoints.",
)
@click.option(
    "--admin-bind",
    envvar="SIGNAL_ADMIN_BIND",
    default="127.0.0.1:8084",
    show_default=True,
    help="Management API, web UI and metrics.",
)
@click.option("--admin-token", envvar="SIGNAL_ADMIN_TOKEN", help="An admin token fixed by the operator.")
@click.option(
    "--trusted-proxies",
    envvar="SIGNAL_TRUSTED_PROXIES",
    type=Networks(),
    default=(),
    help="CIDRs whose X-Forwarded-For and X-Forwarded-Proto are believed.",
)
@click.option(
    "--log-format",
    envvar="SIGNAL_LOG_FORMAT",
    type=click.Choice(["console", "json"]),
    help="Default: console on a terminal, else json.",
)
def serve(log_format: str | None, **options: Any) -> None:
    """Run everything in one process, until SIGTERM or SIGINT."""
    logs.configure(log_format)
    trio.run(process.serve, service.Options(**options))


@click.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Default: a temporary directory.")
@click.option("--seconds", type=float, help="End by itself after so long.")
def demo(data_dir: Path | None, seconds: float | None) -> None:
    """First contact: sandbox vendors, a pipeline with all integrations, a small shop. Ends with Ctrl-C."""
    logs.configure(least="warning")  # what happens is shown in other words
    first_contact.main(data_dir, seconds)
