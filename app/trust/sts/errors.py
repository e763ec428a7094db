"""What the issuer refuses with: an OAuth error code and a description (trust.md section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})


class StsError(Exception):
    """A request the issuer does not grant.

    ``error`` is the OAuth code (``invalid_grant``, ``access_denied`` …), ``description`` an English text
    that holds no token and no national number; a HID code stands first in it ("HID-1001 …", ruling R11).
    ``status`` is the HTTP status; ``extra`` holds response headers (``DPoP-Nonce``, and only with
    ``use_dpop_nonce``, ruling C5). ``found`` and ``expected`` tell what is wrong, for explanations only.
    """

    def __init__(
        self,
        error: str,
        description: str,
        status: int = 400,
        extra: Mapping[str, str] = _NOTHING,
        *,
        found: object = None,
        expected: object = None,
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.extra = extra
        self.found = found
        self.expected = expected
