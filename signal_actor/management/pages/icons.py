"""Icons: a handful of strokes on a grid of 24, drawn in the colour of the text around them."""

from markupsafe import Markup


def _ring(left: float, middle: float, radius: float) -> str:
    arc = f"a{radius} {radius} 0 1 0"
    return f"M{left} {middle}{arc} {2 * radius} 0{arc} {-2 * radius} 0"


PATHS = {
    "overview": "M4 19V11M10 19V5M16 19v-6M21 19H3",
    "live": "M3 12h4l3-8 4 16 3-8h4",
    "events": "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16.5 16.5 21 21",
    "integrations": "M4 5h6v6H4zM14 5h6v6h-6zM4 15h6v5H4zM17 15v5M14.5 17.5h5",
    "mappings": "M4 6h6M4 12h6M4 18h6M20 6h-3l-4 12h-3M20 18h-3l-1.5-4.5M20 12h-6",
    "pipelines": "M5 5v6a3 3 0 0 0 3 3h8a3 3 0 0 1 3 3v2" + _ring(3, 5, 2) + _ring(17, 19, 2),
    "settings": "M4 7h9M4 17h1M10 17h10" + _ring(13.5, 7, 2.5) + _ring(5.5, 17, 2.5),
    "menu": "M4 7h16M4 12h16M4 17h16",
    "logout": "M14 4h5v16h-5M3 12h11M10 8l4 4-4 4",
    "check": "M5 12l5 5L20 7",
    "warning": "M12 4 2.5 20h19zM12 10v4M12 17v.5",
    "plus": "M12 5v14M5 12h14",
}


def icon(name: str) -> Markup:
    """An icon that says nothing to a screen reader: the words beside it do."""
    return Markup(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{}"/></svg>'
    ).format(PATHS[name])
