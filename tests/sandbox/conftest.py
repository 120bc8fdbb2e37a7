"""Fixtures: running fake vendors, and a client that can reach them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio

from signal_actor.sandbox import Fake, Sandbox, serve
from tests.sandbox.examples import EVENTS, INSIDER_HEADERS, OMETRIA_HEADERS


class Sender:
    """A client of one fake vendor: `post` sends what its endpoint takes."""

    def __init__(self, fake: Fake[Any], client: httpx.AsyncClient) -> None:
        self.fake = fake
        self.client = client

    async def post(self, document: Any, **headers: str) -> httpx.Response:
        path, credentials = {
            "ninetailed": (EVENTS, {}),
            "insider": ("/api/user/v1/upsert", INSIDER_HEADERS),
            "ometria": ("/v2/push", OMETRIA_HEADERS),
            "webhook": ("/events", {}),
        }[self.fake.slug]
        return await self.client.post(self.fake.url + path, json=document, headers=credentials | headers)


@pytest.fixture
async def sandbox(nursery: trio.Nursery) -> Sandbox:
    running = await nursery.start(serve)
    assert isinstance(running, Sandbox)
    return running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5) as client:
        yield client


@pytest.fixture
def ninetailed(sandbox: Sandbox, client: httpx.AsyncClient) -> Sender:
    return Sender(sandbox.ninetailed, client)


@pytest.fixture
def insider(sandbox: Sandbox, client: httpx.AsyncClient) -> Sender:
    return Sender(sandbox.insider, client)


@pytest.fixture
def ometria(sandbox: Sandbox, client: httpx.AsyncClient) -> Sender:
    return Sender(sandbox.ometria, client)


@pytest.fixture
def webhook(sandbox: Sandbox, client: httpx.AsyncClient) -> Sender:
    return Sender(sandbox.webhook, client)
