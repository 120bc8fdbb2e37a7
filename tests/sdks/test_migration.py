"""docs/migration.md names the test behind each of its claims, and the versions that are tried."""

import ast
import json
import re
from pathlib import Path

from tests.sdks.packages import HERE, MANIFESTS

TEXT = (HERE.parents[1] / "docs/migration.md").read_text()


def names(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.AsyncFunctionDef)}


def test_every_test_that_it_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 12
    assert named <= set().union(*(names(file) for file in HERE.glob("test_*.py")))


def test_the_versions_are_those_that_are_tried() -> None:
    pins = json.loads(MANIFESTS[0].read_text())["dependencies"]
    for file in (HERE / "python").glob("*.txt"):
        pins |= dict(line.split("==") for line in file.read_text().split())
    stated = dict(re.findall(r"^\| `([^`]+)` \| (\S+) \|", TEXT, re.MULTILINE))
    assert len(stated) == 8
    assert stated.items() <= pins.items()
