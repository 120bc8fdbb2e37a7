"""Forget: erasing a person from everything that is stored."""

from collections import Counter
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict

from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.routes import Noun
from signal_actor.store import persons, upkeep
from signal_actor.store.persons import Person

forget = Noun("forget")


class Who(BaseModel):
    """One of user_id, anonymous_id and email; in one pipeline, or in all."""

    model_config = ConfigDict(extra="forbid")

    user_id: str | None = None
    anonymous_id: str | None = None
    email: str | None = None
    pipeline: str | None = None


class Receipt(BaseModel):
    """What was erased. Attempts that were about others too keep their figures and lose their texts."""

    events: int
    deliveries: int
    attempts_erased: int
    attempts_blanked: int
    identities: int


@forget.post("/forget", role="admin")
async def erase(office: Office, caller: Caller, body: Who) -> Receipt:
    """Erase a person from events, identities, deliveries and attempts."""
    person = Person(**body.model_dump())
    person.check()
    receipt = Counter(persons.NOTHING)
    for _ in range(persons.ROUNDS):
        found = await office.database.search(persons.find, person)
        if not any(asdict(found).values()):
            break
        erased = Counter[str]()
        for piece in persons.pieces(found):
            erased.update(await office.database.run(persons.erase, now=office.now(), **piece))
        receipt.update(erased)
        if not any(erased.values()):
            break
    await office.database.run(persons.record, person, dict(receipt), author=caller.name, now=office.now())
    office.database.writer.between_groups(office.database.read(upkeep.scrub))
    return Receipt(**receipt)
