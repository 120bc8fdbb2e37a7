"""Desk: somebody at the Management API, with a token."""

from typing import Any

import httpx

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
        given = {} if body is None else {"json": body}
        return await self.house.client.request(method, url, headers=headers, params=params, **given)

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

    async def integration(self, slug: str) -> dict[str, Any]:
        found = await self.ok("GET", "/integrations")
        return next(item for item in found["data"] if item["slug"] == slug)
