"""Variants: the mapping documents that ship with a destination, read from the TOML file beside its code.

[rows.NAME]                 rows that several rules share
[variants.NAME.page]        a rule, as `mapping.py` describes it, that may begin with `rows = ["NAME", ...]`
[variants.NAME]             `extends = "OTHER"`: only the changes to another variant are written, as a merge patch
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from signal_actor import mapping


def load(name: str) -> dict[str, dict[str, Any]]:
    """The variants in `NAME.toml`, complete."""
    file = tomllib.loads(resources.files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    variants: dict[str, dict[str, Any]] = {}
    for variant, document in file["variants"].items():
        changes = {key: part for key, part in document.items() if key != "extends"}
        base = variants.get(document.get("extends", ""), {})
        variants[variant] = mapping.merge(base, _expand(changes, file.get("rows", {})))
    return variants


def _expand(document: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    tracks = {name: _rule(rule, shared) for name, rule in document.get("track", {}).items()}
    rules = {key: _rule(rule, shared) for key, rule in document.items() if key != "track"}
    return rules | {"track": tracks}


def _rule(rule: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Later rows replace earlier ones of the same target, and the rule's own come last."""
    fields: dict[str, Any] = {}
    for name in rule.get("rows", []):
        fields |= shared[name]
    fields |= rule.get("fields", {})
    return {key: part for key, part in rule.items() if key != "rows"} | ({"fields": fields} if fields else {})
