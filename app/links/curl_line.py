"""A curl command line, read as the request curl would send."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, quote_plus

FORM: Final = "application/x-www-form-urlencoded"
_LARGEST_FILE: Final = 1_048_576
_SWITCHES: Final = frozenset(
    "fgikLnNqsSvZ0123#46" + "jpJOR"
)  # short options without a value that do not change the request
_LONG_SWITCHES: Final = frozenset(
    {
        "compressed",
        "fail",
        "fail-with-body",
        "globoff",
        "http1.1",
        "http2",
        "include",
        "insecure",
        "location",
        "no-buffer",
        "no-progress-meter",
        "path-as-is",
        "silent",
        "show-error",
        "verbose",
    }
)
_WITH_VALUE: Final = frozenset(
    {
        "cacert",
        "cert",
        "connect-timeout",
        "cookie-jar",
        "key",
        "max-time",
        "output",
        "proxy",
        "resolve",
        "retry",
        "write-out",
        "c",
        "E",
        "m",
        "o",
        "w",
        "x",
    }
)
"""Options with a value that do not change what is sent."""


class NotCurl(ValueError):
    """The text is no curl command line that can be read; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What curl would send. ``headers`` in the order given; ``body`` is empty when there is none."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str


def read_curl(line: str) -> Sent:
    """Read a command line as a shell would hand it to curl. Raises ``NotCurl`` for options whose effect is not known.

    >>> read_curl("curl -X POST https://a.example/x -H 'Accept: text/plain' -d a=1").method
    'POST'
    """
    try:
        words = shlex.split(line.replace("\\\r\n", " ").replace("\\\n", " "))
    except ValueError as error:
        raise NotCurl(f"the line cannot be split into words: {error}") from error
    if words[:1] != ["curl"]:
        raise NotCurl("a curl command line begins with curl")
    draft = _Draft()
    words_left = iter(words[1:])
    for word in words_left:
        _take(draft, word, words_left)
    return draft.sent()


@dataclass(slots=True)
class _Draft:
    url: str | None = None
    method: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    json: list[str] = field(default_factory=list)
    as_query: bool = False

    def sent(self) -> Sent:
        if self.url is None:
            raise NotCurl("there is no URL in it")
        url = self.url if "://" in self.url else f"http://{self.url}"
        body = "".join(self.json) or "&".join(self.data)
        headers = list(self.headers)
        if self.as_query and body:
            url, body = f"{url}{'&' if '?' in url else '?'}{body}", ""
        if body:
            self._default(headers, "Content-Type", "application/json" if self.json else FORM)
        if self.json:
            self._default(headers, "Accept", "application/json")
        return Sent(self.method or ("POST" if body else "GET"), url, tuple(headers), body)

    def _default(self, headers: list[tuple[str, str]], name: str, value: str) -> None:
        if not any(sent.lower() == name.lower() for sent, _ in headers):
            headers.append((name, value))

    def header(self, value: str) -> None:
        name, colon, text = value.partition(":")
        if not colon or not name.strip():
            raise NotCurl(f"{name[:40]!r} is no header: it needs a name, a colon and a value")
        if text.strip():  # curl leaves out a header without a value
            self.headers.append((name.strip(), text.strip()))

    def user(self, value: str) -> None:
        self.headers.append(("Authorization", "Basic " + base64.b64encode(value.encode()).decode()))


def _take(draft: _Draft, word: str, rest: Iterator[str]) -> None:
    if not word.startswith("-") or word == "-":
        draft.url = word
        return
    name, attached = _split(word)
    if name in _LONG_SWITCHES or (len(name) == 1 and name in _SWITCHES):
        if attached:  # a group of short switches, such as -sS
            _take(draft, "-" + attached, rest)
        return
    switch = _SETS.get(name)
    if switch is not None:
        switch(draft)
        if attached:
            _take(draft, "-" + attached, rest)
        return
    value = attached if attached is not None else next(rest, None)
    if value is None:
        raise NotCurl(f"the option {word} has no value")
    if name in _WITH_VALUE:
        return
    option = _OPTIONS.get(name)
    if option is None:
        raise NotCurl(f"the option {word} is not known here; leave it out or write the request without it")
    option(draft, value)


def _split(word: str) -> tuple[str, str | None]:
    """``--data=x`` and ``-Hx`` hold their value; ``-H x`` has it in the next word."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name, value if equals else None
    return word[1], word[2:] or None


def _data(draft: _Draft, value: str) -> None:
    draft.data.append(_file(value[1:]).replace("\r", "").replace("\n", "") if value.startswith("@") else value)


def _binary(draft: _Draft, value: str) -> None:
    draft.data.append(_file(value[1:]) if value.startswith("@") else value)


def _urlencoded(draft: _Draft, value: str) -> None:
    name, equals, content = value.partition("=")
    if not equals:
        name, at, path = value.partition("@")
        draft.data.append((f"{name}=" if at and name else "") + quote_plus(_file(path) if at else value))
    else:
        draft.data.append((f"{name}=" if name else "") + quote(content, safe=""))


def _file(path: str) -> str:
    try:
        found = Path(path).read_bytes()
        if len(found) > _LARGEST_FILE:
            raise NotCurl(f"{path} is larger than {_LARGEST_FILE} bytes")
        return found.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise NotCurl(f"{path} cannot be read: {error}") from error


def _as_query(draft: _Draft) -> None:
    draft.as_query, draft.method = True, draft.method or "GET"


def _head(draft: _Draft) -> None:
    draft.method = "HEAD"


def _method(draft: _Draft, value: str) -> None:
    draft.method = value


def _url(draft: _Draft, value: str) -> None:
    draft.url = value


def _named(name: str) -> Callable[[_Draft, str], None]:
    return lambda draft, value: draft.headers.append((name, value))


_SETS: Final[Mapping[str, Callable[[_Draft], None]]] = MappingProxyType(
    {"G": _as_query, "get": _as_query, "I": _head, "head": _head}
)
_OPTIONS: Final[Mapping[str, Callable[[_Draft, str], None]]] = MappingProxyType(
    {
        **dict.fromkeys(("X", "request"), _method),
        **dict.fromkeys(("H", "header"), _Draft.header),
        **dict.fromkeys(("d", "data", "data-ascii"), _data),
        "data-binary": _binary,
        "data-raw": lambda draft, value: draft.data.append(value),
        "data-urlencode": _urlencoded,
        "json": lambda draft, value: draft.json.append(_file(value[1:]) if value.startswith("@") else value),
        "url": _url,
        **dict.fromkeys(("u", "user"), _Draft.user),
        **dict.fromkeys(("A", "user-agent"), _named("User-Agent")),
        **dict.fromkeys(("b", "cookie"), _named("Cookie")),
        **dict.fromkeys(("e", "referer"), _named("Referer")),
    }
)
