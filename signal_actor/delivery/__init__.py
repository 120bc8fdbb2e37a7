"""Delivery: getting what is owed to one integration to its vendor, once the outcome is known and committed."""
