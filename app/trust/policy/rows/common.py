"""Channels, obligations and bases that many rows name."""

from __future__ import annotations

from app.trust.policy.model import Obligation
from app.trust.principal import Basis, Channel

ALL = frozenset(Channel)
PERSONNEL = frozenset({Channel.PERSONNEL})
CITIZEN = frozenset({Channel.CITIZEN})
MACHINE = frozenset({Channel.MACHINE})
USERS = PERSONNEL | CITIZEN
CARE = PERSONNEL | MACHINE

OPENING = frozenset(
    {
        Obligation.BREAK_GLASS,
        Obligation.LOG_ELEVATED,
        Obligation.SHOW_IN_CITIZEN_LOG,
        Obligation.NOTIFY_CITIZEN,
    }
)
ELEVATED = frozenset({Basis.FORHOYET_SAMTYKKE, Basis.FORHOYET_AKUTT})
EMERGENCY = frozenset({Basis.FORHOYET_AKUTT})
