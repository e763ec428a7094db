"""Reading the members of a body somebody sent: bounded, and with everything that is wrong told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from app.services.selvbetjening.errors import Invalid, invalid
from app.trust.sts.registered import ClientClaim
from app.trust.sts.request import is_loopback
from app.trust.sts.structures import is_orgnr

MAX_TEXT: Final = 500
MAX_ITEMS: Final = 200
_MAX_URI: Final = 2000


def parse(body: bytes) -> Any:
    """The JSON of a body. Raises ``Invalid``."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid("", "the body is not JSON" if body.strip() else "the body is empty") from error


def parse_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body, members that are null left out: null means absent. Raises ``Invalid``."""
    value = parse(body)
    if not isinstance(value, dict):
        raise invalid("", "the body must be a JSON object")
    return {name: member for name, member in value.items() if member is not None}


class Fields:
    """The members of a body, and the faults found while they are read."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._faults: dict[str, list[str]] = {}

    def fault(self, name: str, text: str) -> None:
        self._faults.setdefault(name, []).append(text)

    def attempt(self, name: str, read: Callable[[Any], Any]) -> Any:
        """What ``read`` makes of the member, None when it is absent; an ``Invalid`` it raises is kept as a fault."""
        if name not in self._body:
            self.fault(name, "the member is required")
            return None
        try:
            return read(self._body[name])
        except Invalid as error:
            for texts in error.errors.values():
                for text in texts:
                    self.fault(name, text)
            return None

    def settle(self) -> None:
        """Raises ``Invalid`` with all faults, if there are any."""
        if self._faults:
            raise Invalid(self._faults)

    def text(self, name: str) -> str | None:
        """A text, None when absent or faulty."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value or len(value) > _MAX_URI or not value.isprintable():
            self.fault(name, "must be a text")
            return None
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, each once; empty when absent or faulty."""
        value = self._body.get(name, [])
        if (
            not isinstance(value, list)
            or len(value) > MAX_ITEMS
            or not all(isinstance(one, str) and 0 < len(one) <= MAX_TEXT and one.isprintable() for one in value)
        ):
            self.fault(name, f"must be a list of at most {MAX_ITEMS} texts of 1 to {MAX_TEXT} characters")
            return ()
        return tuple(dict.fromkeys(value))

    def organisations(self, name: str) -> tuple[str, ...]:
        numbers = self.texts(name)
        if not all(is_orgnr(number) for number in numbers):
            self.fault(name, "an organisation number has nine digits")
        return numbers

    def redirects(self, name: str) -> tuple[str, ...]:
        """Addresses a browser may be sent to: https, or http on loopback (B6)."""
        uris = self.texts(name)
        if not all(_may_be_sent_to(uri) for uri in uris):
            self.fault(name, "must be https addresses, or http ones on loopback, without a fragment")
        return uris

    def within(self, name: str, values: Sequence[str], allowed: Sequence[str]) -> None:
        """Fault the member for each of ``values`` that is not ``allowed``, naming it."""
        for value in values:
            if value not in allowed:
                self.fault(name, f"{value} is not allowed by the client template")

    def claims(self, name: str) -> tuple[ClientClaim, ...]:
        """A list of ``{"key", "value"}``, as claims that wait to be granted."""
        value = self._body.get(name, [])
        if not isinstance(value, list) or len(value) > MAX_ITEMS or not all(_is_pair(entry) for entry in value):
            self.fault(name, f"must be a list of objects with key and value, texts of 1 to {MAX_TEXT} characters")
            return ()
        claims = tuple(ClientClaim(entry["key"], pending=entry["value"]) for entry in value)
        if len({claim.type for claim in claims}) != len(claims):
            self.fault(name, "a key may occur once")
        return claims


def _is_pair(entry: object) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(name), str) and 0 < len(entry[name]) <= MAX_TEXT and entry[name].isprintable()
        for name in ("key", "value")
    )


def _may_be_sent_to(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(name) and "#" not in uri and (parts.scheme == "https" or is_loopback(uri))
