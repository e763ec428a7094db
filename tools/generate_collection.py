"""Writes the Postman collection of ``docs/collections`` from the OpenAPI documents of the services.

usage: python -m tools.generate_collection

Postman, Bruno and Insomnia read it. A folder stands for a service, a request for an operation. Folders of services
that take tokens have a script which orders token and DPoP proof of the control API before each request.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from app.clock import ManualClock
from app.core import Core
from app.directory import BY_NAME, SERVICES, Service
from app.ids import SeededIds
from app.main import assemble
from app.routers.explorer import EXAMPLE_PATIENT
from app.routers.fills import FILL
from app.settings import Settings
from app.store.engine import Store
from tools.pages.control_api import operations

NAME: Final = "collections/sandkasse.postman_collection.json"
_SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_ID: Final = "0f5a4c1e-3f0b-4a3e-9a5c-5a6d6b617373"
_ROOT: Final = "{{baseUrl}}{{sandbox}}"
_VARIABLES: Final = (
    ("baseUrl", "http://localhost:8000", "Where the sandbox runs."),
    ("sandbox", "", "Empty for the default sandbox, /s/<name> for another."),
    ("patient", EXAMPLE_PATIENT, "National identity number of a synthetic person; this is P01."),
    ("persona", "H01", "Who is logged in: the id of a health worker, a number, or hpr:…"),
    ("adminKey", "", "Key of the control API, when the installation demands one."),
)
_FILLED: Final = {"patient": "{{patient}}", "correlation": "{{$guid}}"}
_BY_SCRIPT: Final = frozenset({"authorization", "dpop"})  # headers a script sets
_VALUES: Final = {  # of path and query parameters without an example
    "person_id": "P01",
    "practitioner_id": "H01",
    "organisation_id": "O01",
    "client_id": "sandkasse-epj",
    "name": "default",
    "service": "pps",
    "client": "sandkasse-epj",
}
_DESCRIPTION: Final = """\
Every operation of the sandbox, generated from its OpenAPI documents. Set baseUrl, sandbox (/s/<name>) and patient;
adminKey only where the installation demands one.

Requests of services that take HelseID tokens need no set-up: a script orders access token and DPoP proof from
POST {{baseUrl}}{{sandbox}}/_sandbox/v1/tokens for each request. Everyone in the sandbox is synthetic."""
_SCRIPT: Final = """\
// A token and a DPoP proof for this very request, without a login: the control API makes both.
// Your own client logs in at {{baseUrl}}{{sandbox}}/helseid instead.
const order = {
  url: pm.variables.replaceIn(pm.request.url.toString()).split("?")[0],
  method: pm.request.method,
  %(who)s
};
pm.sendRequest({
  url: pm.variables.replaceIn("{{baseUrl}}{{sandbox}}/_sandbox/v1/tokens"),
  method: "POST",
  header: {"Content-Type": "application/json", "X-Admin-Key": pm.variables.get("adminKey") || ""},
  body: {mode: "raw", raw: JSON.stringify(order)},
}, (error, answer) => {
  if (error || answer.code !== 201) {
    throw new Error("no token: " + (error || answer.text()));
  }
  for (const [key, value] of Object.entries(answer.json().headers)) {
    pm.request.headers.upsert({key, value});
  }
});"""
_PERSON: Final = 'persona: pm.variables.get("persona"),'
_MACHINE: Final = 'client: "sandkasse-maskin",'


def render() -> str:
    """The collection as JSON; the same documents give the same bytes."""
    documents = descriptions()
    collection = {
        "info": {"_postman_id": _ID, "name": "Sandkasse", "description": _DESCRIPTION, "schema": _SCHEMA},
        "variable": [{"key": key, "value": value, "description": text} for key, value, text in _VARIABLES],
        "item": [_folder(BY_NAME[name], document) for name, document in documents.items()],
    }
    return json.dumps(collection, indent=1, ensure_ascii=False) + "\n"


def descriptions() -> dict[str, Mapping[str, Any]]:
    """The OpenAPI document of each service in the order of the directory, made without starting anything."""
    clock = ManualClock(0.0)
    core = Core(Settings(), Store("sqlite://", clock), clock, SeededIds("collection"))
    services = assemble(core)
    found: dict[str, Mapping[str, Any]] = {
        service.name: services[service.name].openapi() for service in SERVICES if service.name in services
    }
    core.store.close()
    return found


def _folder(service: Service, document: Mapping[str, Any]) -> dict[str, Any]:
    items = [_item(service, document, *found) for found in operations(document)]
    folder = {"name": service.title, "description": document["info"].get("description", ""), "item": items}
    if not service.rule.credential.startswith("helseid"):
        return folder
    lines = (_SCRIPT % {"who": _PERSON if service.rule.user else _MACHINE}).splitlines()
    return {**folder, "event": [{"listen": "prerequest", "script": {"type": "text/javascript", "exec": lines}}]}


def _item(
    service: Service, document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> dict[str, Any]:
    parameters: Sequence[Mapping[str, Any]] = operation.get("parameters", ())
    request: dict[str, Any] = {
        "method": method.upper(),
        "header": [],
        "url": _url(service, path, parameters),
        "description": operation.get("description", ""),
    }
    if service.rule.credential == "admin":
        request["header"].append({"key": "X-Admin-Key", "value": "{{adminKey}}"})
    request["header"] += [
        _header(each) for each in parameters if each["in"] == "header" and each["name"].lower() not in _BY_SCRIPT
    ]
    content = (operation.get("requestBody") or {}).get("content", {})
    for media, described in content.items():
        request["header"].append({"key": "Content-Type", "value": media})
        request["body"] = _body(document, media, described)
        break
    return {"name": operation.get("summary", path), "request": request, "response": []}


def _url(service: Service, path: str, parameters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = [each["name"] for each in parameters if each["in"] == "path"]
    for name in names:
        path = path.replace(f"{{{name}}}", f":{name}")
    whole = service.mount + path
    url: dict[str, Any] = {
        "raw": _ROOT + whole,
        "host": [_ROOT],
        "path": whole.removeprefix("/").split("/"),
    }
    if names:
        url["variable"] = [{"key": name, "value": _VALUES.get(name, "")} for name in names]
    query = [
        _optional(each, _example(each) or _VALUES.get(each["name"], "")) for each in parameters if each["in"] == "query"
    ]
    if query:
        wanted = "&".join(f"{each['key']}={each['value']}" for each in query if not each.get("disabled"))
        url["raw"] += f"?{wanted}" if wanted else ""
        url["query"] = query
    return url


def _header(parameter: Mapping[str, Any]) -> dict[str, Any]:
    fill = parameter.get(FILL)
    if fill in _FILLED:
        return {"key": parameter["name"], "value": _FILLED[fill], **_told(parameter)}
    return _optional(parameter, _example(parameter))


def _optional(parameter: Mapping[str, Any], value: str) -> dict[str, Any]:
    """A header, query or form member; what is not required is there, and not sent until somebody ticks it."""
    found = {"key": parameter["name"], "value": value, **_told(parameter)}
    return found if parameter.get("required") else {**found, "disabled": True}


def _told(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": parameter["description"]} if "description" in parameter else {}


def _example(parameter: Mapping[str, Any]) -> str:
    schema = parameter.get("schema", {})
    found = parameter.get("example", schema.get("example", schema.get("default", "")))
    return next(iter(schema.get("enum", [""]))) if found == "" else str(found)


def _body(document: Mapping[str, Any], media: str, described: Mapping[str, Any]) -> dict[str, Any]:
    schema = _resolved(document, described.get("schema", {}))
    if media == "application/x-www-form-urlencoded":
        required = schema.get("required", ())
        members = [
            _optional({"name": name, "schema": each, "required": name in required, **each}, _example(each))
            for name, each in schema.get("properties", {}).items()
        ]
        return {"mode": "urlencoded", "urlencoded": members}
    sample = _sample(document, described, schema)
    text = sample if isinstance(sample, str) else json.dumps(sample, indent=2, ensure_ascii=False)
    language = "json" if "json" in media else "xml" if "xml" in media else "text"
    return {"mode": "raw", "raw": text, "options": {"raw": {"language": language}}}


def _sample(document: Mapping[str, Any], described: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """The example of a body: its own, else the first of its examples, else the first of its schema."""
    if "example" in described:
        return described["example"]
    for example in described.get("examples", {}).values():
        return example["value"]
    for example in schema.get("examples", ()):
        return example
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        return _sample(document, {}, _resolved(document, alternative))
    return "" if schema.get("type") == "string" else {}


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def main() -> int:
    path = Path("docs") / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
