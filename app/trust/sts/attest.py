"""The attest of tillitsrammeverket at the issuer: checked against the rules, then enriched (trust.md section 1).

The client sends codes and ids; HelseID adds names, texts, authorities and who the practitioner is (D5).
Pure: registers come through ``RegisterLookup``, time through ``Moment``. A refusal is
``StsError("access_denied")`` whose description begins with the rule it breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

from app.clock import Moment
from app.errors import Refusal
from app.identity import HPR_SYSTEM, ORGNR_SYSTEM, SYSTEM_OF, IdType, parse
from app.trust.facts import OrganisationRecord, PractitionerRecord
from app.trust.sts.care_codes import coded, lists_for
from app.trust.sts.errors import StsError
from app.trust.sts.structures import ATTEST_TYPE, Note, OrgClaims, Structure, denied, find, is_orgnr

AUTHORITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        SYSTEM_OF[IdType.FNR]: "https://www.skatteetaten.no",
        SYSTEM_OF[IdType.DNR]: "https://www.skatteetaten.no",
        HPR_SYSTEM: "https://www.helsedirektoratet.no/",
        ORGNR_SYSTEM: "https://www.brreg.no",
        "urn:oid:2.16.578.1.12.4.1.4.102": "https://www.nhn.no",
    }
)
"""The authority HelseID names for an identifier system (trust.md section 1.3)."""


class Login(Protocol):
    """The person who is logged in."""

    @property
    def pid(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def level(self) -> int: ...


class RegisterLookup(Protocol):
    """The registers an attest is held against."""

    def organisation(self, orgnr: str) -> OrganisationRecord | None: ...
    def practitioner(self, pid: str) -> PractitionerRecord | None: ...


class AttestSettings(Protocol):
    """The settings that bear on an attest (``app.settings.Settings`` has them)."""

    @property
    def attest_schema(self) -> Literal["national", "schema"]: ...
    @property
    def attest_max_age(self) -> int: ...


@dataclass(frozen=True, slots=True)
class RegisterSnapshot:
    """Register entries read beforehand, so that the rules run without waiting for the store."""

    organisations: Mapping[str, OrganisationRecord]
    practitioners: Mapping[str, PractitionerRecord]

    def organisation(self, orgnr: str) -> OrganisationRecord | None:
        return self.organisations.get(orgnr)

    def practitioner(self, pid: str) -> PractitionerRecord | None:
        return self.practitioners.get(pid)


def organisations_named(structures: Sequence[Structure]) -> frozenset[str]:
    """The organisation numbers an attest speaks of: what a ``RegisterSnapshot`` needs. Reads any JSON."""
    attest = find(structures, ATTEST_TYPE) or {}
    patients = attest.get("patients")
    holders = [attest.get("practitioner"), *(patients if isinstance(patients, list) else [])]
    nodes = [
        holder.get(name)
        for holder in holders
        if isinstance(holder, Mapping)
        for name in ("legal_entity", "point_of_care")
    ]
    found = (node.get("id") for node in nodes if isinstance(node, Mapping))
    return frozenset(number for number in found if isinstance(number, str) and is_orgnr(number))


def check_attest(
    structures: Sequence[Structure], orgs: OrgClaims, lookup: RegisterLookup, settings: AttestSettings, note: Note
) -> None:
    """All that can be said of an attest before the login: what PAR refuses (ruling R18).

    Raises ``StsError("access_denied")``.
    """
    sent = find(structures, ATTEST_TYPE)
    if sent is not None:
        _checked(sent, orgs, lookup, settings, note)
        _toa_form(sent.get("toa"))


def attest_claim(
    structures: Sequence[Structure],
    subject: Login | None,
    orgs: OrgClaims,
    lookup: RegisterLookup,
    moment: Moment,
    settings: AttestSettings,
    note: Note,
    received_at: Moment | None = None,
) -> dict[str, Any] | None:
    """The claim ``nhn:tillitsrammeverk:parameters`` of the access token; None when no attest was sent.

    ``received_at`` is when the JWT that carried the attest came in, on both clocks, when that was an earlier
    request than this (PAR); a client's ``toa`` is shifted by the offset of then (ruling R31), and without
    one the receive time is the ``toa`` (R14). Whether the API wants the claim is the caller's question (R13).
    Raises ``StsError("access_denied")``: T-56 to T-72 of trust.md section 9.
    """
    sent = find(structures, ATTEST_TYPE)
    if sent is None:
        return None
    attest = _checked(sent, orgs, lookup, settings, note)
    toa = _toa(sent.get("toa"), received_at or moment, settings.attest_max_age)
    if subject is None:
        raise denied("ATT-11", "an attest needs a logged-in user")
    _check_login(sent, attest, subject, lookup, note)
    return _enriched(attest, subject, lookup, toa)


# ---- the shape a client may send (trust.md section 1.1) ----

_CODED: Final = {"code": None, "system": None}
_IDENTIFIER: Final = {"id": None, "system": None}
_PATIENT: Final = {"point_of_care": _IDENTIFIER, "department": _IDENTIFIER}
_WIRE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": None,
        "toa": None,
        "practitioner": {
            "authorization": _CODED,
            "legal_entity": _IDENTIFIER,
            "point_of_care": _IDENTIFIER,
            "department": _IDENTIFIER,
        },
        "care_relationship": {
            "healthcare_service": _CODED,
            "purpose_of_use": _CODED,
            "purpose_of_use_details": _CODED,
            "decision_ref": {"id": None, "user_selected": None},
        },
        "patients": [_PATIENT],
    }
)
_DROPPED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "name": ("T-69", "HelseID's own value is used"),
        "text": ("T-69", "HelseID's own value is used"),
        "authority": ("T-69", "HelseID's own value is used"),
        "assigner": ("T-69", "HelseID's own value is used"),
        "description": ("T-69", "HelseID does not accept it"),
        "patients[].identifier": ("T-68", "the patient's identity never goes into a token"),
        "practitioner.identifier": ("D5", "HelseID takes it from the login"),
        "practitioner.hpr_nr": ("D5", "HelseID takes it from HPR"),
    }
)
"""Known members that are dropped, by path or by name; every other unknown one is C18."""

_SCHEMA_REQUIRED: Final = (
    ("practitioner", "authorization"),
    ("practitioner", "department"),
    ("care_relationship", "healthcare_service"),
    ("care_relationship", "purpose_of_use_details"),
)
_SCHEMA_REQUIRED_PATIENT: Final = ("point_of_care", "department")
"""What the circulating JSON Schema demands beyond the national profile (setting ``attest_schema=schema``)."""

_SAFE_NAME: Final = re.compile(r"[A-Za-z_-]{1,40}")
_URI: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+")
_MAX_DECISION_REF: Final = 255
_MILLISECONDS_FROM: Final = 100_000_000_000
_FUTURE_LIMIT: Final = 60  # seconds, ruling R15
_REQUIRED_LEVEL: Final = 4


def _checked(
    sent: Structure, orgs: OrgClaims, lookup: RegisterLookup, settings: AttestSettings, note: Note
) -> dict[str, Any]:
    for wrong in ("care_relation", "care-relation"):
        if wrong in sent:
            raise denied("HID-1007", f"the attest has {wrong}; the name is care_relationship")

    def drop(path: str, name: str) -> None:
        code, why = _DROPPED.get(path) or _DROPPED.get(name) or ("C18", "it is no member of an attest")
        if settings.attest_schema == "schema" and code != "T-69":
            raise denied("HID-1007", f"{path} may not be sent: {why}")
        note(code, f"{path} was dropped: {why}", "note")

    attest: dict[str, Any] = _pruned(sent, _WIRE, "", drop)
    for name in ("practitioner", "care_relationship", "patients"):
        if name not in attest:
            raise denied("HID-1007", f"the attest lacks {name}")
    if settings.attest_schema == "schema":
        _check_schema(attest)
    _check_practitioner(attest["practitioner"], orgs, lookup, note)
    _check_care_relationship(attest["care_relationship"], note)
    _check_patients(attest["patients"], attest["practitioner"], lookup, note)
    return attest


def _pruned(node: Any, shape: Any, path: str, drop: Callable[[str, str], None]) -> Any:
    if shape is None:
        return node
    if isinstance(shape, list):
        if not isinstance(node, list):
            raise denied("HID-1007", f"{path} must be an array")
        return [_pruned(item, shape[0], f"{path}[]", drop) for item in node]
    if not isinstance(node, Mapping):
        raise denied("HID-1007", f"{path} must be an object")
    kept: dict[str, Any] = {}
    for name, value in node.items():
        inner = f"{path}.{name}" if path else name
        if value is None:
            continue
        if name in shape:
            kept[name] = _pruned(value, shape[name], inner, drop)
        else:
            # A name we do not know may hold anything, so only a harmless one is repeated.
            shown = name if _SAFE_NAME.fullmatch(name) else "a member"
            drop(f"{path}.{shown}" if path else shown, shown)
    return kept


def _check_schema(attest: Mapping[str, Any]) -> None:
    for part, name in _SCHEMA_REQUIRED:
        if name not in attest[part]:
            raise denied("HID-1007", f"the JSON Schema requires {part}.{name}")
    for patient in attest["patients"]:
        for name in _SCHEMA_REQUIRED_PATIENT:
            if name not in patient:
                raise denied("HID-1007", f"the JSON Schema requires patients[].{name}")


def _check_practitioner(practitioner: Mapping[str, Any], orgs: OrgClaims, lookup: RegisterLookup, note: Note) -> None:
    authorization = practitioner.get("authorization")
    if authorization is not None:
        system, code = _coding(authorization, "practitioner.authorization", "ATT-31")
        known = lists_for("authorization").get(system)
        if known is None or code not in known.codes:
            raise denied("ATT-31", "practitioner.authorization must be a code of 9060")
    legal_entity = _orgnr(practitioner.get("legal_entity"), "practitioner.legal_entity", "ATT-13")
    point_of_care = _orgnr(practitioner.get("point_of_care"), "practitioner.point_of_care", "ATT-18")
    if "department" in practitioner:
        _check_department(practitioner["department"], "practitioner.department", note)
    _check_legal_entity(legal_entity, orgs, lookup, note)
    _check_point_of_care(point_of_care, legal_entity, orgs, lookup, note)
    for sent, claim, name in ((legal_entity, orgs.parent, "parent"), (point_of_care, orgs.child, "child")):
        if claim is not None and sent != claim:
            note("R17", f"the attest names another organisation than orgnr_{name}; an API may refuse it", "risk")


def _check_legal_entity(orgnr: str, orgs: OrgClaims, lookup: RegisterLookup, note: Note) -> None:
    record = lookup.organisation(orgnr)
    if record is None:
        if orgnr not in orgs.known:
            raise denied("ATT-12", "legal_entity is no member of Helsenettet")
        note("C40", "legal_entity is not in the register, but known from the client's registration", "note")
    elif not record.helsenett_member:
        raise denied("ATT-12", "legal_entity is no member of Helsenettet")
    elif record.parent_orgnr is not None:
        note("ATT-13", "legal_entity is a sub-unit; the main unit belongs there", "risk")


def _check_point_of_care(orgnr: str, legal_entity: str, orgs: OrgClaims, lookup: RegisterLookup, note: Note) -> None:
    if orgnr == legal_entity:  # ATT-20: without sub-units the main unit is repeated
        return
    record = lookup.organisation(orgnr)
    if record is not None:
        if record.parent_orgnr != legal_entity:
            raise denied("ATT-18", "point_of_care is no sub-unit of legal_entity")
    elif orgnr in orgs.known or lookup.organisation(legal_entity) is None:
        note("C40", "point_of_care is not in the register", "note")
    else:
        raise denied("ATT-18", "point_of_care is not in the register under legal_entity")


def _check_department(node: Mapping[str, Any], path: str, note: Note) -> None:
    _, system = _identifier(node, path, "ATT-21")
    if not _URI.fullmatch(system):
        note("ATT-21", f"{path}.system should be a globally unique and stable URI", "risk")


def _check_care_relationship(care: dict[str, Any], note: Note) -> None:
    if "purpose_of_use" not in care:
        raise denied("ATT-38", "care_relationship.purpose_of_use is missing")
    system, code = _coding(care["purpose_of_use"], "care_relationship.purpose_of_use", "ATT-38")
    purposes = lists_for("purpose_of_use").get(system)
    if purposes is None or code not in purposes.codes:
        raise denied("ATT-38", "care_relationship.purpose_of_use must be TREAT, ETREAT, COC or BTG")
    if "healthcare_service" not in care and "purpose_of_use_details" not in care:
        raise denied("ATT-43", "healthcare_service or purpose_of_use_details must be sent")
    for name, rule in (("healthcare_service", "ATT-33"), ("purpose_of_use_details", "ATT-42")):
        if name in care:
            _check_listed(care, name, rule, note)
    _check_decision_ref(care.get("decision_ref"))


def _check_listed(care: dict[str, Any], name: str, rule: str, note: Note) -> None:
    system, code = _coding(care[name], f"care_relationship.{name}", rule)
    known = lists_for(name).get(system)
    if known is None:
        raise denied(rule, f"care_relationship.{name} has a system that is not allowed there")
    if code not in known.codes:
        # Ruling C18: published clients send codes that are in no list of the system they name.
        note("C18", f"care_relationship.{name} was dropped: the sandbox's copy of {system} lacks the code", "note")
        del care[name]


def _check_decision_ref(node: Any) -> None:
    if node is None:
        raise denied("ATT-46", "care_relationship.decision_ref is missing")
    ref = node.get("id")
    if not isinstance(ref, str) or not ref.strip():
        raise denied("ATT-46", "decision_ref.id must be a text that is not empty")
    if len(ref) > _MAX_DECISION_REF or any(char < " " for char in ref):
        raise denied("HID-1007", f"decision_ref.id has at most {_MAX_DECISION_REF} printable characters")
    if not isinstance(node.get("user_selected"), bool):
        raise denied("ATT-47", "decision_ref.user_selected must be true or false")


def _check_patients(
    patients: Sequence[Mapping[str, Any]], practitioner: Mapping[str, Any], lookup: RegisterLookup, note: Note
) -> None:
    if len(patients) > 1:
        note("D6", "more than one entry in patients: the national receiver takes one", "risk")
    legal_entity = practitioner["legal_entity"]["id"]
    for patient in patients:
        if "point_of_care" in patient:
            orgnr = _orgnr(patient["point_of_care"], "patients[].point_of_care", "ATT-49")
            record = lookup.organisation(orgnr)
            own = {legal_entity, practitioner["point_of_care"]["id"]}
            if orgnr not in own and (record is None or record.parent_orgnr != legal_entity):
                note("ATT-49", "patients[].point_of_care belongs to another organisation; leave it out", "risk")
        if "department" in patient:
            _check_department(patient["department"], "patients[].department", note)


def _check_login(
    sent: Structure, attest: Mapping[str, Any], subject: Login, lookup: RegisterLookup, note: Note
) -> None:
    if subject.level < _REQUIRED_LEVEL:
        raise denied("ATT-9", "an attest needs a login at security level 4")
    identifier = sent["practitioner"].get("identifier")
    if identifier is not None and (not isinstance(identifier, Mapping) or identifier.get("id") != subject.pid):
        raise denied("ATT-11", "practitioner.identifier is not the person who is logged in")
    held = _held(subject, lookup)
    authorization = attest["practitioner"].get("authorization")
    if authorization is None:
        if held:
            note("ATT-32", "the practitioner holds an authorisation, but the attest names none", "note")
    elif held is None or authorization["code"] not in held.authorizations:
        raise denied("ATT-31", "HPR does not show the authorisation for this person")


def _held(subject: Login, lookup: RegisterLookup) -> PractitionerRecord | None:
    """The HPR entry, None without an active authorisation (ruling R41)."""
    record = lookup.practitioner(subject.pid)
    return record if record is not None and record.authorizations else None


def _toa_form(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise denied("HID-1007", "toa must be whole seconds since 1970")
    if abs(value) >= _MILLISECONDS_FROM:
        raise denied("HID-1007", "toa must be in seconds, not milliseconds")
    return value


def _toa(value: Any, received: Moment, max_age: int) -> int:
    seconds = _toa_form(value)
    if seconds is None:
        return int(received.sandbox)
    toa = int(seconds + received.shift)
    if received.sandbox - toa > max_age:
        raise StsError("access_denied", "attestation_has_expired")  # the text ATT-58 gives
    if toa - received.sandbox > _FUTURE_LIMIT:
        raise denied("ATT-58", f"toa is more than {_FUTURE_LIMIT} seconds ahead")
    return toa


def _identifier(node: Any, path: str, rule: str) -> tuple[str, str]:
    if node is None:
        raise denied(rule, f"{path} is missing")
    value, system = node.get("id"), node.get("system")
    if not isinstance(value, str) or not value or not isinstance(system, str):
        raise denied("HID-1007", f"{path} needs id and system as text")
    return value, system


def _orgnr(node: Any, path: str, rule: str) -> str:
    value, system = _identifier(node, path, rule)
    if system != ORGNR_SYSTEM:
        raise denied(rule, f"{path}.system must be {ORGNR_SYSTEM}")
    if not is_orgnr(value):
        raise denied("HID-1004", f"{path}.id must have nine digits")
    return value


def _coding(node: Mapping[str, Any], path: str, rule: str) -> tuple[str, str]:
    system, code = node.get("system"), node.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        raise denied(rule, f"{path} needs code and system as text")
    return system, code


# ---- what HelseID adds (D5) ----


def _enriched(attest: Mapping[str, Any], subject: Login, lookup: RegisterLookup, toa: int) -> dict[str, Any]:
    sent, care = attest["practitioner"], attest["care_relationship"]
    held = _held(subject, lookup)
    name = held.name if held is not None and held.name else subject.name
    practitioner: dict[str, Any] = {"identifier": _named(subject.pid, name, _pid_system(subject.pid))}
    if held is not None:
        practitioner["hpr_nr"] = {"id": held.hpr, "system": HPR_SYSTEM, "authority": AUTHORITIES[HPR_SYSTEM]}
    if "authorization" in sent:
        practitioner["authorization"] = _coded("authorization", sent["authorization"])
    practitioner["legal_entity"] = _organisation(sent["legal_entity"], lookup)
    practitioner["point_of_care"] = _organisation(sent["point_of_care"], lookup)
    practitioner |= _department(sent, sent["point_of_care"]["id"], sent["legal_entity"]["id"], lookup)
    relationship: dict[str, Any] = {
        name: _coded(name, care[name])
        for name in ("healthcare_service", "purpose_of_use", "purpose_of_use_details")
        if name in care
    }
    relationship["decision_ref"] = dict(care["decision_ref"])
    patients = [
        ({"point_of_care": _organisation(patient["point_of_care"], lookup)} if "point_of_care" in patient else {})
        | _department(patient, patient.get("point_of_care", {}).get("id"), sent["legal_entity"]["id"], lookup)
        for patient in attest["patients"]
    ]
    return {"practitioner": practitioner, "care_relationship": relationship, "patients": patients, "toa": toa}


def _pid_system(pid: str) -> str:
    try:
        identifier = parse(pid, synthetic_only=False, aliases={})
    except Refusal as refusal:
        raise denied("ATT-10", "the login has no national identity number") from refusal
    if identifier.type is IdType.FHN:
        raise denied("ATT-10", "practitioner.identifier must be a fødselsnummer or a D-number")
    return identifier.system


def _named(value: str, name: str, system: str) -> dict[str, Any]:
    return {"id": value, "name": name, "system": system, "authority": AUTHORITIES[system]}


def _organisation(node: Mapping[str, Any], lookup: RegisterLookup) -> dict[str, Any]:
    # An organisation known only from the client's registration (ruling C40) has no name: its number stands in.
    record = lookup.organisation(node["id"])
    return _named(node["id"], record.name if record is not None else node["id"], ORGNR_SYSTEM)


def _department(
    holder: Mapping[str, Any], point_of_care: str | None, legal_entity: str, lookup: RegisterLookup
) -> dict[str, Any]:
    node = holder.get("department")
    if node is None:
        return {}
    record = lookup.organisation(point_of_care) if point_of_care is not None else None
    name = record.name if record is not None and record.resh_id == node["id"] else node["id"]
    # ATT-28: the authority of a local system is the legal entity.
    authority = AUTHORITIES.get(node["system"], legal_entity)
    return {"department": {"id": node["id"], "name": name, "system": node["system"], "authority": authority}}


def _coded(use: str, node: Mapping[str, Any]) -> dict[str, str]:
    return coded(use, node["system"], node["code"])
