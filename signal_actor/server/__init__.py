"""Server: hypercorn's HTTP/1.1 on Trio, made safe against strangers and fast enough.

    serve()  listener.py    opens the port, admits connections, closes the doors in order
      └── Connection        connection.py    one peer, one task: a request, its answer, the next request
            └── Exchange    exchange.py      one request as the application sees it: ASGI's receive and send

What is hypercorn's: the ASGI scope and state machine (`HTTPStream`), the framing of answers (`H11Protocol`, over h11).
What is ours: who reads, and when. hypercorn pushes what arrives at a task per request and keeps a timer task per
connection; here the connection's own task runs the application, which pulls its body from the socket. That is two to
three times faster, leaves nothing to go out of step, and gives every wait for a stranger one deadline in plain sight.

Applications know only ASGI (`http` scopes), so another server can take this one's place. There is no lifespan protocol:
a Quart application needs it only for `before_serving`, `while_serving`, `after_serving` and background tasks, and then
whoever calls `serve` sets `app.nursery` and awaits `app.startup()` before it and `app.shutdown()` after it.
"""

from signal_actor.server.limits import Limits
from signal_actor.server.listener import serve

__all__ = ["Limits", "serve"]
