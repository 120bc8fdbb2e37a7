"""Visit: a first visitor, so that there is something to see without a browser. What it calls is in the documents."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx

WIDGET = {
    "product_id": "SKU-A",
    "product_name": "Widget",
    "category": "Tools",
    "price": 49.99,
    "currency": "USD",
}
JANE = {"email": "jane.doe@example.com", "firstName": "Jane", "phone": "+447700900123", "plan": "pro"}
ORDER = {
    "order_id": "ORDER-1",
    "total": 49.99,
    "currency": "USD",
    "products": [{"product_id": "SKU-A", "name": "Widget", "price": 49.99, "quantity": 1}],
}
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("p", {"type": "page", "name": "Product Detail", "properties": {"path": "/p/widget", "title": "Widget"}}),
    ("i", {"type": "identify", "userId": "user-123", "traits": JANE}),
    ("t", {"type": "track", "event": "Product Viewed", "properties": WIDGET}),
    ("t", {"type": "track", "event": "Order Completed", "properties": ORDER}),
)
CONTEXT = {
    "page": {"url": "https://example.com/p/widget", "path": "/p/widget", "referrer": "", "search": ""},
    "consent": {"functional": True, "analytics": True, "marketing": True, "personalization": True},
}


async def visit(ingest: str, key: str, origin: str) -> AsyncGenerator[tuple[dict[str, Any], httpx.Response], None]:
    """Each call with its answer. One browser: the cookie of the first answer goes with all others."""
    headers = {"Origin": origin, "Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=ingest, headers=headers, trust_env=False) as client:
        for letter, body in CALLS:
            yield body, await client.post(f"/v1/{letter}", json={**body, "context": CONTEXT})
