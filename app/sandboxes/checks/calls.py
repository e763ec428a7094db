"""Checks of the calls to the services: for whom, on what ground, and what follows on the answer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from app.errors import Reason
from app.sandboxes.checks.model import Rule, Verdict, verdict
from app.sandboxes.checks.seen import ISSUER, Seen

_NUMBER: Final = re.compile(r"\d{6}\*{5}")  # as the journal shows a national number
_AT_ONCE: Final = 2.0  # seconds: no person has answered a question in between
_REPEATS: Final = 2
_ATTEST_AT_FAULT: Final = frozenset({Reason.ATTEST_PATIENT_MISMATCH, Reason.ATTEST_STALE, Reason.ATTEST_MISSING})
_CORRELATION: Final = "correlation"
_OK: Final = range(200, 300)


def attest_per_patient(seen: Sequence[Seen]) -> Verdict:
    """No token with an attest is used for two patients, and no attest is refused as missing, old or another's."""
    patients: dict[str, set[str]] = defaultdict(set)
    shared: list[Seen] = []
    good: list[Seen] = []
    for each in seen:
        if not each.attested or each.token_id is None or each.patient is None:
            continue
        known = patients[each.token_id]
        known.add(each.patient)
        (shared if len(known) > 1 else good).append(each)
    refused = [each for each in seen if each.reason in _ATTEST_AT_FAULT]
    met = {patient for known in patients.values() for patient in known}
    return verdict(
        good if len(met) > 1 else [],
        [*shared, *refused],
        failed="an attest served more than one patient, or was refused as missing, old or another patient's",
    )


def correlation_id(seen: Sequence[Seen]) -> Verdict:
    """Calls carry a correlation id, and none is refused for it."""
    refused = [
        each
        for each in seen
        if each.reason in (Reason.HEADER_MISSING, Reason.HEADER_INVALID) and _CORRELATION in each.detail
    ]
    sent = [each for each in seen if each.access is not None and each.access.get("correlationId")]
    return verdict(sent, refused, failed="calls had no correlation id where the service demands one, or a bad one")


def number_in_url(seen: Sequence[Seen]) -> Verdict:
    """No URL has eleven digits in a row."""
    bad = [each for each in seen if _NUMBER.search(each.url) and each.service != ISSUER]
    return verdict(
        [each for each in seen if each.is_api_call and each not in bad],
        bad,
        failed="URLs had a national identity number; it belongs in a header or a form body",
    )


def after_block(seen: Sequence[Seen]) -> Verdict:
    """After a block, no elevated call for the same patient in less time than a person needs to answer."""
    asked: list[Seen] = []
    hasty: list[Seen] = []
    for place, each in enumerate(seen):
        if each.reason is None or each.patient is None or each.access is None or each.elevated:
            continue
        later = next((other for other in seen[place + 1 :] if _same_search(each, other)), None)
        if later is None or not later.elevated:
            continue
        (hasty if later.at - each.at < _AT_ONCE else asked).append(later)
    blocked = [each for each in seen if each.reason is not None and each.patient is not None and not each.elevated]
    return verdict(
        asked or blocked,
        hasty,
        failed=f"calls with elevated basis came less than {_AT_ONCE:.0f} s after a block: nobody was asked",
    )


def honours_retry_after(seen: Sequence[Seen]) -> Verdict:
    """After a 429 the service is left alone for the time the answer names."""
    waited: list[Seen] = []
    hasty: list[Seen] = []
    for place, each in enumerate(seen):
        if each.status != 429:
            continue
        later = next((other for other in seen[place + 1 :] if other.service == each.service), None)
        if later is not None:
            (hasty if later.at - each.at < _retry_after(each) else waited).append(later)
    return verdict(waited, hasty, failed="calls came before the time in Retry-After was over")


def elevated_when_needed(seen: Sequence[Seen]) -> Verdict:
    """Elevated basis opens what it opens, and is not sent where nothing is closed."""
    return verdict(
        [each for each in seen if each.elevated and each.reason is None],
        [each for each in seen if each.reason == Reason.ELEVATED_NOT_NEEDED],
        failed="elevated basis was sent where nothing demands it",
    )


def pages_to_the_end(seen: Sequence[Seen]) -> Verdict:
    """A search with a next page is followed by a call for another page, up to one that has none."""
    ended: list[Seen] = []
    left: list[Seen] = []
    for place, each in enumerate(seen):
        if not each.next_page:
            continue
        later = next((other for other in seen[place + 1 :] if other.paged and _same_search(each, other)), None)
        if later is None:
            left.append(each)
        elif not later.next_page:
            ended.append(later)
    return verdict(ended, left, failed="searches had a next page that was never asked for")


def takes_outcomes(seen: Sequence[Seen]) -> Verdict:
    """An OperationOutcome in an answer is taken as the answer: the same call does not come again and again."""
    taken: list[Seen] = []
    repeated: list[Seen] = []
    for place, each in enumerate(seen):
        if not each.outcome_entry:
            continue
        again = [
            other
            for other in seen[place + 1 :]
            if _same_search(each, other) and other.outcome_entry and other.at - each.at < _AT_ONCE
        ]
        (repeated if len(again) >= _REPEATS else taken).append(each)
    return verdict(taken, repeated, failed="searches that answered with an outcome were repeated at once")


def unknown_fields(seen: Sequence[Seen]) -> Verdict:
    """The client went on after an answer that a fault rule made and that says it is good."""
    made = [
        (place, each) for place, each in enumerate(seen) if each.fault and each.status in _OK and _is_own_body(each)
    ]
    went_on = [each for place, each in made if any(other.service == each.service for other in seen[place + 1 :])]
    return verdict(
        went_on,
        [],
        failed="",
        passed="the client went on after answers of a fault rule; whether they had unknown members is for you to know",
    )


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "attest-per-patient",
        "Makes a new attest for each patient",
        "error",
        "trust.md sections 1.2 and 1.5, R15, R16",
        "Calls with an attest for at least two patients; failed when one token serves two, or an attest is refused.",
        attest_per_patient,
    ),
    Rule(
        "correlation-id",
        "Sends a correlation id",
        "error",
        "pps.md section 3.1, R8",
        "The correlation id of each call; failed by one refused for lack of it or for its form.",
        correlation_id,
    ),
    Rule(
        "number-in-url",
        "Keeps patients' numbers out of URLs",
        "error",
        "pps.md section 3, R62",
        "The URL of every call to a service.",
        number_in_url,
    ),
    Rule(
        "after-block",
        "Does not answer a block with elevated basis on its own",
        "warning",
        "pps.md section 4, personvern.md section 7",
        "The next call for the patient after a refusal: failed when it is elevated within two seconds.",
        after_block,
    ),
    Rule(
        "elevated-needed",
        "Uses elevated basis only where it is needed",
        "error",
        "pps.md section 4.1, personvern.md section 7",
        "Calls with elevated basis; failed by one refused with `ELEVATED_NOT_NEEDED`.",
        elevated_when_needed,
    ),
    Rule(
        "after-429",
        "Honours Retry-After",
        "error",
        "RFC 9110 section 10.2.3, RFC 6585 section 4",
        "The next call to a service after a 429 (a fault rule makes one).",
        honours_retry_after,
    ),
    Rule(
        "pages",
        "Reads all pages",
        "warning",
        "pps.md section 5, FHIR R4 paging",
        "Searches whose answer has a `next` link; failed by one that no search for a further page follows.",
        pages_to_the_end,
    ),
    Rule(
        "outcome-entries",
        "Takes an OperationOutcome among the entries as an answer",
        "warning",
        "pps.md sections 5 and 7",
        "Answers 200 with an outcome entry; failed when the same search comes again at once, twice or more.",
        takes_outcomes,
    ),
    Rule(
        "unknown-fields",
        "Ignores members it does not know",
        "error",
        "FHIR R4 section 2.6, RFC 9413",
        "Only seen in a run with a fault rule that answers 200 with a body of yours: passed when the client goes on. "
        "What it made of the body is not in the journal.",
        unknown_fields,
    ),
)


def _same_search(each: Seen, other: Seen) -> bool:
    return (other.service, other.operation, other.patient) == (each.service, each.operation, each.patient)


def _is_own_body(each: Seen) -> bool:
    return each.outcome is None and each.reason is None


def _retry_after(each: Seen) -> float:
    text = each.answered.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
