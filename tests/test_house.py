"""House: the rules of the code base, checked with everything else."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 400  # lines of a source file; beyond 250 one has to defend itself in review


def said(*command: str) -> str:
    """What a tool has to say; fails if it is not content."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["ruff", "format", "mypy"],
)
def test_tools_are_content(command: tuple[str, ...]) -> None:
    said(*command)


def test_imports_only_go_down() -> None:
    script = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def modules() -> list[Path]:
    return sorted([*ROOT.glob("signal_actor/**/*.py"), *ROOT.glob("migrations/*.py"), *ROOT.glob("benchmarks/*.py")])


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_and_stays_small(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""'), "the first line says what the module is for"
    assert len(text.splitlines()) <= LONGEST


def test_every_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    everything = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    assert [name for name in everything if ">=" not in name] == []


def test_the_top_level_holds_what_the_house_names() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode != 0:
        pytest.fail("not a git checkout")
    top = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    wanted = {"signal_actor", "migrations", "tests", "pyproject.toml", "Procfile", "README.md"}
    assert wanted <= top
    assert top - wanted <= {".ci", ".gitignore", "LICENSE", "CHANGELOG.md", "benchmarks", "docs"}
