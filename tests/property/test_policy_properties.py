"""What must hold of the policy for every input, not only for the cases someone thought of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.clock import Moment
from app.errors import Reason
from app.trust.facts import Facts, Fullmakt, OrganisationRecord, Person, PractitionerRecord, Setting, SettingKind
from app.trust.policy import (
    SERVICES,
    Decision,
    FilterResult,
    ObjectFacts,
    Obligation,
    Outcome,
    Request,
    Verdict,
    conclude,
    decide,
    explain,
    filter_objects,
)
from app.trust.policy.model import Needs, RequestRule
from app.trust.policy.table import REQUEST_RULES
from app.trust.principal import Access, Attest, Basis, Channel, Principal

NOW = 1_795_248_000.0
BLOCKS = (
    SettingKind.GENERAL_BLOCK,
    SettingKind.SPECIFIC_BLOCK,
    SettingKind.ORG_BLOCK,
    SettingKind.RESERVATION,
    SettingKind.MODULE_RESTRICTION,
    SettingKind.PTS_PRIVACY,
    SettingKind.PTS_SAFETY,
    SettingKind.OWN_ACCESS_REMOVED,
)
CODES = ("N", "NORS", "NORU", "NORN_FFL", "NORN_ALL", "NORN_FORANS", "NORN_UNGDOM", "KRITISK_INFO", "BASIS", "")

numbers = st.sampled_from(["1", "2", "3", None])
texts = st.sampled_from(["1", "2", "3"])
times = st.one_of(st.none(), st.floats(), st.sampled_from([NOW - 1, NOW, NOW + 1]))
dates = st.one_of(st.none(), st.text(max_size=10), st.dates().map(str), st.sampled_from(["2012-08-19", "2018-05-08"]))
subjects = st.frozensets(st.tuples(st.sampled_from(["HPR", "PID", "ORGNR", "X"]), texts), max_size=2)
object_ids = st.frozensets(st.tuples(st.sampled_from(["Svarrapport", "Rekvisisjon", "Dokument"]), texts), max_size=2)
roles = st.frozensets(st.sampled_from(["LE", "SP", "VE", "TL"]), max_size=3)


def settings_of(*kinds: SettingKind) -> st.SearchStrategy[Setting]:
    return st.builds(
        Setting,
        id=st.just("s"),
        service=st.just("PPS"),
        kind=st.sampled_from(kinds),
        subjects=subjects,
        objects=object_ids,
        level=st.sampled_from(["Soft", "Hard", None, "soft"]),
        code=st.sampled_from([*CODES, None]),
        until=times,
        active_from=times,
        active_to=times,
    )


persons = st.builds(
    Person,
    id=texts,
    nin=texts,
    nin_system=st.just("s"),
    birth_date=dates,
    address_protection=st.sampled_from(["Unclassified", "Confidential", "StrictlyConfidential", ""]),
    status=st.sampled_from(["Resident", "Deceased"]),
    deceased_date=st.sampled_from([None, "2025-01-15"]),
    parents=st.frozensets(texts, max_size=2),
    address_group=numbers,
    guardian=numbers,
    fullmakt_to=st.frozensets(texts, max_size=2),
    youth_consent=st.booleans(),
    redirected=st.booleans(),
)
attests = st.builds(
    Attest,
    practitioner_id=numbers,
    hpr=numbers,
    authorization=st.sampled_from(["LE", "SP", "VE", None]),
    legal_entity=numbers,
    point_of_care=numbers,
    department=st.none(),
    purpose=st.sampled_from(["TREAT", "ETREAT", "BTG", "X", None]),
    purpose_details=st.none(),
    healthcare_service=st.none(),
    decision_ref=st.none(),
    user_selected=st.none(),
    patient=numbers,
    toa=st.one_of(st.none(), st.integers(), st.just(int(NOW))),
)
principals = st.builds(
    Principal,
    channel=st.sampled_from(Channel),
    pid=numbers,
    hpr=numbers,
    level=st.sampled_from([3, 4, 4, 4]),
    orgnr_parent=numbers,
    orgnr_child=numbers,
    scopes=st.frozensets(st.sampled_from(["a", "b"])),
    claims=st.dictionaries(st.just("iat"), st.one_of(st.floats(), st.integers(), st.text(), st.booleans())),
)
accesses = st.builds(
    Access,
    sandbox=st.just("default"),
    service=st.just("PPS"),
    operation=st.just("search"),
    moment=st.one_of(st.just(Moment(NOW, NOW)), st.builds(Moment, st.floats(), st.floats())),
    principal=principals,
    attest=st.one_of(st.none(), attests),
    patient_nin=numbers,
    basis=st.one_of(st.none(), st.sampled_from(Basis)),
    legacy_basis=st.booleans(),
    role=st.sampled_from(["LE", "VE", None]),
)
organisations = st.one_of(
    st.none(), st.builds(OrganisationRecord, id=texts, orgnr=texts, name=texts, parent_orgnr=numbers)
)
facts = st.builds(
    Facts,
    patient=st.one_of(st.none(), persons),
    practitioner=st.one_of(st.none(), st.builds(PractitionerRecord, texts, texts, texts, roles)),
    parent_org=organisations,
    child_org=organisations,
    settings=st.lists(settings_of(*SettingKind), max_size=4).map(tuple),
    actor=st.one_of(st.none(), persons),
    coresident_parent=st.sampled_from([None, True, False]),
    has_data=st.booleans(),
    privacy_available=st.sampled_from([True, True, True, False]),
    gp_hpr=numbers,
    fullmakt=st.one_of(
        st.none(),
        st.builds(Fullmakt, st.frozensets(st.sampled_from(["innsyn", "digitale helsetjenester"])), times, times),
    ),
    guardian_scopes=st.frozensets(st.just("PersonalInterests")),
)
requests = st.builds(
    Request,
    access=accesses,
    facts=facts,
    service=st.sampled_from(list(SERVICES.values())),
    op=st.sampled_from(["search", "read", "create", "update", "delete", "ingest"]),
    mode=st.sampled_from([None, "national", "ehds"]),
    token_fault=st.one_of(st.none(), st.none(), st.none(), st.sampled_from(Reason)),
    request_faults=st.one_of(st.just(frozenset()), st.frozensets(st.sampled_from(Reason), max_size=2)),
    scopes_accepted=st.sampled_from([(), (frozenset({"a"}),)]),
    elevated_adds=st.sampled_from([None, True, False]),
)
objects = st.lists(
    st.builds(
        ObjectFacts,
        key=texts,
        ids=object_ids,
        confidentiality=st.frozensets(st.sampled_from(CODES), max_size=2),
        requisition_reserved=st.booleans(),
        delay_until=times,
        outside_search=st.sampled_from([False, False, True]),
    ),
    max_size=4,
    unique_by=lambda item: item.key,
)
HERE = Principal(channel=Channel.PERSONNEL, pid="1", hpr="1", level=4, orgnr_parent="1", orgnr_child="1")
PATIENT = Person(id="2", nin="2", nin_system="s", birth_date="1984-03-14")


@st.composite
def reachable(draw: st.DrawFn) -> Request:
    """Requests that pass the rows before the blocks, so that blocks and objects decide."""
    channel = draw(st.sampled_from(Channel))
    who = replace(HERE, channel=channel, pid="2" if channel is Channel.CITIZEN else "1")
    access = Access(
        sandbox="default",
        service="PPS",
        operation="search",
        moment=Moment(NOW, NOW),
        principal=who,
        patient_nin="2",
        basis=draw(st.one_of(st.none(), st.sampled_from(Basis))),
        legacy_basis=draw(st.booleans()),
        role="LE",
    )
    practitioner = PractitionerRecord("1", "1", "1", frozenset({"LE"})) if channel is Channel.PERSONNEL else None
    service = replace(
        draw(st.sampled_from(list(SERVICES.values()))),
        machine_ops=frozenset({"search", "read"}),
        attest="optional",
    )
    return Request(
        access=access,
        facts=Facts(
            patient=PATIENT,
            actor=PATIENT,
            practitioner=practitioner,
            settings=draw(st.lists(settings_of(*BLOCKS), max_size=3).map(tuple)),
            has_data=True,
            gp_hpr=draw(numbers),
        ),
        service=service,
        op=draw(st.sampled_from(["search", "read"])),
        mode=draw(st.sampled_from(["national", "ehds"])),
    )


any_request = st.one_of(requests, reachable())


def released(request: Request, items: list[ObjectFacts]) -> dict[str, int]:
    """How much of each object leaves, before row F3: 0 nothing, 1 masked, 2 all."""
    shown = {Verdict.DROP: 0, Verdict.MASK: 1, Verdict.KEEP: 2}
    result = filter_objects(items, request)
    if not decide(request).releases:
        return dict.fromkeys(result.verdicts, 0)
    return {key: shown[verdict.verdict] for key, verdict in result.verdicts.items()}


def with_setting(request: Request, setting: Setting) -> Request:
    return replace(request, facts=replace(request.facts, settings=(*request.facts.settings, setting)))


@given(request=any_request, items=objects, stored=st.integers(0, 5))
def test_total(request: Request, items: list[ObjectFacts], stored: int) -> None:
    """Never raises, always audits, and says why it does not release."""
    for mode in ("first", "all"):
        decision = decide(request, mode=mode)
        final = conclude(request, decision, filter_objects(items, request), stored)
        for each in (decision, final):
            assert Obligation.AUDIT in each.obligations
            assert each.outcome is Outcome.PERMIT or (each.reason is not None and each.rule is not None)
            assert each.trace is not None


@given(any_request)
def test_first_is_the_first_deciding_row_of_all(request: Request) -> None:
    first = decide(request)
    deciding = next((row for row in explain(request) if row.outcome is not None), None)
    if deciding is None:
        assert (first.outcome, first.reason, first.rule) == (Outcome.PERMIT, None, None)
    else:
        assert (first.outcome, first.reason, first.rule) == (deciding.outcome, deciding.reason, deciding.rule)
        assert first.trace[-1] == deciding
    assert decide(request, mode="all") == first


@given(any_request, objects, settings_of(*BLOCKS))
def test_adding_a_block_never_releases_more(request: Request, items: list[ObjectFacts], block: Setting) -> None:
    """Before F3: that row exists to refuse an opening where there is nothing to open."""
    before, after = released(request, items), released(with_setting(request, block), items)
    assert all(after[key] <= before[key] for key in before)


@given(any_request, objects, settings_of(*BLOCKS), st.sampled_from([None, Basis.SAMTYKKE, Basis.AKUTT]))
def test_without_elevation_adding_a_block_never_ends_better(
    request: Request, items: list[ObjectFacts], block: Setting, basis: Basis | None
) -> None:
    service = replace(request.service, elevating_purposes=frozenset())
    plain = replace(request, access=replace(request.access, basis=basis), service=service)

    def releases(asked: Request) -> bool:
        return conclude(asked, decide(asked), filter_objects(items, asked), len(items)).releases

    assert releases(plain) or not releases(with_setting(plain, block))


@given(any_request, objects, st.sampled_from(CODES))
def test_adding_a_code_to_an_object_never_shows_more_of_it(
    request: Request, items: list[ObjectFacts], code: str
) -> None:
    coded = [replace(item, confidentiality=item.confidentiality | {code}) for item in items]
    before, after = released(request, items), released(request, coded)
    assert all(after[key] <= before[key] for key in before)


@given(any_request, objects, st.integers(0, 5))
def test_a_refusal_is_never_upgraded(request: Request, items: list[ObjectFacts], stored: int) -> None:
    decision = decide(request)
    final = conclude(request, decision, filter_objects(items, request), stored)
    if not decision.releases:
        assert final == decision
    assert decision.outcome is Outcome.PERMIT or not final.releases


@given(any_request, objects)
def test_what_is_released_by_opening_is_always_logged(request: Request, items: list[ObjectFacts]) -> None:
    """If elevation released something that would not have come without it, the opening has its obligations."""
    plain_service = replace(request.service, elevating_purposes=frozenset())
    plain = replace(request, access=replace(request.access, basis=Basis.SAMTYKKE), service=plain_service)
    final = conclude(request, decide(request), filter_objects(items, request), len(items))
    if request.access.basis is None or not final.releases:
        return
    with_it, without = released(request, items), released(plain, items)
    if any(with_it[key] > without[key] for key in with_it):
        assert Obligation.BREAK_GLASS in final.obligations
        assert Obligation.SHOW_IN_CITIZEN_LOG in final.obligations


@given(any_request, objects)
def test_the_reservation_is_never_overridden(request: Request, items: list[ObjectFacts]) -> None:
    reservation = Setting(id="r", service="PPS", kind=SettingKind.RESERVATION)
    refused = decide(with_setting(request, reservation))
    assert not refused.releases or request.service.privacy_settings


@given(reachable(), objects)
def test_in_ehds_mode_a_block_looks_like_no_data(request: Request, items: list[ObjectFacts]) -> None:
    asked = replace(request, mode="ehds")
    if asked.access.principal.channel is Channel.CITIZEN:
        return
    final = conclude(asked, decide(asked), filter_objects(items, asked), len(items))
    shown: dict[str, Any] = {"outcome": final.outcome, "concealed": final.concealed}
    if not final.releases and final.reason is not Reason.PATIENT_RESERVED:
        assert shown == {"outcome": Outcome.EMPTY, "concealed": True}


@given(any_request, st.sampled_from(REQUEST_RULES))
def test_a_row_never_fires_without_what_it_needs(request: Request, rule: RequestRule) -> None:
    lacking: dict[Needs | None, Request] = {
        Needs.TOKEN_FAULT: replace(request, token_fault=None),
        Needs.REQUEST_FAULT: replace(request, request_faults=frozenset()),
        Needs.SETTING: replace(request, facts=replace(request.facts, settings=())),
    }
    assert rule.needs is None or not rule.when(lacking[rule.needs])


@given(any_request)
def test_the_row_that_decides_is_the_first_of_all_rows_with_an_outcome(request: Request) -> None:
    first = next((row for row in explain(request) if row.outcome is not None and row.rule != "F3"), None)
    decision = decide(request)
    if decision.rule != "F3":
        assert decision.rule == (first.rule if first is not None else None)


@given(any_request)
def test_no_objects_no_verdicts(request: Request) -> None:
    assert filter_objects([], request) == FilterResult()
    assert conclude(request, Decision(Outcome.DENY, Reason.ORG_BLOCKED, "E2"), FilterResult(), 0).rule == "E2"
