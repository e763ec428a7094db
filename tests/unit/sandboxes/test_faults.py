"""Fault rules: what they match, when they are due, and what is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from app.sandboxes import config, faults
from app.sandboxes.config import Config
from app.sandboxes.faults import Asked, Exponential, FaultMatch, Latency, Normal, Rule, RuleDraft, Uniform
from app.sandboxes.forms import pointer_to
from app.store.faults import Hits

SEARCH = Asked("pps-v2", "POST", "/DiagnosticReport/_search", frozenset({"P01"}), frozenset({"epj"}))
TOKEN = Asked("helseid", "POST", "/connect/token")
RESET = {"kind": "reset"}


def rule(match: dict[str, Any], effect: dict[str, Any] | None = None, name: str = "r1") -> Rule:
    return Rule.model_validate({"id": name, "match": match, "effect": effect or RESET})


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"service": "pps-v2"}, True),
        ({"service": "PPS-V2"}, True),
        ({"service": "PPS"}, True),
        ({"service": "Pps"}, True),
        ({"service": "pps"}, False),  # the address of v1
        ({"service": "helseid"}, False),
        ({"method": "post"}, True),
        ({"method": "GET"}, False),
        ({"path": "/DiagnosticReport/*"}, True),
        ({"path": "/*/_search"}, True),
        ({"path": "/diagnosticreport/*"}, False),
        ({"path": "/DiagnosticReport"}, False),
        ({"path": "/DiagnosticRepor?/_search"}, True),
        ({"patient": "P01"}, True),
        ({"patient": "P02"}, False),
        ({"client": "epj"}, True),
        ({"client": "EPJ"}, False),
        ({"service": "PPS", "patient": "P01", "client": "epj", "method": "POST", "path": "*search"}, True),
        ({"service": "PPS", "patient": "P02", "client": "epj"}, False),
    ],
)
def test_match(match: dict[str, Any], fits: bool) -> None:
    assert faults.matches(rule(match), SEARCH) is fits


def test_skew_is_for_the_issuer_only() -> None:
    skewed = rule({"method": "POST"}, {"kind": "issuer_skew", "seconds": 60})
    assert faults.matches(skewed, TOKEN)
    assert not faults.matches(skewed, SEARCH)


def hits_of(one: Rule, calls: int) -> list[int]:
    """The calls of so many on which the rule takes effect."""
    hit: list[int] = []
    for seen in range(1, calls + 1):
        if faults.decide([one], {one.id: Hits(seen, len(hit))}):
            hit.append(seen)
    return hit


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"nth": 3}, [3]),
        ({"every": 3}, [3, 6]),
        ({"count": 2}, [1, 2]),
        ({"every": 2, "count": 2}, [2, 4]),
        ({"probability": 0}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_which_of_the_matching_calls(which: dict[str, Any], expected: list[int]) -> None:
    assert hits_of(rule({"service": "PPS", **which}), 8) == expected


def test_chance_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    def met(seed: str | None, name: str = "r1") -> list[int]:
        return hits_of(rule({"service": "PPS", "probability": 0.3, "seed": seed}, name=name), 1000)

    assert met("a") == met("a") == met("a", "other")
    assert met("a") != met("b")
    assert met(None) == met("r1") != met(None, "r2")
    assert 250 < len(met("a")) < 350


def test_the_first_that_is_due_decides_and_latency_adds_up() -> None:
    wait = {"kind": "latency", "ms": 1}
    rules = [
        rule({"service": "PPS"}, wait, "a"),
        rule({"service": "PPS", "nth": 2}, name="b"),
        rule({"service": "PPS"}, wait, "c"),
        rule({"service": "PPS", "count": 1}, name="d"),
        rule({"service": "PPS"}, name="e"),
        rule({"service": "PPS"}, wait, "f"),
    ]

    def chosen(seen: int, d: int = 0) -> str:
        counts = {one.id: Hits(seen, 0) for one in rules} | {"d": Hits(seen, d)}
        return "".join(one.id for one in faults.decide(rules, counts))

    assert (chosen(1), chosen(2), chosen(3, d=1)) == ("acd", "ab", "ace")


@pytest.mark.parametrize(
    ("latency", "low", "mean", "high"),
    [
        ({"ms": 250}, 0.25, 0.25, 0.25),
        ({"uniform": {"low": 100, "high": 300}}, 0.1, 0.2, 0.3),
        ({"normal": {"mean": 500, "deviation": 100}}, 0.0, 0.5, 1.1),
        ({"exponential": {"mean": 1000}}, 0.0, 1.0, 60.0),
        ({"normal": {"mean": 60_000, "deviation": 60_000}}, 0.0, 43.0, 60.0),
    ],
)
def test_latency_follows_its_distribution(latency: dict[str, Any], low: float, mean: float, high: float) -> None:
    effect = Latency.model_validate({"kind": "latency", **latency})
    one = rule({"service": "PPS"}, {"kind": "latency", **latency})
    times = [effect.seconds(faults.draw(one, seen, "how long")) for seen in range(4000)]
    assert low <= min(times) <= max(times) <= high
    assert sum(times) / len(times) == pytest.approx(mean, rel=0.06)


@pytest.mark.parametrize(
    "spread", [Uniform(low=0, high=9), Normal(mean=9, deviation=1), Exponential(mean=9)], ids=lambda each: repr(each)
)
def test_the_ends_of_chance_are_finite(spread: Uniform | Normal | Exponential) -> None:
    for draw in (0.5 / 2**48, 1 - 0.5 / 2**48):
        assert abs(spread.at(draw)) < 1000


@pytest.mark.parametrize(
    ("effect", "size", "kept"),
    [
        ({"bytes": 10}, 100, 10),
        ({"bytes": 100}, 100, 99),
        ({"bytes": 0}, 100, 0),
        ({"fraction": 0.5}, 101, 50),
        ({"fraction": 0}, 100, 0),
        ({"fraction": 0.999}, 1, 0),
    ],
)
def test_truncation_always_loses_something(effect: dict[str, Any], size: int, kept: int) -> None:
    assert faults.Truncate.model_validate({"kind": "truncate", **effect}).kept(size) == kept


OK = {"service": "PPS"}


@pytest.mark.parametrize(
    ("draft", "pointer", "text"),
    [
        ({"match": {}, "effect": RESET}, "/match", "every call"),
        ({"match": {"nth": 1, "probability": 0.5}, "effect": RESET}, "/match", "every call"),
        ({"match": {"path": "*"}, "effect": RESET}, "/match", "every call"),
        ({"match": {"path": "/**/*"}, "effect": RESET}, "/match", "every call"),
        ({"match": {"service": "moon"}, "effect": RESET}, "/match/service", "unknown service"),
        ({"match": {"service": ""}, "effect": RESET}, "/match/service", "unknown service"),
        ({"match": {"service": "control"}, "effect": RESET}, "/match/service", "control API"),
        ({"match": {"patient": "14838449698"}, "effect": RESET}, "/match/patient", "never by number"),
        ({"match": {**OK, "nth": 0}, "effect": RESET}, "/match/nth", "greater than or equal to 1"),
        ({"match": {**OK, "probability": 1.5}, "effect": RESET}, "/match/probability", "less than or equal to 1"),
        ({"match": {**OK, "probability": float("nan")}, "effect": RESET}, "/match/probability", "finite"),
        ({"match": {**OK, "moon": 1}, "effect": RESET}, "/match/moon", "not permitted"),
        ({"match": {**OK, "path": "x" * 201}, "effect": RESET}, "/match/path", "at most 200"),
        ({"match": OK, "effect": {"kind": "moon"}}, "/effect", "kind"),
        ({"match": OK, "effect": {}}, "/effect", "kind"),
        ({"match": OK, "effect": {"kind": "latency"}}, "/effect", "one of ms"),
        ({"match": OK, "effect": {"kind": "latency", "ms": 1, "exponential": {"mean": 2}}}, "/effect", "one of ms"),
        ({"match": OK, "effect": {"kind": "latency", "ms": 60_001}}, "/effect/ms", "60000"),
        ({"match": OK, "effect": {"kind": "latency", "uniform": {"low": 2, "high": 1}}}, "/effect/uniform", "above"),
        ({"match": OK, "effect": {"kind": "status", "status": 199}}, "/effect/status", "200"),
        (
            {"match": OK, "effect": {"kind": "status", "status": 500, "headers": {"Content-Length": "1"}}},
            "/effect/headers",
            "follows from the body",
        ),
        (
            {"match": OK, "effect": {"kind": "status", "status": 500, "headers": {"a b": "1"}}},
            "/effect/headers/a b",
            "pattern",
        ),
        (
            {"match": OK, "effect": {"kind": "status", "status": 500, "headers": {"a": "1\r\nb: 2"}}},
            "/effect/headers/a",
            "pattern",
        ),
        ({"match": OK, "effect": {"kind": "truncate"}}, "/effect", "one of bytes"),
        ({"match": OK, "effect": {"kind": "truncate", "fraction": 1}}, "/effect/fraction", "less than 1"),
        ({"match": OK, "effect": {"kind": "slow", "bytesPerSecond": 0}}, "/effect/bytesPerSecond", "1"),
        ({"match": OK, "effect": {"kind": "dependency", "dependency": "moon"}}, "/effect/dependency", "Input should"),
        (
            {"match": OK, "effect": {"kind": "dependency", "dependency": "audit", "way": "timeout"}},
            "/effect",
            "audit can be down",
        ),
        ({"match": OK, "effect": {"kind": "issuer_skew", "seconds": 1}}, "/effect", "calls to helseid"),
        ({"match": OK, "effect": {"kind": "source_down", "source": "a b"}}, "/effect/source", "pattern"),
        ({"id": "a/b", "match": OK, "effect": RESET}, "/id", "pattern"),
    ],
)
def test_a_bad_rule_is_refused_with_the_place_of_the_fault(draft: dict[str, Any], pointer: str, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RuleDraft.model_validate(draft)
    first = caught.value.errors()[0]
    assert pointer_to(first["loc"]) == pointer
    assert text in first["msg"]


def test_a_rule_without_an_id_gets_the_first_free_one() -> None:
    draft = RuleDraft.model_validate({"match": OK, "effect": RESET})
    assert faults.named(draft, frozenset()).id == "r1"
    assert faults.named(draft, frozenset({"r1", "r3", "mine"})).id == "r2"
    assert faults.named(RuleDraft(id="mine", match=draft.match, effect=draft.effect), frozenset()).id == "mine"


def test_rules_are_stored_with_the_sandbox() -> None:
    rules = (
        rule({"service": "PPS", "patient": "P01", "every": 2}, {"kind": "latency", "uniform": {"low": 1, "high": 2}}),
        rule({"method": "get"}, {"kind": "status", "status": 418, "headers": {"A": "b"}}, "r2"),
        rule({"client": "epj"}, {"kind": "reset", "afterBytes": 4}, "r3"),
    )
    assert config.load(Config(rules=rules).dump()) == Config({}, {}, rules)
    assert config.load(orjson.dumps({"settings": {}, "faults": {}})).rules == ()


def test_examples_are_rules() -> None:
    for example in FaultMatch.model_json_schema()["examples"]:
        assert FaultMatch.model_validate(example)
