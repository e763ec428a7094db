"""Who logs in: by a hint without a page (rulings R26, C32), or as chosen on the login page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app import identity
from app.errors import Refusal
from app.ids import new_hex
from app.store import registers
from app.store.engine import Connection
from app.trust import issuer_keys
from app.trust.facts import Person, PractitionerRecord
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.subject import Subject, pseudonym

LEVELS: Final = ("4", "3", "2")
NETWORKS: Final = ("helsenett", "internett")
IDENTITY_PROVIDER: Final = "testidp-oidc"
_UNKNOWN_NAME: Final = ("UKJENT", "PERSON")


@dataclass(frozen=True, slots=True)
class Hint:
    """A person (``H01``, ``P15``, a national number, ``hpr:<number>``) and how strongly and whence it logs in."""

    who: str
    level: int = 4
    network: str = "helsenett"


def read_hint(text: str) -> Hint:
    """Read ``H01 level:3 network:internett``. Raises ``StsError("login_required")``."""
    who, *options = (text.split() if text.isprintable() else []) or [""]
    chosen = {"level": "4", "network": "helsenett"}
    for option in options:
        name, _, value = option.partition(":")
        if name not in chosen:
            raise _refused("the login hint has an unknown option")
        chosen[name] = value
    if not who or chosen["level"] not in LEVELS or chosen["network"] not in NETWORKS:
        raise _refused("the login hint cannot be read")
    return Hint(who, int(chosen["level"]), chosen["network"])


async def log_in(context: Context, hint: Hint) -> Subject:
    """The login of the person the hint names. Raises ``StsError("login_required")`` when there is no such person.

    A synthetic number outside the register may log in; one of the ordinary series never (ruling R26).
    """
    sandbox = context.sandbox.id
    practitioner, person, pid = await context.core.store.read(lambda conn: _find(conn, sandbox, hint.who))
    if practitioner is not None:
        pid, given, family = practitioner.pid, practitioner.given, practitioner.family
    elif person is not None:
        pid, given, family = person.nin, person.given, person.family
    else:
        pid, (given, family) = _synthetic(context, pid), _UNKNOWN_NAME
    authorizations = practitioner.authorizations if practitioner is not None else frozenset()
    return Subject(
        pid=pid,
        sub=pseudonym(await issuer_keys.secret(context.core), sandbox, pid),
        sid=new_hex(context.core.ids),
        auth_time=int(context.moment.sandbox),
        given=given or "",
        family=family or "",
        # Without an active authorisation there is no HPR claim (ruling R41).
        hpr=practitioner.hpr if practitioner is not None and authorizations else None,
        authorizations=authorizations,
        level=hint.level,
        network=hint.network,
        idp=IDENTITY_PROVIDER,
    )


async def practitioners(context: Context) -> Sequence[PractitionerRecord]:
    """Those to choose from on the login page."""
    sandbox = context.sandbox.id
    return await context.core.store.read(lambda conn: registers.list_practitioners(conn, sandbox))


def _find(conn: Connection, sandbox: str, who: str) -> tuple[PractitionerRecord | None, Person | None, str]:
    if who.startswith("hpr:"):
        found = registers.practitioner_by_hpr(conn, sandbox, who.removeprefix("hpr:"))
        return found, None, ""
    if len(who) == 11 and who.isascii() and who.isdigit():
        person = registers.person_by_nin(conn, sandbox, who)
        pid = person.nin if person is not None else who
        return registers.practitioner_by_pid(conn, sandbox, pid), person, pid
    practitioner = registers.practitioner_by_id(conn, sandbox, who)
    if practitioner is not None:
        return practitioner, None, practitioner.pid
    person = registers.person_by_id(conn, sandbox, who)
    if person is None:
        return None, None, ""
    return registers.practitioner_by_pid(conn, sandbox, person.nin), person, person.nin


def _synthetic(context: Context, pid: str) -> str:
    settings = context.settings
    try:
        return identity.parse(pid, rule=settings.nin_rule, aliases=identity.aliases_for(settings.docs_aliases)).value
    except Refusal as refusal:
        raise _refused("the login hint names nobody in this sandbox") from refusal


def _refused(text: str) -> StsError:
    return StsError("login_required", text)
