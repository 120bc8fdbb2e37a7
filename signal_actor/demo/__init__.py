"""Demo: first contact. A shop that you can visit, sandbox vendors on loopback, and every event on its way to them.

terminal.py   what is printed, until Ctrl-C
scene.py      who plays: vendors, service and shop, started together
shop.py       the shop's own web server          site/   its pages
happened.py   what became of the events, read from the database as anybody may read it
visit.py      a first visitor, so that there is something to see without a browser
"""

from signal_actor.demo.scene import KEY, Demo, running
from signal_actor.demo.terminal import main

__all__ = ["KEY", "Demo", "main", "running"]
