"""What every request handler needs, made once by ``main`` and passed in: no global state anywhere."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from app.clock import RealClock
from app.ids import IdSource
from app.settings import Settings
from app.store.engine import Store
from app.trust.cache import BoundedCache
from app.trust.jose import Key
from app.trust.signer import Signer

_RECALLED = 1024  # facts and answers this process remembers; an answer is one of at most ``release.LARGEST_KEPT`` bytes
_PROOFS = 16_384  # DPoP proofs this process remembers, to refuse early; the store decides for all of them


@dataclass(frozen=True)
class Core:
    """The running installation. The caches are bounded and belong to one process."""

    settings: Settings
    store: Store
    clock: RealClock
    ids: IdSource
    keys: BoundedCache[tuple[str, ...], Key] = field(init=False)
    tokens: BoundedCache[bytes, object] = field(init=False)
    misc: BoundedCache[tuple[str, ...], object] = field(init=False)
    proofs: BoundedCache[tuple[str, ...], bool] = field(init=False)
    recalled: BoundedCache[Hashable, tuple[int | None, Any]] = field(init=False)
    signer: Signer = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", BoundedCache(self.settings.key_cache_size))
        object.__setattr__(self, "tokens", BoundedCache(self.settings.token_cache_size))
        object.__setattr__(self, "proofs", BoundedCache(_PROOFS))
        object.__setattr__(self, "recalled", BoundedCache(_RECALLED))
        object.__setattr__(self, "signer", Signer())
        object.__setattr__(self, "misc", BoundedCache(self.settings.token_cache_size))
