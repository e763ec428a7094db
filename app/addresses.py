"""From a URL to (sandbox, service, tail), and back to the public addresses of the same sandbox.

A service is reached by path (``http://localhost:8000/pps/v2``), by subdomain
(``http://pps.localhost:8000/v2``) or by the real test host name (design section 4, ruling R27).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from app.directory import BY_NAME, SERVICES, Service
from app.sandboxes.state import DEFAULT

SANDBOX_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")  # ruling R64
WEB: Final = "web"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "host.docker.internal"})
_LONGEST_REMEMBERED: Final = 200  # characters of host and path, so that the memory is bounded
_DEFAULT_PORT: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a call goes. ``service`` is ``web`` when no mount matches; ``tail`` begins with a slash."""

    sandbox: str
    service: str
    tail: str
    base: str
    root: str
    origin: str
    form: str


def resolve(scheme: str, host: str, path: str, *, public_url: str | None = None) -> Resolved:
    """Resolve a request by its scheme, ``Host`` header and decoded path. The usual short ones are remembered."""
    if len(host) + len(path) > _LONGEST_REMEMBERED:
        return _resolve(scheme, host, path, public_url)
    return _remembered(scheme, host, path, public_url)


def resolve_at_root(scheme: str, host: str, path: str, service: str, home_port: int) -> Resolved:
    """As ``resolve``, on a port that serves ``service`` at its root; the rest of the sandbox is at ``home_port``.

    For clients that join their paths to the host and lose a mount (real-clients.md C41).
    """
    host = strip_default_port(scheme, host.lower())
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    sandbox, tail = _split_sandbox(path)
    prefix = _sandbox_prefix(sandbox)
    home = f"{scheme}://" + strip_default_port(scheme, f"{name}:{home_port}")
    return Resolved(sandbox, service, tail, f"{scheme}://{host}{prefix}", home + prefix, home, "port")


def _resolve(scheme: str, host: str, path: str, public_url: str | None) -> Resolved:
    host = strip_default_port(scheme, host.lower())
    name, _, port = host.partition(":") if not host.startswith("[") else (host, "", "")
    origin = f"{scheme}://{host}"
    real = _longest(_REAL.get(name, ()), path)
    if real is not None:
        prefix, service = real
        base = origin + prefix
        return Resolved(DEFAULT, service.name, path[len(prefix) :] or "/", base, origin, origin, "real")
    if name.endswith(".localhost"):
        labels = name.removesuffix(".localhost").split(".")
        sandbox = labels[1] if len(labels) == 2 else DEFAULT
        found = _longest(_LABEL.get(labels[0], ()), path) if len(labels) <= 2 else None
        if found is not None:
            prefix, service = found
            home = f"{scheme}://localhost{':' + port if port else ''}" + _sandbox_prefix(sandbox)
            return Resolved(
                sandbox, service.name, path[len(prefix) :] or "/", origin + prefix, home, origin, "subdomain"
            )
    if public_url is not None:
        origin = public_url.rstrip("/")
    sandbox, rest = _split_sandbox(path)
    root = origin + _sandbox_prefix(sandbox)
    mounted = _longest(_MOUNT, rest)
    if mounted is None:
        return Resolved(sandbox, WEB, rest, root, root, origin, "path")
    prefix, service = mounted
    return Resolved(sandbox, service.name, rest[len(prefix) :] or "/", root + prefix, root, origin, "path")


_remembered = lru_cache(maxsize=1024)(_resolve)


@lru_cache(maxsize=1024)
def address(service: str, where: Resolved, *, public_url: str | None = None) -> str:
    """The public base URL of ``service`` in the same sandbox, in the form the call came in."""
    entry = BY_NAME[service]
    scheme, _, host = where.origin.partition("://")
    if where.form == "real" and entry.real:
        return f"{scheme}://{entry.real[0]}"
    if where.form == "subdomain":
        port = host.partition(":")[2]
        label = entry.label if where.sandbox == DEFAULT else f"{entry.label}.{where.sandbox}"
        return f"{scheme}://{label}.localhost{':' + port if port else ''}{entry.label_prefix}"
    return where.root + entry.mount


def is_address_of(url: str, service: str, sandbox: str, *, seen_host: str, public_url: str | None = None) -> bool:
    """Whether ``url`` is, character for character, an alias of ``service`` in ``sandbox`` (ruling R27).

    The host must be loopback, a ``.localhost`` name, a real test host, the host of this call
    (``seen_host``) or that of ``public_url``: an issuer elsewhere is somebody else's.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.query or parts.fragment or url.endswith("/"):
        return False
    host = parts.netloc
    if public_url is not None and url.startswith(public_url.rstrip("/") + "/"):
        where = resolve(parts.scheme, host, url.removeprefix(public_url.rstrip("/")), public_url=public_url)
        return where.service == service and where.sandbox == sandbox and where.tail == "/" and where.base == url
    where = resolve(parts.scheme, host, parts.path)
    name = host if host.startswith("[") else host.partition(":")[0]
    ours = (
        name in _LOOPBACK
        or name.startswith("[::1]")
        or name.endswith(".localhost")
        or where.form == "real"
        or host == seen_host
    )
    return ours and where.service == service and where.sandbox == sandbox and where.tail == "/" and where.base == url


def strip_default_port(scheme: str, host: str) -> str:
    """``localhost:80`` on http is ``localhost`` (ruling R27)."""
    return host.removesuffix(":" + _DEFAULT_PORT.get(scheme, ""))


def _split_sandbox(path: str) -> tuple[str, str]:
    if not path.startswith("/s/"):
        return DEFAULT, path
    name, slash, rest = path[3:].partition("/")
    return name, slash + rest if slash else "/"


def _sandbox_prefix(sandbox: str) -> str:
    return "" if sandbox == DEFAULT else f"/s/{sandbox}"


def _longest(candidates: tuple[tuple[str, Service], ...], path: str) -> tuple[str, Service] | None:
    for prefix, service in candidates:
        if path == prefix or path.startswith(prefix + "/") or prefix == "":
            return prefix, service
    return None


def _by_length(pairs: list[tuple[str, Service]]) -> tuple[tuple[str, Service], ...]:
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


def _hosts() -> dict[str, tuple[tuple[str, Service], ...]]:
    hosts: dict[str, list[tuple[str, Service]]] = {}
    for service in SERVICES:
        for real in service.real:
            host, slash, prefix = real.partition("/")
            hosts.setdefault(host, []).append((slash + prefix, service))
    return {host: _by_length(pairs) for host, pairs in hosts.items()}


def _labels() -> dict[str, tuple[tuple[str, Service], ...]]:
    labels: dict[str, list[tuple[str, Service]]] = {}
    for service in SERVICES:
        labels.setdefault(service.label, []).append((service.label_prefix, service))
    return {label: _by_length(pairs) for label, pairs in labels.items()}


_REAL: Final = _hosts()
_LABEL: Final = _labels()
_MOUNT: Final = _by_length([(service.mount, service) for service in SERVICES])
REAL_HOSTS: Final = frozenset(_REAL)
