"""Which changes may be worth trying on a request: a bounded list, likely ones with the smaller cost.

Whether any of them helps is for the policy to say (``search``); what cannot apply to the channel is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice
from types import MappingProxyType
from typing import Final

from app.clock import rfc3339
from app.errors import Reason
from app.trust.advice import edits
from app.trust.advice.fixes import FIXES
from app.trust.advice.model import Candidate, Change, Part
from app.trust.facts import Fullmakt, OrganisationRecord, Person, PractitionerRecord, Setting, SettingKind
from app.trust.policy import ObjectFacts, Request
from app.trust.policy.citizen import PERSONAL_INTERESTS
from app.trust.policy.model import WRITE_OPS
from app.trust.principal import Basis, Channel

MOST_WORKERS: Final = 8
MOST_ORGANISATIONS: Final = 4
MOST_SETTINGS: Final = 12
_MOST_MOMENTS: Final = 4
_HORIZON: Final = 20 * 366 * 86_400.0  # seconds ahead that a clock is worth moving
_AGES: Final = (12, 13, 16, 18)
_PLAIN_BASES: Final = (Basis.UNNTAK, Basis.SAMTYKKE, Basis.AKUTT)
_HIGH_BASES: Final = (Basis.FORHOYET_SAMTYKKE, Basis.FORHOYET_AKUTT)
_AUTHORISED: Final = "LE"

_KINDS: Final[Mapping[SettingKind, tuple[str, str]]] = MappingProxyType(
    {
        SettingKind.GENERAL_BLOCK: ("sperringen for alt helsepersonell", "the block for all personnel"),
        SettingKind.SPECIFIC_BLOCK: ("blokkeringen av navngitt helsepersonell", "the block of named personnel"),
        SettingKind.ORG_BLOCK: ("blokkeringen av en organisasjon", "the block of an organisation"),
        SettingKind.RESERVATION: ("reservasjonen mot tjenesten", "the reservation against the service"),
        SettingKind.MODULE_RESTRICTION: ("begrensningen av en modul", "the restriction of a module"),
        SettingKind.PTS_PRIVACY: ("PTS-begrensningen", "the PTS restriction"),
        SettingKind.PTS_SAFETY: ("utsettelsen eller nektingen for innbygger", "the delay or denial for the citizen"),
        SettingKind.OWN_ACCESS_REMOVED: ("fjerningen av egen tilgang", "the removal of own access"),
        SettingKind.HELSENORGE_CONSENT: ("samtykket til Helsenorge", "the Helsenorge consent"),
    }
)
"""How a setting is named in an advice, in bokmål and English."""


@dataclass(frozen=True, slots=True)
class Registers:
    """Who else could ask: health workers and organisations of the sandbox."""

    practitioners: Sequence[PractitionerRecord] = ()
    organisations: Sequence[OrganisationRecord] = ()


Maker = Callable[[Request, Sequence[ObjectFacts], Registers], Iterator[Candidate]]


def candidates(request: Request, objects: Sequence[ObjectFacts], registers: Registers) -> list[Candidate]:
    """Everything worth trying. Who asks comes before the attest, so that a new attest agrees with a new log-in."""
    return [each for make in _MAKERS for each in make(request, objects, registers)]


def _faults(request: Request, _: Sequence[ObjectFacts], __: Registers) -> Iterator[Candidate]:
    """What the gate found wrong with the token, the proof or the headers."""
    token, wrong = request.token_fault, request.request_faults
    if token is not None and token in FIXES:
        yield _fix(token, Part.LOGIN, lambda each: replace(each, token_fault=None))
    for reason in sorted(wrong):
        if reason in FIXES:
            yield _fix(reason, Part.REQUEST, _without_fault(reason))


def _login(request: Request, _: Sequence[ObjectFacts], __: Registers) -> Iterator[Candidate]:
    service, principal = request.service, request.access.principal
    if principal.level < service.min_level:
        yield _fix(Reason.LEVEL_TOO_LOW, Part.LOGIN, edits.principal(level=service.min_level))
    if request.scopes_accepted:
        needed = min(request.scopes_accepted, key=sorted)
        names = ", ".join(sorted(needed))
        yield Candidate(
            "scopes",
            1,
            Change(Part.LOGIN, f"Be om scopet {names}.", f"Ask for the scope {names}.", _value(scopes=sorted(needed))),
            edits.principal(scopes=principal.scopes | needed),
        )


def _workers(request: Request, _: Sequence[ObjectFacts], registers: Registers) -> Iterator[Candidate]:
    """Other health workers, at most two of each authorisation."""
    if request.access.principal.channel is not Channel.PERSONNEL:
        return
    known, taken, made = request.facts.practitioner, dict[frozenset[str], int](), 0
    for worker in registers.practitioners:
        taken[worker.authorizations] = taken.get(worker.authorizations, 0) + 1
        if worker == known or taken[worker.authorizations] > 2 or made == MOST_WORKERS:
            continue
        made += 1
        held = ", ".join(sorted(worker.authorizations)) or "–"
        yield Candidate(
            f"who:{worker.id}",
            4,
            Change(
                Part.LOGIN,
                f"Logg inn {worker.id} {worker.name} ({held}).",
                f"Log in {worker.id} {worker.name} ({held}).",
                _value(persona=worker.id),
            ),
            edits.logged_in(worker),
        )


def _organisations(request: Request, _: Sequence[ObjectFacts], registers: Registers) -> Iterator[Candidate]:
    if request.access.principal.channel is Channel.CITIZEN:
        return
    current = request.access.principal.orgnr_parent
    entities = [each for each in registers.organisations if each.kind == "legal_entity" and each.orgnr != current]
    for entity in entities[:MOST_ORGANISATIONS]:
        unit = next((each for each in registers.organisations if each.parent_orgnr == entity.orgnr), None)
        yield _organisation(entity, unit, 5)
    known = request.facts.parent_org
    if known is not None:
        units = [each for each in registers.organisations if each.parent_orgnr == known.orgnr]
        for unit in units[:2]:
            yield _organisation(known, unit, 3)


def _basis(request: Request, _: Sequence[ObjectFacts], __: Registers) -> Iterator[Candidate]:
    access = request.access
    if access.principal.channel is not Channel.PERSONNEL:
        return
    if access.basis is not None:
        yield Candidate(
            "basis",
            1 if access.basis.elevated else 4,
            Change(
                Part.REQUEST,
                f"Utelat tilgangsgrunnlaget {access.basis}.",
                f"Leave out the access basis {access.basis}.",
                _value(accessBasis=None),
            ),
            edits.access(basis=None, legacy_basis=False),
        )
    for cost, bases in ((2, _PLAIN_BASES), (3, _HIGH_BASES)):
        for basis in bases:
            yield Candidate(
                "basis",
                cost,
                Change(
                    Part.REQUEST,
                    f"Send tilgangsgrunnlaget {basis}.",
                    f"Send the access basis {basis}.",
                    _value(accessBasis=basis.value),
                ),
                edits.access(basis=basis, legacy_basis=False),
            )


def _role(request: Request, _: Sequence[ObjectFacts], __: Registers) -> Iterator[Candidate]:
    """The role a header states, where the service takes it from there."""
    service, known = request.service, request.facts.practitioner
    if request.access.principal.channel is not Channel.PERSONNEL or service.role_source != "header":
        return
    held = known.authorizations if known is not None else frozenset[str]()
    allowed = service.write_roles_allowed if request.op in WRITE_OPS else service.roles_allowed
    for role in sorted(held)[:3] + sorted((allowed or frozenset()) - held)[:3]:
        yield Candidate(
            "role",
            2 if role in held else 5,
            Change(Part.REQUEST, f"Send rollen {role}.", f"Send the role {role}.", _value(role=role)),
            edits.access(role=role),
        )


def _attest(request: Request, _: Sequence[ObjectFacts], __: Registers) -> Iterator[Candidate]:
    access, service = request.access, request.service
    if access.principal.channel is not Channel.PERSONNEL or service.attest == "ignore":
        return
    known, who = access.attest, access.principal
    if known is None:
        text = ("Logg inn med en attest.", "Log in with an attest.")
        yield _attested("attest", 1, text, "new", _without_fault(Reason.ATTEST_MISSING), edits.matching_attest)
        return
    now = int(access.moment.sandbox)
    text = ("Hent en fersk attest (toa nå).", "Get a fresh attest (toa now).")
    yield _attested("attest:toa", 1, text, {"toa": "now"}, edits.attest(toa=now))
    if known.patient is not None and access.patient_nin is not None:
        text = ("Hent en attest for pasienten det spørres om.", "Get an attest for the patient asked about.")
        edit = edits.attest(patient=access.patient_nin)
        yield _attested("attest:patient", 1, text, {"patient": "the patient asked about"}, edit)
    text = (
        "La attesten nevne samme organisasjon, behandlingssted og helsepersonell som tokenet.",
        "Let the attest name the organisation, place of care and health worker of the token.",
    )
    agreeing = edits.attest(
        legal_entity=who.orgnr_parent,
        point_of_care=who.orgnr_child or who.orgnr_parent,
        practitioner_id=who.pid,
        hpr=who.hpr,
    )
    yield _attested("attest:actor", 2, text, {"practitioner": "as in the token"}, agreeing)
    worker = request.facts.practitioner
    for role in sorted(worker.authorizations if worker is not None else ())[:3]:
        text = (f"La attesten oppgi autorisasjonen {role}.", f"Let the attest state the authorisation {role}.")
        yield _attested("attest:role", 2, text, {"authorization": role}, edits.attest(authorization=role))
    for purpose in sorted(service.purposes_allowed | service.elevating_purposes):
        text = (f"Hent en attest med formålet {purpose}.", f"Get an attest with the purpose {purpose}.")
        cost = 2 if purpose == "TREAT" else 4
        yield _attested("attest:purpose", cost, text, {"purpose": purpose}, edits.attest(purpose=purpose))
    text = (
        "Hent en helt ny attest for denne innloggingen og denne pasienten.",
        "Get a wholly new attest for this log-in and this patient.",
    )
    yield _attested("attest", 4, text, "new", edits.matching_attest)
    if service.attest == "optional":
        text = ("Logg inn uten attest: tjenesten krever ingen.", "Log in without an attest: none is demanded.")
        yield _attested("attest", 6, text, None, edits.access(attest=None))


def _settings(request: Request, _: Sequence[ObjectFacts], __: Registers) -> Iterator[Candidate]:
    for setting in islice(request.facts.settings, MOST_SETTINGS):
        nb, en = _KINDS[setting.kind]
        yield Candidate(
            f"setting:{setting.id}",
            6 if setting.kind is SettingKind.RESERVATION else 5,
            Change(
                Part.SETTING,
                f"Pasienten trekker tilbake {nb} ({setting.service}).",
                f"The patient withdraws {en} ({setting.service}).",
                _value(setting=setting.id, kind=setting.kind.value, service=setting.service, remove=True),
            ),
            edits.without_setting(setting),
        )
    level = request.service.consent_level_min
    if level is not None and request.access.principal.channel is Channel.CITIZEN:
        given = Setting("advice", request.service.name, SettingKind.HELSENORGE_CONSENT, code=level)
        yield Candidate(
            "setting:consent",
            2,
            Change(
                Part.SETTING,
                f"Pasienten samtykker til Helsenorge på nivå {level}.",
                f"The patient consents to Helsenorge at level {level}.",
                _value(kind=SettingKind.HELSENORGE_CONSENT.value, code=level),
            ),
            lambda each: edits.facts(settings=(*each.facts.settings, given))(each),
        )


def _registers(request: Request, _: Sequence[ObjectFacts], __: Registers) -> Iterator[Candidate]:
    """What the registers say of the patient and of who asks."""
    facts, principal = request.facts, request.access.principal
    if not facts.privacy_available:
        yield _fix(Reason.PRIVACY_UNAVAILABLE, Part.SANDBOX, edits.facts(privacy_available=True))
    if facts.patient is None and request.access.patient_nin is not None:
        stand_in = Person(id="", nin=request.access.patient_nin, nin_system="")
        text = ("Spør om en pasient som finnes i registeret.", "Ask about a patient the register knows.")
        yield _registered("patient", 2, text, {"patient": "known"}, edits.facts(patient=stand_in))
    if facts.patient is not None and facts.patient.address_protection != "Unclassified":
        text = ("Pasientens adresse er ikke lenger skjermet.", "The patient's address is no longer protected.")
        edit = edits.patient(address_protection="Unclassified")
        yield _registered("protection", 5, text, {"addressProtection": "Unclassified"}, edit)
    if facts.patient is not None and (facts.patient.status == "Deceased" or facts.patient.deceased_date is not None):
        text = ("Spør om en pasient som lever.", "Ask about a patient who is alive.")
        edit = edits.patient(status="Resident", deceased_date=None)
        yield _registered("status", 6, text, {"status": "Resident"}, edit)
    if principal.channel is Channel.PERSONNEL:
        yield from _worker_registers(request)


def _worker_registers(request: Request) -> Iterator[Candidate]:
    facts, access, principal = request.facts, request.access, request.access.principal
    worker = facts.practitioner
    if worker is not None:
        claimed = {access.attest.authorization if access.attest is not None else None, access.role}
        roles = request.service.write_roles_allowed if request.op in WRITE_OPS else request.service.roles_allowed
        wanted = {role for role in claimed if role} or {min(roles or {_AUTHORISED})}
        if not wanted <= worker.authorizations:
            names = ", ".join(sorted(wanted))
            # The next token carries the number: the issuer gives it to those who are authorised.
            edit = edits.both(
                edits.facts(practitioner=replace(worker, authorizations=worker.authorizations | wanted)),
                edits.principal(hpr=principal.hpr or worker.hpr),
            )
            text = (
                f"HPR gir {worker.id} gyldig autorisasjon {names}.",
                f"HPR gives {worker.id} a valid authorisation {names}.",
            )
            yield _registered("authorization", 4, text, {"practitioner": worker.id, "add": sorted(wanted)}, edit)
        if principal.hpr is None:
            yield Candidate(
                "hpr",
                2,
                Change(
                    Part.LOGIN,
                    "Be om scopet helseid://scopes/hpr/hpr_number, så tokenet bærer HPR-nummeret.",
                    "Ask for the scope helseid://scopes/hpr/hpr_number, so that the token carries the HPR number.",
                    _value(scopes=["helseid://scopes/hpr/hpr_number"]),
                ),
                edits.principal(hpr=worker.hpr),
            )
    if request.service.gp_exempt_from_general_block and principal.hpr is not None:
        text = ("Helsepersonellet er pasientens fastlege.", "The health worker is the patient's own GP.")
        yield _registered("gp", 4, text, {"gpHpr": principal.hpr}, edits.facts(gp_hpr=principal.hpr))


def _citizens(request: Request, _: Sequence[ObjectFacts], __: Registers) -> Iterator[Candidate]:
    facts = request.facts
    patient, actor = facts.patient, facts.actor
    if request.access.principal.channel is not Channel.CITIZEN or patient is None:
        return
    if not patient.youth_consent:
        text = ("Ungdommen har samtykket til ungdomstilgang.", "The youth has consented to youth access.")
        yield _registered("youth", 3, text, {"youthConsent": True}, edits.patient(youth_consent=True))
    if actor is None or actor.id == patient.id:
        return
    text = ("Pasienten spør selv.", "The patient asks in person.")
    yield Candidate("who:self", 4, _change(Part.LOGIN, text, {"persona": patient.id}), edits.asked_by(patient))
    parent = edits.patient(parents=patient.parents | {actor.id})
    text = (f"{actor.id} har foreldreansvar.", f"{actor.id} has parental responsibility.")
    yield _registered("parent", 4, text, {"parents": actor.id}, parent)
    text = ("Barnet bor på samme adresse som forelderen.", "The child lives at the parent's address.")
    home = actor.address_group or "home"
    together = edits.both(
        edits.patient(address_group=home),
        edits.facts(actor=replace(actor, address_group=home), coresident_parent=True),
    )
    yield _registered("address", 3, text, {"addressGroup": home}, together)
    areas = {request.service.fullmakt_read_area, request.service.fullmakt_write_area} - {None}
    mandate = Fullmakt(frozenset(str(area) for area in areas))
    text = (f"Pasienten gir {actor.id} fullmakt.", f"The patient gives {actor.id} a fullmakt.")
    edit = edits.both(edits.patient(fullmakt_to=patient.fullmakt_to | {actor.id}), edits.facts(fullmakt=mandate))
    yield _registered("fullmakt", 3, text, {"fullmaktTo": actor.id, "areas": sorted(mandate.areas)}, edit)
    text = (f"{actor.id} er verge for pasienten.", f"{actor.id} is the patient's guardian.")
    edit = edits.both(edits.patient(guardian=actor.id), edits.facts(guardian_scopes=frozenset({PERSONAL_INTERESTS})))
    yield _registered("guardian", 5, text, {"guardian": actor.id, "scope": PERSONAL_INTERESTS}, edit)


def _moments(request: Request, objects: Sequence[ObjectFacts], _: Registers) -> Iterator[Candidate]:
    """The clock moved on to when something ends: a setting, a delay, an age."""
    now = request.access.moment.sandbox
    ends = {each for setting in request.facts.settings for each in (setting.until, setting.active_to)}
    ends |= {item.delay_until for item in objects}
    if request.access.principal.channel is Channel.CITIZEN:
        ends |= set(_birthdays(request.facts.patient))
    later = sorted(each for each in ends if each is not None and now < each <= now + _HORIZON)
    for moment in later[:_MOST_MOMENTS]:
        shown = rfc3339(moment)[:10]
        text = (f"Still klokken fram til {shown}.", f"Move the clock on to {shown}.")
        value = {"clock": rfc3339(moment + 1)}
        yield Candidate("clock", 4, _change(Part.CLOCK, text, value), edits.at(moment + 1))


def _birthdays(person: Person | None) -> Iterator[float]:
    """The days after those on which the rules for a citizen change."""
    if person is None or person.birth_date is None:
        return
    try:
        born = date.fromisoformat(person.birth_date)
    except ValueError:
        return
    for age in _AGES:
        # The first of the next month would be late, the 29th of February may not exist: the day after the 28th is safe.
        day = min(born.day, 28)
        yield datetime(born.year + age, born.month, day, tzinfo=UTC).timestamp() + (born.day - day + 1) * 86_400.0


_MAKERS: Final[tuple[Maker, ...]] = (
    _faults,
    _login,
    _workers,
    _organisations,
    _basis,
    _role,
    _attest,
    _settings,
    _registers,
    _citizens,
    _moments,
)


def _organisation(entity: OrganisationRecord, unit: OrganisationRecord | None, cost: int) -> Candidate:
    name = entity.name if unit is None else f"{entity.name} / {unit.name}"
    value = {"orgnrParent": entity.orgnr, "orgnrChild": unit.orgnr if unit is not None else None}
    text = (f"Logg inn for {name}.", f"Log in for {name}.")
    where = f"organisation:{entity.id}:{unit.id if unit is not None else ''}"
    return Candidate(where, cost, _change(Part.LOGIN, text, value), edits.acting_for(entity, unit))


def _attested(slot: str, cost: int, text: tuple[str, str], value: object, *edit: edits.Edit) -> Candidate:
    return Candidate(slot, cost, _change(Part.ATTEST, text, {"attest": value}), edits.both(*edit))


def _registered(
    slot: str, cost: int, text: tuple[str, str], value: Mapping[str, object], edit: edits.Edit
) -> Candidate:
    return Candidate(slot, cost, _change(Part.REGISTER, text, value), edit)


def _fix(reason: Reason, part: Part, edit: edits.Edit) -> Candidate:
    fix = FIXES[reason]
    return Candidate(f"fix:{reason}", 1, _change(part, (fix.nb, fix.en), {"reason": reason.value}), edit)


def _change(part: Part, text: tuple[str, str], value: Mapping[str, object]) -> Change:
    return Change(part, text[0], text[1], _value(**value))


def _value(**members: object) -> Mapping[str, object]:
    return MappingProxyType(members)


def _without_fault(reason: Reason) -> edits.Edit:
    return lambda request: replace(request, request_faults=request.request_faults - {reason})
