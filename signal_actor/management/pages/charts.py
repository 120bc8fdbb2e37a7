"""Charts: figures as geometry. Templates draw it as SVG, with the same figures in words beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from signal_actor.store.ids import DAY, HOUR, MINUTE

WIDTH = 480.0  # user units; about what one takes up on a screen, so that its texts keep their size
GAP = 1.0  # between bars
ROUND = (
    *(MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR),
    *(DAY, 2 * DAY, 5 * DAY),
)
NICE = (1, 2, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle. `tone` is a class of the style sheet, `title` what it says when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """Stacked bars over time. `ticks` are (x, text) below, `grid` (y, text) at the left."""

    boxes: list[Box]
    ticks: list[tuple[float, str]]
    grid: list[tuple[float, str]]
    height: float


def bars(slots: Sequence[int], stacks: Mapping[int, Mapping[str, int]], *, step: int, height: float) -> Plot:
    """One bar for each slot of time (ms); a stack is a count by tone, lowest first."""
    top = nice(max((sum(stack.values()) for stack in stacks.values()), default=0))
    each = WIDTH / max(len(slots), 1)
    boxes = []
    for index, slot in enumerate(slots):
        at = height
        for tone, count in stacks.get(slot, {}).items():
            tall = count / top * height
            at -= tall
            if count:
                title = f"{stamp(slot, step)}: {count:,}"
                boxes.append(Box(index * each, round(at, 2), max(each - GAP, 0.8), round(tall, 2), tone, title))
    return Plot(boxes, _ticks(slots, each, step), [(0, f"{top:,.0f}"), (height / 2, f"{top / 2:,.0f}")], height)


def share(parts: Sequence[tuple[str, int]], width: float = WIDTH) -> list[Box]:
    """Parts of a whole, side by side; what is there at all is wide enough to be seen."""
    total = sum(count for _, count in parts)
    boxes, at = [], 0.0
    for tone, count in parts:
        if count:
            wide = max(count / total * width, 3.0)
            boxes.append(Box(round(at, 2), 0, round(wide, 2), 12, tone, f"{count:,}"))
            at += wide
    scale = width / at if at > width else 1.0
    return [Box(box.x * scale, 0, box.width * scale, 12, box.tone, box.title) for box in boxes]


def line(values: Sequence[float], width: float = 120.0, height: float = 26.0) -> str:
    """A sparkline's path."""
    top = max(values, default=0) or 1
    step = width / max(len(values) - 1, 1)
    points = (f"{index * step:.1f} {height - 1 - value / top * (height - 2):.1f}" for index, value in enumerate(values))
    return "M" + "L".join(points) if values else ""


def nice(value: float) -> float:
    """The next round number whose half is whole, at least 4: it is events that are counted."""
    size: int = 10 ** (len(str(int(max(value, 1)))) - 1)
    return max(next(size * each for each in NICE if size * each >= value and size * each % 2 == 0), 4)


def stamp(ms: int, step: int) -> str:
    """A slot's name, in UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%d %b" if step >= DAY else "%d %b %H:%M")


def _ticks(slots: Sequence[int], each: float, step: int) -> list[tuple[float, str]]:
    """At most seven, at round times."""
    every = next((size for size in ROUND if size >= step and len(slots) * step <= 7 * size), 7 * DAY)
    form = "%H:%M" if every < DAY else "%d %b"
    return [
        (index * each, datetime.fromtimestamp(slot / 1000, UTC).strftime(form))
        for index, slot in enumerate(slots)
        if slot % every == 0 and index * each < WIDTH - 30  # else it would hang over the edge
    ]
