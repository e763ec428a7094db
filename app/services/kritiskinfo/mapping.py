"""From what a caller sends to what is stored: read, and given the elements that are the service's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.errors import Reason, Refusal
from app.services.kritiskinfo import elements
from app.services.kritiskinfo.codes import INFECTIONS
from app.services.kritiskinfo.elements import Json
from app.services.kritiskinfo.errors import rule

MAX_DEPTH: Final = 32
_MARKUP: Final = re.compile(r"<[a-z!/?]|javascript\s*:|&#|\bon[a-z]+\s*=\s*[\"']", re.IGNORECASE)
_GUIDE_BASE: Final = "https://sandkasse.invalid/smitte/"


def read(body: bytes, type_: str) -> dict[str, Any]:
    """The resource in a request body: JSON, of the type of the address, and valid FHIR R4 without markup.

    Slow the first time, when the models are loaded; meant for a thread. Raises ``Refusal``: BODY_INVALID, or
    CONTENT_INVALID for markup.
    """
    try:
        resource = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _unreadable("the body is not JSON") from None
    if not isinstance(resource, dict) or resource.get("resourceType") != type_:
        raise _unreadable(f"the body must be a resource of type {type_}", "resourceType")
    if not elements.depth(resource, MAX_DEPTH):
        raise _unreadable(f"the body is nested more than {MAX_DEPTH} deep")
    for path, text in elements.texts(resource):
        if _MARKUP.search(text):
            raise rule("the text has markup or script in it", path)
    _require_fhir(resource, type_)
    return resource


def stored(resource: Json) -> dict[str, Any]:
    """The content to store: without the service's own elements a caller sent, with those the service gives.

    ``id`` and the rest of ``meta`` are added when it is stored.
    """
    content: dict[str, Any] = _without_information(resource)
    content.pop("id", None)
    content["meta"] = {"profile": resource["meta"]["profile"]}
    return content


def with_infection_guide(content: Json) -> dict[str, Any]:
    """An infection with the address of what to do about it, on each coding of the list of infections."""
    code = content["code"]
    guided = [_guided(coding) for coding in code.get("coding", ())]
    return {**content, "code": {**code, "coding": guided}}


def _guided(coding: Mapping[str, Any]) -> Mapping[str, Any]:
    if coding.get("system") != INFECTIONS:
        return coding
    guide = {"url": elements.url(elements.INFECTION_GUIDE), "valueUrl": f"{_GUIDE_BASE}{coding['code']}"}
    return {**coding, "extension": [*coding.get("extension", ()), guide]}


def _without_information(element: Any) -> Any:
    if isinstance(element, list):
        return [_without_information(each) for each in element]
    if not isinstance(element, Mapping):
        return element
    kept = {name: _without_information(each) for name, each in element.items() if name != "extension"}
    left = [
        _without_information(each)
        for each in element.get("extension", ())
        if elements.extension_name(each) not in elements.INFORMATION
    ]
    return {**kept, "extension": left} if left else kept


def _require_fhir(resource: Mapping[str, Any], type_: str) -> None:
    # Imported here: the models take a second to load, and most processes never need them.
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    try:
        get_fhir_model_class(type_).model_validate(resource)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        steps = [str(step) for step in first["loc"] if not isinstance(step, int)]
        raise _unreadable(f"not FHIR R4: {first['msg']}", ".".join(steps), type_) from None


def _unreadable(detail: str, path: str = "", type_: str = "") -> Refusal:
    location = ".".join(part for part in (type_, path) if part)
    return Refusal(Reason.BODY_INVALID, detail, source="kritisk-info.md §3.2", extra={"location": location})
