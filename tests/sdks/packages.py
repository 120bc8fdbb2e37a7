"""Packages: the public SDKs, installed from PyPI and npm into a cache folder, in the versions that are pinned here.

Nothing of them is part of the project. The Python SDKs get a folder each, because they contradict one another:
analytics-python wants backoff 1.10, the others 2; and it brings a package `segment` of its own.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
MANIFESTS = (HERE / "npm/package.json", HERE / "npm/package-lock.json")
NEEDED = "these tests need node 18 or later, npm, Chromium: apt install nodejs npm chromium chromium-driver"


@dataclass(frozen=True, slots=True)
class Packages:
    """Where the packages are: `python` holds a folder for each requirements file, `node` node_modules and bundles."""

    python: Path
    node: Path

    def bundle(self, name: str) -> bytes:
        """A browser client and its SDK as one script."""
        outfile = self.node / "bundles" / name
        options = ["--bundle", "--format=iife", "--log-level=error", f"--outfile={outfile}"]
        environ = os.environ | {"NODE_PATH": str(self.node / "node_modules")}
        call([str(self.node / "node_modules/.bin/esbuild"), str(CLIENTS / name), *options], env=environ)
        return outfile.read_bytes()


def installed(cache: Path) -> Packages:
    """Installs what is not in the cache yet. A folder's name says what it was made from."""
    for program in ("node", "npm", "chromium", "chromedriver"):
        assert shutil.which(program), f"{program} is not installed; {NEEDED}"
    python, node = cache / "python", cache / "node"
    python.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(_once, node, MANIFESTS, _npm)]
        for file in (HERE / "python").glob("*.txt"):
            jobs.append(pool.submit(_once, python / file.stem, [file], partial(_pip, file)))
        for job in jobs:
            job.result()
    return Packages(python, node)


def call(command: Sequence[str], **options: object) -> None:
    """Runs a command; its output is the reason if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def _once(folder: Path, sources: Sequence[Path], install: Callable[[Path], None]) -> Path:
    made_from = hashlib.sha256(sys.version.encode() + b"".join(file.read_bytes() for file in sources)).hexdigest()
    mark = folder / "made-from"
    if not (mark.exists() and mark.read_text() == made_from):
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:  # what is half done is never taken for whole
            made = Path(draft) / "folder"
            made.mkdir()
            install(made)
            (made / "made-from").write_text(made_from)
            made.rename(folder)
    return folder


def _pip(requirements: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    call([*command, "--target", str(folder), "--requirement", str(requirements)])


def _npm(folder: Path) -> None:
    for manifest in MANIFESTS:
        shutil.copy(manifest, folder)
    call(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
