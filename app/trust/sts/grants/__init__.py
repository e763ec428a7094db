"""The grants of the token endpoint: one handler each. A handler reads and plans; it writes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.trust.sts.clients import CODE, EXCHANGE, MACHINE, REFRESH
from app.trust.sts.grants import authorization_code, client_credentials, refresh_token, token_exchange
from app.trust.sts.grants.base import Handler

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        CODE: authorization_code.handle,
        REFRESH: refresh_token.handle,
        MACHINE: client_credentials.handle,
        EXCHANGE: token_exchange.handle,
    }
)
