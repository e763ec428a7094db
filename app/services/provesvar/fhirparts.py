"""Small FHIR data types made from values of a svarrapport. A part that would be empty is None."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.services.provesvar import codes
from app.services.provesvar.message import Coded, Hcp, Ident, Party, Quantity
from app.services.provesvar.times import When
from app.services.provesvar.units import UCUM, ucum

Part = dict[str, Any]

EXTENSION = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-"
PROFILE = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-"

NUMBER_SYSTEMS = {
    "FNR": "urn:oid:2.16.578.1.12.4.1.4.1",
    "DNR": "urn:oid:2.16.578.1.12.4.1.4.2",
    "FHN": "urn:oid:2.16.578.1.12.4.1.4.3",
}
# National numbers of personnel are not carried over: the professional number is enough.
_PERSON_SYSTEMS = {
    "HPR": "urn:oid:2.16.578.1.12.4.1.4.4",
    "HER": "urn:oid:2.16.578.1.12.4.1.2",
    "DUF": "urn:oid:2.16.578.1.12.4.1.4.5",
}
_ORGANISATION_SYSTEMS = {
    "HER": "urn:oid:2.16.578.1.12.4.1.2",
    "ENH": "urn:oid:2.16.578.1.12.4.1.4.101",
    "RSH": "urn:oid:2.16.578.1.12.4.1.4.102",
    "RESH": "urn:oid:2.16.578.1.12.4.1.4.102",
    "AKO": "urn:oid:2.16.578.1.12.4.1.4.107",
}
_TELECOM = (("tel:", "phone"), ("mailto:", "email"), ("fax:", "fax"), ("sms:", "sms"), ("http", "url"))


def compact(**members: Any) -> Part:
    """A JSON object of the members that hold something; ``False`` and ``0`` are something."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", [], {}, ())}


def extension(name: str, **value: Any) -> Part | None:
    """``{"url": …nilar-<name>, "value…": …}``, or None when the value is absent or empty."""
    body = compact(**value)
    return {"url": EXTENSION + name, **body} if body else None


def listed(parts: Iterable[Part | None]) -> list[Part]:
    return [part for part in parts if part]


def coding(coded: Coded, default_list: int | None = None) -> Part | None:
    """A Coding with OID system; the list's own text where we hold the list, else the sender's."""
    if not coded.code:
        return None
    nr = codes.list_of(coded.system) if coded.system else (str(default_list) if default_list else "")
    system = f"urn:oid:{coded.system}" if coded.system else (codes.system(nr) if nr else "")
    return compact(system=system, code=coded.code, display=codes.display(nr, coded.code) or coded.display)


def concept(coded: Iterable[Coded], default_list: int | None = None, text: str = "") -> Part | None:
    """A CodeableConcept of codes and a text; a code without value gives its free text (OT, else DN)."""
    given = tuple(coded)
    words = [text] if text else [c.text or (c.display if not c.code else "") for c in given]
    return (
        compact(
            coding=listed(coding(c, default_list) for c in given),
            text=next((word for word in words if word), ""),
        )
        or None
    )


def quantity(value: Quantity, comparator: str = "") -> Part:
    code = ucum(value.unit)
    return compact(value=value.value, comparator=comparator, unit=value.unit, system=UCUM if code else None, code=code)


def text_of(when: When | None) -> str | None:
    return when.text if when is not None else None


def reference(resource: Part) -> Part:
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def subject(number: str, kind: str) -> Part:
    """A logical reference to the patient: the number only (pps.md §8.3)."""
    return {"identifier": {"system": NUMBER_SYSTEMS[kind], "value": number}}


def role(hcp: Hcp) -> Part | None:
    """A PractitionerRole without id; None when the party has neither name nor known identifier."""
    body = compact(
        practitioner=_logical(hcp.person, _PERSON_SYSTEMS) if hcp.person is not None else None,
        organization=_organisation(hcp),
    )
    if not body:
        return None
    return {
        "resourceType": "PractitionerRole",
        "meta": {"profile": [PROFILE + "practitioner-role"]},
        **body,
        **compact(telecom=[_telecom(address) for address in hcp.telecom]),
    }


def _organisation(hcp: Hcp) -> Part | None:
    parties = [party for party in (hcp.institution, *hcp.departments) if party is not None]
    ids = tuple(ident for party in reversed(parties) for ident in party.ids)
    names = ", ".join(party.name for party in parties if party.name)
    return _logical(Party(names, ids), _ORGANISATION_SYSTEMS)


def _logical(party: Party, systems: dict[str, str]) -> Part | None:
    known: Ident | None = next((ident for ident in party.ids if ident.type in systems), None)
    identifier = {"system": systems[known.type], "value": known.value} if known is not None else None
    return compact(identifier=identifier, display=party.name) or None


def _telecom(address: str) -> Part:
    for prefix, system in _TELECOM:
        if address.lower().startswith(prefix):
            value = address if system == "url" else address[len(prefix) :]
            return compact(system=system, value=value or address)
    return {"system": "other", "value": address}
