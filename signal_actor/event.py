"""Event: what a browser or a server said, checked and brought into one form."""

from typing import Any

Event = dict[str, Any]
"""A normalised event, as it is stored, mapped and shown. JSON, camelCase as on the wire; unknown keys are kept.

    type               track, page, identify, group, alias or screen
    messageId          stable id; the same on every retry
    timestamp          when it happened, corrected for the client's clock; ISO 8601, milliseconds, Z
    originalTimestamp  what the client said it was, same form
    receivedAt         when it was accepted, same form
    anonymousId        the visitor; absent only for events that know nothing but a user
    userId             the user, from the event itself or from an earlier identify of the visitor
    event              track: the event's name
    name               page, screen: the page's name
    groupId, previousId
    properties         track, page, screen: an object, may be empty
    traits             identify, group: an object, may be empty
    context            an object: page, locale, campaign, userAgent, library, ..., and
    context.traits     what is known about the user (email, phone, ...), from an earlier identify; identify: its own
    context.consent    what is known about consent, {category: bool}; absent if nothing is known
"""
