"""Insider's orders: a cart or an order that lists products, taken apart into one event per product."""

from collections.abc import Mapping
from typing import Any

from signal_actor.converters import number
from signal_actor.delivery.rules import Skipped
from signal_actor.destinations.payload import encode
from signal_actor.event import Event

MOST_PRODUCTS = 1_000  # ours: a list this long is no shopping cart, and each product costs an event
MOST_BYTES = 5_000_000  # Unification API: bytes per request

# What speaks of a single product. In an order that lists products, its own say it.
OF_A_PRODUCT = frozenset({"quantity", "price", "sale_price", "unit_price", "unit_sale_price"})
# What speaks of the whole order, also where a product has something of the same name.
OF_THE_ORDER = ("event_group_id", "order_id", "transaction_id", "cart_id", "checkout_id", "total")


def lines(event: Event) -> tuple[list[Event], tuple[str, ...]] | Skipped:
    """The event once per product, with the order's properties and the product's, and notes; none if it lists none."""
    properties = event.get("properties")
    listed = properties.get("products") if isinstance(properties, dict) else None
    products = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    if not products or not isinstance(listed, list) or not isinstance(properties, dict):
        return [], ()
    order = {key: value for key, value in properties.items() if key not in OF_A_PRODUCT and key != "products"}
    if len(products) > MOST_PRODUCTS:
        return Skipped(f"the order lists {len(products)} products, and at most {MOST_PRODUCTS} are sent")
    if len(encode(order)) * len(products) > MOST_BYTES:  # before memory is spent on the copies
        return Skipped(f"with the order's own properties on each product it has more than {MOST_BYTES} bytes")
    notes = [f"properties.{key} left out: each product has its own" for key in sorted(OF_A_PRODUCT & properties.keys())]
    if len(products) < len(listed):
        notes.append(f"properties.products: {len(listed) - len(products)} left out that are no objects")
    whole = {key: order[key] for key in OF_THE_ORDER if order.get(key) is not None}
    return [{**event, "properties": {**order, **product, **whole}} for product in products], tuple(notes)


def total(event: Event) -> int | float | None:
    """What the order costs, by the names that shops use for it."""
    properties = event.get("properties")
    if not isinstance(properties, Mapping):
        return None
    for name in ("total", "revenue", "value", "subtotal"):
        if (amount := _amount(properties.get(name))) is not None:
            return amount
    return None


def _amount(value: Any) -> int | float | None:
    try:
        return number(value)
    except ValueError:
        return None
