"""Commander: runs commands in forks of one process that has imported everything, because importing takes longest."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]  # of the checkout, so that its code runs, installed or not


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a command may know, without the variables of whoever runs the tests."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("SIGNAL_") and key != "PORT"}
    return {**own, "COLUMNS": "200", **(changes or {})}


class Commander:
    """The client's side. One command at a time."""

    def __init__(self, folder: Path) -> None:
        self._outputs = [folder / "stdout", folder / "stderr"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )

    def __call__(self, *words: Any, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        arguments = [str(word) for word in words]
        order = {"arguments": arguments, "env": environment(env), "outputs": [str(path) for path in self._outputs]}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, *(path.read_text() for path in self._outputs))

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()


def obey() -> None:
    """The other side: an order a line, answered by the exit code."""
    from signal_actor.cli import main

    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            for descriptor, path in zip((0, 1, 2), (os.devnull, *order["outputs"]), strict=True):
                os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
            os.environ.clear()
            os.environ.update(order["env"])
            sys.argv = ["signal-actor", *order["arguments"]]
            _leave(main)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _leave(main: Callable[[], None]) -> None:
    """Ends this process as `main` wants, without taking down what was imported before the fork: that is most of it."""
    code: Any = 1
    try:
        main()
    except SystemExit as wish:
        code = wish.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    obey()
