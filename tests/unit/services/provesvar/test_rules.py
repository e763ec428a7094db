"""From form fields to a typed search."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.errors import Reason, Refusal
from app.fhir.search import Token
from app.services.provesvar import rules
from app.services.provesvar.rules import GRAPH, LEGACY_SEARCHES, SEARCHES, Edge, Search
from app.store.resources import TokenTest

GUID = "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01"


def read(*fields: tuple[str, str], kind: str = "Observation", strict: bool = False) -> Search:
    return rules.read(SEARCHES[kind], fields, strict=strict, max_count=1000)


def reason_of(*fields: tuple[str, str], kind: str = "Observation", strict: bool = False) -> Reason:
    with pytest.raises(Refusal) as refused:
        read(*fields, kind=kind, strict=strict)
    return refused.value.reason


def test_nothing_asked_is_everything() -> None:
    search = read()
    assert (search.query.ids, search.query.tokens, search.query.dates) == (None, (), ())
    assert (search.query.count, search.query.skip) == (50, 0)
    assert not search.includes


def test_comma_and_repetition_are_alternatives() -> None:
    search = read(("_tags", "A,s:B"), ("_tag", "C"), ("identifier", "1"), ("identifier", "2"))
    assert search.query.tokens == (
        TokenTest("_tag", (Token(None, "A"), Token("s", "B"), Token(None, "C"))),
        TokenTest("identifier", (Token(None, "1"), Token(None, "2"))),
    )


def test_repeated_dates_are_conditions() -> None:
    search = read(("date", "gt2017"), ("date", "lt2019,eq2020"))
    assert [[test.prefix for test in tests] for tests in search.query.dates] == [["gt"], ["lt", "eq"]]


@pytest.mark.parametrize(
    "system",
    [
        "urn:oid:2.16.578.1.12.4.1.1.7280",
        "http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk",
        "http://helsedir.no/fhir/CodeSystem/no-kodeverk-7280",
    ],
)
@pytest.mark.parametrize("sign", [":", "|"])
def test_three_names_of_a_code_list(system: str, sign: str) -> None:
    (test,) = read(("_tags", f"{system}{sign}NPU19767")).query.tokens
    assert test.tokens == (Token("urn:oid:2.16.578.1.12.4.1.1.7280", "NPU19767"),)


def test_identifier_has_no_colon_form() -> None:
    (test,) = read(("identifier", "a:b")).query.tokens
    assert test.tokens == (Token(None, "a:b"),)


def test_includes() -> None:
    search = read(
        ("_include", "Observation:specimen,Observation:performer:PractitionerRole"),
        ("_include:iterate", "Specimen:collector"),
        ("_revinclude", "DiagnosticReport:result"),
        ("_revinclude:iterate", "DiagnosticReport:specimen"),
    )
    assert search.includes.once == (Edge("Observation", "specimen"), Edge("Observation", "performer"))
    assert search.includes.again == (Edge("Specimen", "collector"),)
    assert search.includes.reverse_once == (Edge("DiagnosticReport", "result"),)
    assert search.includes.reverse_again == (Edge("DiagnosticReport", "specimen"),)


@pytest.mark.parametrize(
    "field",
    [
        ("_sort", "date"),
        ("_include", "DiagnosticReport:requester"),
        ("_include", "Observation:performer:Organization"),
        ("_include", "nonsense"),
        ("date:missing", "true"),
    ],
)
def test_unknown_is_ignored_or_refused(field: tuple[str, str]) -> None:
    search = read(field)
    assert search.ignored == (field[0],)
    assert search.honoured == ()
    assert reason_of(field, strict=True) is Reason.PARAMETER_NOT_SUPPORTED


def test_an_include_that_is_half_known_counts() -> None:
    search = read(("_include", "Observation:specimen,Observation:nothing"))
    assert search.includes.once == (Edge("Observation", "specimen"),)
    assert search.ignored == ("_include",)


@pytest.mark.parametrize("strict", [False, True])
def test_revinclude_does_not_apply_to_reports(strict: bool) -> None:
    search = read(("_revinclude", "Observation:specimen"), kind="DiagnosticReport", strict=strict)
    assert (search.includes.reverse_once, search.honoured, search.ignored) == ((), (), ("_revinclude",))


def test_tags_are_not_for_reports() -> None:
    assert read(("_tags", "A"), kind="DiagnosticReport").ignored == ("_tags",)


def test_honoured_as_sent() -> None:
    fields = (("date", "ge2017"), ("_count", "5000"), ("x", "y"), ("_tag", "A,B"))
    search = read(*fields)
    assert search.honoured == (fields[0], fields[1], fields[3])
    assert search.query.count == 1000


@pytest.mark.parametrize(
    "field",
    [
        ("_id", "abc"),
        ("_id", ""),
        ("_id", f"{GUID},"),
        ("date", "yesterday"),
        ("date", ""),
        ("_tag", ""),
        ("identifier", "|"),
        ("_count", "-1"),
        ("_count", "many"),
        ("_skip", "1,2"),
        ("_id", ",".join([GUID] * (rules.MAX_VALUES + 1))),
        ("date", ",".join(["2017"] * (rules.MAX_DATES + 1))),
    ],
)
def test_invalid_values(field: tuple[str, str]) -> None:
    assert reason_of(field) is Reason.PARAMETER_INVALID


def test_too_many_in_all() -> None:
    half = ",".join(["A"] * (rules.MAX_VALUES // 2 + 1))
    assert reason_of(("_tag", half), ("identifier", half)) is Reason.PARAMETER_INVALID
    assert reason_of(*[("date", "2017")] * (rules.MAX_DATES + 1)) is Reason.PARAMETER_INVALID


def test_paging_is_sent_once() -> None:
    assert reason_of(("_count", "1"), ("_count", "2")) is Reason.PARAMETER_INVALID


def test_form_wins_by_name() -> None:
    query = [("date", "2016"), ("_count", "5"), ("_tag", "A")]
    form: Sequence[tuple[str, str]] = [("date", "2017"), ("_count", "7")]
    assert rules.merge(query, form) == [("_tag", "A"), *form]


@pytest.mark.parametrize("value", ["14838449698", "a|14838449698", "x,43909349738,y"])
def test_no_national_number_in_the_url(value: str) -> None:
    with pytest.raises(Refusal) as refused:
        rules.merge([("identifier", value)], [])
    assert refused.value.reason is Reason.PARAMETER_INVALID
    assert value not in refused.value.detail


def test_other_long_numbers_may_stand_in_the_url() -> None:
    fields = [("identifier", "14838449699"), ("identifier", "114838449698")]
    assert rules.merge(fields, []) == fields


def test_a_parameter_name_is_not_repeated_with_a_number() -> None:
    assert read(("x14838449698", "1")).ignored == ("x…",)


def test_legacy_searches_take_an_id() -> None:
    search = rules.read(LEGACY_SEARCHES["Specimen"], [("_id", GUID.upper())], strict=True, max_count=10)
    assert search.query.ids == (GUID,)


def test_the_graph_leads_to_types_that_exist() -> None:
    known = {*SEARCHES, *LEGACY_SEARCHES}
    assert set(GRAPH) <= known
    assert {target for params in GRAPH.values() for target in params.values()} <= known
