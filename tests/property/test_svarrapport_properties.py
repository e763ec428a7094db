"""Whatever is sent, the reader answers with a message or with a fault; what it reads is valid FHIR."""

from __future__ import annotations

import copy

import orjson
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from app.services.provesvar import codes
from app.services.provesvar.index import references, search_values
from app.services.provesvar.mapping import to_reports
from app.services.provesvar.message import MessageFault
from app.services.provesvar.svarrapport import read
from app.services.provesvar.times import parse_when
from tests.unit.services.svarrapport_files import MAX_BYTES, READABLE, fixture

BODIES = {name: fixture(name) for name in READABLE}
TREES = {name: etree.fromstring(body) for name, body in BODIES.items()}
NAMES = st.sampled_from(READABLE)
VALUES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), max_size=30),
    st.sampled_from(
        ["", " ", "N", "0", "-1", "1e308", "NaN", "2026", "2026-02-30", "2026-03-29T02:30:00", "true", "k-1"]
    ),
)
LONG = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(body: bytes) -> str:
    """``read`` or the fault's code; anything else is a crash."""
    try:
        message = read(body, max_bytes=MAX_BYTES)
    except MessageFault as fault:
        return fault.code
    for report in to_reports(message):
        known = {f"{resource['resourceType']}/{resource['id']}" for resource in report.resources}
        for resource in report.resources:
            orjson.dumps(resource)
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
            search_values(resource)
            assert {target for _, target in references(resource)} <= known
    return "read"


@LONG
@given(name=NAMES, data=st.data())
def test_mutated_bytes(name: str, data: st.DataObject) -> None:
    body = BODIES[name]
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 40)))
    found = outcome(body[:start] + data.draw(st.binary(max_size=20)) + body[end:])
    assert found == "read" or codes.display(8221, found) is not None


@LONG
@given(name=NAMES, data=st.data())
def test_mutated_elements(name: str, data: st.DataObject) -> None:
    root = copy.deepcopy(TREES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        _change(root, data)
    found = outcome(etree.tostring(root))
    assert found == "read" or codes.display(8221, found) is not None


@LONG
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    assert outcome(body) == "T01" or b"<" in body


@LONG
@given(
    st.one_of(
        st.text(max_size=30), st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", fullmatch=True)
    )
)
def test_times_cover_something(text: str) -> None:
    try:
        when = parse_when(text)
    except ValueError:
        return
    assert when.low < when.high
    assert parse_when(when.text).low == when.low
    assert parse_when(when.instant).low == when.low


def _change(root: etree._Element, data: st.DataObject) -> None:
    nodes = [node for node in root.iter() if isinstance(node.tag, str)]
    node = nodes[data.draw(st.integers(0, len(nodes) - 1))]
    kind = data.draw(st.sampled_from(["drop", "double", "value", "text", "move"]))
    parent = node.getparent()
    if kind == "value":
        node.set(data.draw(st.sampled_from(["V", "S", "U", "DN", "OT"])), data.draw(VALUES))
    elif kind == "text":
        node.text = data.draw(VALUES)
    elif parent is not None and kind == "drop":
        parent.remove(node)
    elif parent is not None and kind == "double":
        parent.append(copy.deepcopy(node))
    elif parent is not None:
        target = nodes[data.draw(st.integers(0, len(nodes) - 1))]
        target.append(copy.deepcopy(node))
