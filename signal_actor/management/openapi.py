"""OpenAPI: the document that describes the Management API, made from the routes' own declarations."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from signal_actor import __version__
from signal_actor.management.auth import COOKIE
from signal_actor.management.routes import Noun, Route

REF = "#/components/schemas/{model}"
PARAMETER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
ERROR = {
    "type": "object",
    "required": ["error", "code", "message"],
    "properties": {name: {"type": "string"} for name in ("error", "code", "message")},
}
ERRORS = {
    "400": "The request is not as it has to be.",
    "401": "No token, or not a valid one.",
    "403": "The role does not suffice, or a page of another site asks.",
    "404": "There is no such thing.",
    "409": "The name is taken.",
    "413": "The body is too large.",
    "415": "The body's encoding is not gzip.",
    "421": "Asked for by a name that this machine does not go by.",
    "429": "Too many wrong tokens.",
    "503": "Overloaded; try again shortly.",
}


def document(nouns: Iterable[Noun]) -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    routes = [(noun, route) for noun in nouns for route in noun.routes]
    schemas, definitions = _schemas([route for _, route in routes])
    paths: dict[str, dict[str, Any]] = {}
    for noun, route in routes:
        path = PARAMETER.sub(r"{\g<name>}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(noun, route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Signal Actor Management API",
            "version": __version__,
            "description": "Lists come in pages: `next_cursor` goes into `cursor`. PATCH is a JSON merge patch.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {**definitions, "Error": ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
        "tags": [{"name": noun.name} for noun in nouns],
    }


def _operation(noun: Noun, route: Route, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done."}
    hint = route.hints["return"]
    if (hint, "serialization") in schemas:
        answer["content"] = {"application/json": {"schema": schemas[hint, "serialization"]}}
    elif route.status == 200:
        answer["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    operation: dict[str, Any] = {
        "operationId": f"{noun.name}_{route.handler.__name__}",
        "tags": [noun.name],
        "summary": route.summary,
        "description": f"Role: {route.role}.",
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {str(route.status): answer, **{status: _error(text) for status, text in ERRORS.items()}},
    }
    body = _body(route)
    if body is not None:
        kind = "application/merge-patch+json" if route.method == "PATCH" else "application/json"
        content = {"schema": schemas[body, "validation"]}
        wanted = route.method != "PATCH" and "required" in body.model_json_schema()
        operation["requestBody"] = {"required": wanted, "content": {"application/json": content} | {kind: content}}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": found["name"],
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if found["kind"] == "int" else "string"},
        }
        for found in PARAMETER.finditer(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    model = route.hints.get("query")
    if model is None:
        return []
    schema = model.model_json_schema()
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": part}
        for name, part in schema["properties"].items()
    ]


def _body(route: Route) -> type[BaseModel] | None:
    hint = route.hints.get("body")
    return route.shape if route.shape is not None else hint


def _error(description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": REF.format(model="Error")}}}
    return {"description": description, "content": content}


def _schemas(routes: list[Route]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """Schemas by model and direction, and what they refer to. Models of one name in two files are told apart."""
    wanted: dict[tuple[Any, JsonSchemaMode], TypeAdapter[Any]] = {}
    for route in routes:
        if (body := _body(route)) is not None:
            wanted[body, "validation"] = TypeAdapter(body)
        if route.answers:
            wanted[route.hints["return"], "serialization"] = TypeAdapter(route.hints["return"])
    inputs = [(key, key[1], adapter) for key, adapter in wanted.items()]
    made, shared = TypeAdapter.json_schemas(inputs, ref_template=REF)
    schemas, definitions = {key: schema for (key, _), schema in made.items()}, shared.get("$defs", {})
    for route in routes:
        if route.method == "PATCH" and route.shape is not None:
            model = definitions[schemas[route.shape, "validation"]["$ref"].rpartition("/")[2]]
            model["properties"] = _nullable(model["properties"])
    return schemas, definitions


def _nullable(properties: dict[str, Any]) -> dict[str, Any]:
    """A merge patch's: null takes a key out, and a key that is left out has no default."""
    bare = {name: {key: value for key, value in part.items() if key != "default"} for name, part in properties.items()}
    null = {"type": "null"}
    return {name: part if null in part.get("anyOf", ()) else {"anyOf": [part, null]} for name, part in bare.items()}
