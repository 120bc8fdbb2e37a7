"""Login: one-time links that open a session, for those who have the terminal but no token at hand."""

import secrets
from collections.abc import Callable

LINK_SECONDS = 900.0


class Links:
    """Login links that were given out and not used yet. They live as long as the process, at the most."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[str, float] = {}

    def create(self, *, seconds: float = LINK_SECONDS) -> str:
        """A link's path; whoever opens it first, within so many seconds, is logged in as admin."""
        text = secrets.token_urlsafe(24)
        self._open[text] = self._clock() + seconds
        return f"/login?token={text}"

    def use(self, text: str) -> bool:
        """Whether the link is good, which it is once."""
        until = self._open.pop(text, None)
        return until is not None and self._clock() <= until
