"""The audit record: what it holds, how it is chained, and how a chain is verified (audit spec 4 and 7).

``hash = SHA-256(previous hash, 0x1E, canonical record)``; the canonical form is RFC 8785. Records hold
only strings, integers, booleans, null, lists and objects, for which orjson with sorted keys writes
exactly that form (a property test compares the two).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.clock import rfc3339
from app.store import audit as chains
from app.store import installation
from app.store.engine import AuditEntry, Connection
from app.trust.jose import b64decode, b64encode
from app.trust.principal import Access, Channel
from app.trust.trail import Trail
from app.values import per_request

GENESIS: Final = bytes(32)
_PIECE: Final = 2047  # from 2048 bytes on hashlib lets other threads in, and the store's writer waits for its turn
_TIME_SLACK: Final = 5.0
_INDEX_KEY: Final = "audit-index-key"
_SIGNING_KEY: Final = "audit-signing-key"


@per_request
class Event:
    """What happened, beside who asked and for whom, which the access tells."""

    outcome: str  # PERMIT, PARTIAL, EMPTY, DENY or ERROR
    code: int  # 0 success, 4 refused or withheld, 8 the service failed
    reason: str | None
    rule: str | None
    obligations: tuple[str, ...]  # sorted
    dropped: int
    elevated: bool
    status: int
    target: tuple[str, ...]
    kind: str = "release"  # or "decision": the first of the two records of an elevated release (R59)
    citizen_visible: bool = True


def entry(record_id: str, trail: Trail, access: Access, event: Event, *, index_key: bytes) -> AuditEntry:
    """The record of one patient and request, ready to be chained."""
    principal, attest, call = access.principal, access.attest, trail.call
    facts = trail.facts
    patient = facts.patient if facts is not None else None
    nin = patient.nin if patient is not None else access.patient_nin
    key = None if nin is None else patient_key(nin, index_key)
    practitioner = facts.practitioner if facts is not None else None
    recorded = rfc3339(call.moment.sandbox)
    record: dict[str, Any] = {
        "id": record_id,
        "kind": event.kind,
        "recorded": recorded,
        "wallTime": recorded if call.moment.real == call.moment.sandbox else rfc3339(call.moment.real),
        "eventId": call.exchange,
        "requestId": access.correlation_id or call.exchange,
        "service": access.service,
        "apiVersion": call.service,
        "operation": access.operation,
        "target": event.target,
        "patient": None if nin is None else {"nin": nin, "key": key, "system": patient.nin_system if patient else None},
        "actor": {
            "kind": "practitioner" if principal.channel is Channel.PERSONNEL else principal.channel.value,
            "pid": principal.pid,
            "hpr": principal.hpr,
            "name": practitioner.name if practitioner is not None else principal.name,
            "role": attest.authorization if attest is not None else access.role,
        },
        "org": {
            "legalEntity": principal.orgnr_parent,
            "pointOfCare": principal.orgnr_child,
            "department": attest.department if attest is not None else None,
        },
        "client": {"id": principal.client_id, "jti": principal.jti, "jkt": principal.jkt},
        "basis": access.basis.value if access.basis is not None else None,
        "purpose": attest.purpose if attest is not None else None,
        "purposeDetails": attest.purpose_details if attest is not None else None,
        "decisionRef": None if attest is None else {"id": attest.decision_ref, "userSelected": attest.user_selected},
        "toa": attest.toa if attest is not None else None,
        "decision": {
            "outcome": event.outcome,
            "code": event.code,
            "reason": event.reason,
            "row": event.rule,
            "obligations": event.obligations,
            "droppedCount": event.dropped,
        },
        "elevated": event.elevated,
        "http": {"status": event.status, "route": trail.operation},
        "represented": access.represented,
        "citizenVisible": event.citizen_visible,
    }

    def seal(seq: int, previous: bytes) -> tuple[bytes, bytes]:
        body = canonical({**record, "seq": seq, "prevHash": previous.hex()})
        return chain_hash(previous, body), body

    return AuditEntry(
        sandbox=access.sandbox,
        service=access.service,
        recorded=call.moment.sandbox,
        patient=key,
        decision_ref=attest.decision_ref if attest is not None else None,
        elevated=event.elevated,
        seal=seal,
    )


def canonical(record: Mapping[str, Any]) -> bytes:
    """RFC 8785 bytes of a record."""
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def chain_hash(previous: bytes, body: bytes) -> bytes:
    digest = hashlib.sha256(previous + b"\x1e")
    for start in range(0, len(body), _PIECE):
        digest.update(body[start : start + _PIECE])
    return digest.digest()


@lru_cache(maxsize=4096)
def patient_key(nin: str, index_key: bytes) -> str:
    """The keyed hash a patient's records are found by; the number itself is in no index."""
    return hmac.new(index_key, nin.encode(), hashlib.sha256).hexdigest()


def index_key(conn: Connection, make: bytes) -> bytes:
    """The installation's key for ``patient_key``; ``make`` becomes it when there is none."""
    return installation.ensure(conn, _INDEX_KEY, lambda: make)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing wrong in a chain."""

    seq: int
    kind: str  # HASH_MISMATCH, GAP, DUPLICATE_SEQ, BAD_CHECKPOINT


@dataclass(frozen=True, slots=True)
class Verification:
    """Result for one chain. ``warnings`` (TIME_REVERSED) leave the chain intact (ruling R32)."""

    sandbox: str
    service: str
    checked: int
    fault: Fault | None
    warnings: tuple[Fault, ...] = ()

    @property
    def ok(self) -> bool:
        return self.fault is None


def verify(conn: Connection, sandbox: str, service: str, *, first: int = 1, last: int | None = None) -> Verification:
    """Walk a chain and check every hash, the numbering, the head and the signed checkpoints."""
    previous = GENESIS
    expected = first
    latest = float("-inf")
    warnings: list[Fault] = []
    marks = {mark.seq: mark for mark in chains.checkpoints(conn, sandbox, service)}
    checked = 0
    for link in chains.links(conn, sandbox, service, first, last):
        if link.seq != expected:
            return Verification(sandbox, service, checked, Fault(expected, "GAP"), tuple(warnings))
        if checked == 0 and first > 1:
            previous = bytes.fromhex(str(orjson.loads(link.body)["prevHash"]))
        if chain_hash(previous, link.body) != link.hash:
            return Verification(sandbox, service, checked, Fault(link.seq, "HASH_MISMATCH"), tuple(warnings))
        mark = marks.get(link.seq)
        if mark is not None and (mark.hash != link.hash or not _signed(conn, sandbox, service, mark)):
            return Verification(sandbox, service, checked, Fault(link.seq, "BAD_CHECKPOINT"), tuple(warnings))
        if link.recorded < latest - _TIME_SLACK:
            warnings.append(Fault(link.seq, "TIME_REVERSED"))
        latest = max(latest, link.recorded)
        previous, expected, checked = link.hash, link.seq + 1, checked + 1
    end = chains.head(conn, sandbox, service)
    if last is None and end is not None and end[0] >= expected:
        return Verification(sandbox, service, checked, Fault(expected, "GAP"), tuple(warnings))
    if last is None and end is not None and checked and end[1] != previous:
        return Verification(sandbox, service, checked, Fault(end[0], "HASH_MISMATCH"), tuple(warnings))
    return Verification(sandbox, service, checked, None, tuple(warnings))


def checkpoint(conn: Connection, now: float, seed: bytes) -> int:
    """Sign the head of every chain; gives how many. ``seed`` makes the key when there is none."""
    key = _signer(conn, seed)
    made = 0
    for sandbox, service in chains.chains(conn):
        end = chains.head(conn, sandbox, service)
        if end is None:
            continue
        statement = _statement(sandbox, service, end[0], end[1], now)
        mark = chains.Checkpoint(end[0], end[1], now, b64encode(key.sign(statement)))
        chains.put_checkpoint(conn, sandbox, service, mark)
        made += 1
    return made


def public_keys(conn: Connection, seed: bytes) -> dict[str, Any]:
    """The JWKS that checkpoints are verified with."""
    raw = _signer(conn, seed).public_key().public_bytes_raw()
    kid = hashlib.sha256(raw).hexdigest()[:16]
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": b64encode(raw)}]}


def _signer(conn: Connection, seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(installation.ensure(conn, _SIGNING_KEY, lambda: seed))


def _signed(conn: Connection, sandbox: str, service: str, mark: chains.Checkpoint) -> bool:
    stored = installation.value(conn, _SIGNING_KEY)
    if stored is None:
        return False
    public = Ed25519PrivateKey.from_private_bytes(stored).public_key()
    try:
        public.verify(b64decode(mark.signature), _statement(sandbox, service, mark.seq, mark.hash, mark.at))
    except InvalidSignature:
        return False
    return True


def _statement(sandbox: str, service: str, seq: int, digest: bytes, at: float) -> bytes:
    return canonical({"chain": f"{sandbox}/{service}", "seq": seq, "hash": digest.hex(), "time": rfc3339(at)})
