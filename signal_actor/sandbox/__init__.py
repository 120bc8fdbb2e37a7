"""Sandbox: the vendors' published rules as real HTTP servers, to develop, test and demonstrate against.

    async with trio.open_nursery() as nursery:
        sandbox = await nursery.start(serve)
        sandbox.insider.url                                        # the base address; `endpoint` of an integration
        sandbox.insider.hint                                       # the whole `config` of an integration
        sandbox.ninetailed.faults.add(status=503, times=2)         # the next two requests fail
        sandbox.ometria.faults.add(cut="midway", when="after")     # stored, but the sender does not learn it
        sandbox.ninetailed.configure(strict=True)
        await sandbox.ometria.ledger.wait_for(3)                   # three different records accepted
        assert sandbox.ometria.ledger.ids == ["a", "b", "c"] and not sandbox.ometria.ledger.duplicates
        nursery.cancel_scope.cancel()

The rules are pure (`ninetailed.py`, `insider.py`, `ometria.py`, `webhook.py`), written from the vendors' pages and not
from our destinations, with which they share no code: an error on one side shows on the other. `control.py` offers the
same over HTTP. Nothing here is meant to face the internet.
"""

from signal_actor.sandbox.fake import Fake
from signal_actor.sandbox.faults import Fault, Faults
from signal_actor.sandbox.ledger import Entry, Ledger
from signal_actor.sandbox.serving import VENDORS, Sandbox, serve
from signal_actor.sandbox.vendor import Item, Vendor

__all__ = ["VENDORS", "Entry", "Fake", "Fault", "Faults", "Item", "Ledger", "Sandbox", "Vendor", "serve"]
