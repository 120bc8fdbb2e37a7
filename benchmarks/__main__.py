"""Benchmarks: everything in one run, under ten minutes, each figure beside its limit.

python -m benchmarks [--json FILE]
"""

from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks import isolation, onlookers, pipeline, report, storage
from benchmarks.report import Figure


@click.command()
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, too.")
def main(file: Path | None) -> None:
    """Measures storage, the whole pipeline, how well vendors are kept apart, and what onlookers cost."""
    click.echo("  ".join(f"{name}: {value}" for name, value in report.machine().items()))
    figures = list(_measured())
    report.table(figures)
    if file is not None:
        file.write_text(report.document(figures))


def _measured() -> Iterator[Figure]:
    for room in (storage, pipeline, isolation, onlookers):
        for figure in room.figures():
            click.echo(f"  {figure.name}: {figure.value:,.1f} {figure.unit}", err=True)
            yield figure


if __name__ == "__main__":
    main()
