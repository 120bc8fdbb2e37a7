"""Delivery, the pure part: what decides a delivery's fate, and what travels together. `dispatch/` acts on it."""
