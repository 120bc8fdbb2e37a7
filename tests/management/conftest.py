"""Fixtures: a running house and people who manage it."""

import pytest

from tests.management.desk import ADMIN, Desk
from tests.service.conftest import OpenHouse, commander, open_house, sandbox
from tests.service.house import House, tables

__all__ = ["commander", "open_house", "sandbox"]


@pytest.fixture
async def house(open_house: OpenHouse, sandbox) -> House:  # type: ignore[no-untyped-def]
    """A pipeline with all four vendors, and an admin token that the operator fixed."""
    return await open_house(tables(sandbox), admin_token=ADMIN)


@pytest.fixture
def admin(house: House) -> Desk:
    return Desk(house)


@pytest.fixture
async def editor(admin: Desk) -> Desk:
    return await admin.colleague("editor")


@pytest.fixture
async def viewer(admin: Desk) -> Desk:
    return await admin.colleague("viewer")
