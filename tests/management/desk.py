"""Desk: somebody at the Management API, with a token. Every answer is held against the API's own description."""

import re
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from signal_actor.management.api import document
from tests.service.house import House

ADMIN = "an-admin-token-for-tests"
API = "/v1/admin"


class Desk:
    """Requests with a token; paths are relative to the API."""

    def __init__(self, house: House, token: str | None = ADMIN) -> None:
        self.house = house
        self.token = token

    async def colleague(self, role: str) -> "Desk":
        made = await self.ok("POST", "/tokens", {"name": f"{role}'s", "role": role}, status=201)
        return Desk(self.house, made["token"])

    async def ask(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = self.house.ready.admin + API + path
        given = {"content": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
        response = await self.house.client.request(method, url, headers=headers, params=params, **given)
        hold_against_description(method, path, response)
        return response

    async def ok(self, method: str, path: str, body: Any = None, *, status: int = 200, **params: Any) -> Any:
        response = await self.ask(method, path, body, **params)
        assert response.status_code == status, f"{response.status_code} {response.text}"
        return response.json() if response.content else None

    async def refused(self, status: int, method: str, path: str, body: Any = None, **params: Any) -> str:
        """The message of the error that comes; its shape is checked."""
        response = await self.ask(method, path, body, **params)
        assert response.status_code == status, f"{response.status_code} {response.text}"
        error = response.json()
        assert error.keys() == {"error", "code", "message"}
        assert error["error"] == error["code"]
        return str(error["message"])

    async def all(self, path: str, *, limit: int, **params: Any) -> list[Any]:
        """A whole list, page by page."""
        found: list[Any] = []
        cursor: dict[str, str] = {}
        for _ in range(1000):
            page = await self.ok("GET", path, limit=limit, **params, **cursor)
            assert len(page["data"]) <= limit
            assert page["has_more"] is (page["next_cursor"] is not None)
            found += page["data"]
            if not page["has_more"]:
                return found
            cursor = {"cursor": page["next_cursor"]}
        raise AssertionError("the list has no end")

    async def integration(self, slug: str) -> dict[str, Any]:
        return next(item for item in await self.all("/integrations", limit=100) if item["slug"] == slug)


def hold_against_description(method: str, path: str, response: httpx.Response) -> None:
    """Fails unless the answer is as the OpenAPI document says."""
    if response.headers.get("content-type") != "application/json":
        return
    operation = _operation(method, API + path)
    if operation is None:
        assert response.status_code >= 400
        return
    described = operation["responses"].get(str(response.status_code))
    if described is None:
        assert response.status_code in (405, 413, 500), f"{method} {path} answers {response.status_code}, which is news"
        return
    schema = {**described["content"]["application/json"]["schema"], "components": document()["components"]}
    Draft202012Validator(schema).validate(response.json())


def _operation(method: str, path: str) -> Any:
    for pattern, operations in _patterns():
        if pattern.fullmatch(path) and method.lower() in operations:
            return operations[method.lower()]
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], Any]]:
    paths = document()["paths"]
    templates = sorted(paths, key=lambda path: path.count("{"))  # a literal name goes before a parameter
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), paths[path]) for path in templates]
