"""Reading svarrapport XML: what is accepted, and the 8221 code of what is not (pps.md §9, R51, R53, R54)."""

from __future__ import annotations

import pytest

from app.errors import Reason, Refusal
from app.services.provesvar.elements import MANDATORY, NAMESPACES
from app.services.provesvar.message import MessageFault, NumValue, party_id
from app.services.provesvar.svarrapport import read
from tests.unit.services.svarrapport_files import MAX_BYTES, READABLE, fixture, message

CANCEL = fixture("kansellering").decode()


def fault(body: bytes | str) -> MessageFault:
    with pytest.raises(MessageFault) as caught:
        read(body.encode() if isinstance(body, str) else body, max_bytes=MAX_BYTES)
    return caught.value


@pytest.mark.parametrize("name", READABLE)
def test_fixture_is_read(name: str) -> None:
    assert message(name).msg_id.startswith("msg-")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("feil-offid", "E31", id="pps-86"),
        pytest.param("feil-tegnsett", "T01", id="pps-87-charset"),
        pytest.param("entitetsbombe", "T01", id="pps-87-entities"),
        pytest.param("uten-servprovid", "T02", id="pps-87-missing"),
        pytest.param("ukjent-navnerom", "T10", id="pps-87-namespace"),
    ],
)
def test_faulty_fixture(name: str, code: str) -> None:
    assert fault(fixture(name)).code == code


def test_fault_tells_what_is_known_of_the_message() -> None:
    original = fault(fixture("feil-offid")).original
    assert original.msg_id == "msg-kansellering"
    assert original.type.code == "SVAR_LAB"
    assert original.generated is not None
    assert original.generated.text == "2026-03-06T08:00:00+01:00"
    assert original.sender is not None
    assert party_id(original.sender) == "990091"


def test_unreadable_message_has_unknown_id() -> None:
    original = fault(b"not xml").original
    assert (original.msg_id, original.sender, original.generated) == ("unknown", None, None)


def test_fault_text_never_holds_the_patient_number() -> None:
    assert "1483844969" not in str(fault(fixture("feil-offid")))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<OffId>14838449698</OffId>", "", "E30"),
        ("<OffId>14838449698</OffId>", "<OffId> </OffId>", "E30"),
        ("14838449698", "14838449699", "E31"),
        ("14838449698", "1483844969x", "E31"),
        ('V="FNR"', 'V="DUF"', "E36"),
        ("<MsgId>msg-kansellering</MsgId>", "", "E10"),
        ("<MsgId>msg-kansellering</MsgId>", f"<MsgId>{'x' * 201}</MsgId>", "T02"),
        ('V="SVAR_LAB"', 'V="EPIKRISE"', "T10"),
        ("2026-03-06T08:00:00", "06.03.2026", "T02"),
        ("2026-03-06T08:00:00", "2026-02-30T08:00:00", "T02"),
        ("2026-03-06T08:00:00", "1850-03-06T08:00:00", "T02"),
        ('<ServType V="C"/>', '<ServType V=""/>', "T02"),
        ('<ServType V="C"/>', "<ServType/>", "T02"),
        ("Message", "Melding", "T10"),
        ("</Message>", "", "T01"),
        ('encoding="UTF-8"', 'encoding="UTF-7"', "T01"),
        ("<Message", "<!DOCTYPE Message><Message", "T01"),
    ],
)
def test_one_change_is_refused(old: str, new: str, code: str) -> None:
    assert old in CANCEL
    assert fault(CANCEL.replace(old, new)).code == code


def test_number_of_the_real_series_is_refused() -> None:
    # Computed, never written: a number with valid control digits in the ordinary series.
    from app.identity import check_digits

    nine = next(f"140384{n:03d}" for n in range(500) if check_digits(f"140384{n:03d}") is not None)
    number = nine + (check_digits(nine) or "")
    assert fault(CANCEL.replace("14838449698", number)).code == "E31"


def test_message_without_patient_is_refused() -> None:
    start, end = CANCEL.index("<Patient>"), CANCEL.index("</Patient>") + len("</Patient>")
    assert fault(CANCEL[:start] + CANCEL[end:]).code == "E36"


def test_number_kind_decides_not_the_declared_type() -> None:
    body = CANCEL.replace("14838449698", "43909349738").encode()
    assert read(body, max_bytes=MAX_BYTES).report.patient.type == "DNR"


def test_helper_number_is_accepted() -> None:
    body = CANCEL.replace("14838449698", "81234567802").replace('V="FNR"', 'V="FHN"').encode()
    assert read(body, max_bytes=MAX_BYTES).report.patient.type == "FHN"


@pytest.mark.parametrize("parent", [name for name in MANDATORY if f"<{name}>" in fixture("alle-elementer").decode()])
def test_every_mandatory_element_is_demanded(parent: str) -> None:
    from lxml import etree

    for child in MANDATORY[parent]:
        root = etree.fromstring(fixture("alle-elementer"))
        owner = next(node for node in root.iter() if str(node.tag).endswith(f"}}{parent}"))
        for node in [node for node in owner if str(node.tag).endswith(f"}}{child}")]:
            owner.remove(node)
        found = fault(etree.tostring(root))
        # A parent left with nothing is itself what is missing.
        assert found.code == "T02"
        assert found.text == f"{parent}/{child} mangler" or found.text.endswith(f"/{parent} mangler")


def test_mandatory_table_names_the_message() -> None:
    assert "ServReport" in MANDATORY["Message"]


def test_second_report_only_in_v13() -> None:
    v13, v14 = NAMESPACES
    body = fixture("v13-to-rapporter").decode()
    assert len(message("v13-to-rapporter").reports) == 2
    assert fault(body.replace(v13, v14)).code == "T02"


def test_version_and_type() -> None:
    assert message("v13-to-rapporter").version == "1.3"
    assert (message("radiologi").version, message("radiologi").type.code) == ("1.4", "SVAR_RTG")


def test_declared_latin1_is_read() -> None:
    body = CANCEL.replace("UTF-8", "ISO-8859-1").replace("Feil", "Blodprøve").encode("latin-1")
    assert "Blodprøve" in read(body, max_bytes=MAX_BYTES).report.comment


def test_byte_order_mark_is_read() -> None:
    assert read(b"\xef\xbb\xbf" + CANCEL.encode(), max_bytes=MAX_BYTES).msg_id == "msg-kansellering"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_wide_encodings_cannot_hide_a_document_type(encoding: str) -> None:
    text = fixture("entitetsbombe").decode().replace("UTF-8", encoding)
    assert fault(text.encode(encoding)).code == "T01"


def test_size_is_a_fault_of_transport() -> None:
    with pytest.raises(Refusal) as caught:
        read(CANCEL.encode(), max_bytes=100)
    assert caught.value.reason is Reason.BODY_TOO_LARGE


def test_deep_nesting_is_refused() -> None:
    body = "<ResultItem>" * 100 + "</ResultItem>" * 100
    assert fault(CANCEL.replace("</Patient>", body + "</Patient>")).code == "T99"


def test_very_many_elements_are_refused() -> None:
    assert fault(CANCEL.replace("</Patient>", "<ResultItem/>" * 20_001 + "</Patient>")).code == "T99"


@pytest.mark.parametrize("value", ["NaN", "INF", "1e9999", "fem", "٥", "9" * 5000 + "x", ""])
def test_number_that_is_none_is_refused(value: str) -> None:
    body = fixture("biokjemi").decode().replace('V="5.1"', f'V="{value}"')
    assert fault(body).code == "T02"


@pytest.mark.parametrize(
    ("value", "number"), [("14", 14), ("12.0", 12.0), ("-0.5", -0.5), ("1E3", 1000.0), ("9007199254740993", 2.0**53)]
)
def test_number_form(value: str, number: float) -> None:
    body = fixture("biokjemi").decode().replace('V="5.1"', f'V="{value}"')
    found = read(body.encode(), max_bytes=MAX_BYTES).report.patient.items[0].value
    assert isinstance(found, NumValue)
    assert found.quantity.value == number
    assert isinstance(found.quantity.value, type(number))


def test_provider_without_id_is_known_by_name() -> None:
    body = CANCEL.replace("<Id>990009</Id>", "").replace("<Id>990091</Id>", "")
    assert party_id(read(body.encode(), max_bytes=MAX_BYTES).report.provider) == "Seksjon for prøvesvar"


def test_provider_without_anything_is_refused() -> None:
    import re

    body = re.sub(
        r"<ServProvider>.*</ServProvider>", "<ServProvider><HCP><Inst/></HCP></ServProvider>", CANCEL, flags=re.S
    )
    assert fault(body).code == "T02"


def test_receipt_wish() -> None:
    assert message("alle-elementer").report.wants_receipt
    assert not message("biokjemi").report.wants_receipt


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<GenDate V="2026-04-10T10:00:00.1234567Z"/>', "<GenDate>2026-04-10</GenDate>"),
        ('<Status V="A" DN="Tillegg til rapport"/>', "<Status>A</Status>"),
        ('<Accredited V="true"/>', '<Accredited V="ja"/>'),
        ("<Number>2</Number>", "<Number>2.5</Number>"),
        ("<Number>2</Number>", "<Number>99999999999</Number>"),
        ("<Integer>4</Integer>", "<Integer>fire</Integer>"),
        ('V="STANSE"', f'V="{"X" * 101}"'),
        ('<NumResultValue V="7" U="mm"/>', "<NumResultValue>7</NumResultValue>"),
        ('<StatusChangeDate V="2026-04-06"/>', '<StatusChangeDate V="i går"/>'),
    ],
)
def test_value_of_the_wrong_form_is_refused(old: str, new: str) -> None:
    body = fixture("alle-elementer").decode()
    assert old in body
    assert fault(body.replace(old, new)).code == "T02"


def test_odd_system_is_left_out() -> None:
    body = fixture("alle-elementer").decode().replace('V="STANSE" S="2.16.578.1.12.4.1.1.8354"', 'V="STANSE" S="lokal"')
    procedure = read(body.encode(), max_bytes=MAX_BYTES).report.patient.samples[0].procedure
    assert (procedure.code, procedure.system) == ("STANSE", "")
