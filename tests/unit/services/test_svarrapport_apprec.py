"""The receipt a laboratory gets (pps.md §9.2, R53)."""

from __future__ import annotations

import pytest
from lxml import etree

from app.clock import Moment
from app.ids import SeededIds
from app.services.provesvar.apprec import AppRecError, Status, apprec
from app.services.provesvar.message import MessageFault, Svarrapport
from app.services.provesvar.svarrapport import read
from tests.unit.services.svarrapport_files import MAX_BYTES, fixture, message

NS = {"a": "http://www.kith.no/xmlstds/apprec/2004-11-21"}
MOMENT = Moment(real=0.0, sandbox=1768897800.0)


def receipt(subject: Svarrapport | MessageFault, status: Status, *errors: AppRecError) -> etree._Element:
    return etree.fromstring(apprec(subject, status, errors, ids=SeededIds("x"), moment=MOMENT))


def refused(body: bytes) -> MessageFault:
    with pytest.raises(MessageFault) as caught:
        read(body, max_bytes=MAX_BYTES)
    return caught.value


def text(root: etree._Element, path: str) -> str:
    return str(root.xpath(f"string({path})", namespaces=NS))


def test_accepted() -> None:
    root = receipt(message("biokjemi"), 1)
    assert [etree.QName(node).localname for node in root] == [
        *("MsgType", "MIGversion", "GenDate", "Id", "Sender", "Receiver", "Status", "OriginalMsgId"),
    ]
    assert text(root, "a:Status/@V") == "1"
    assert text(root, "a:MIGversion") == "1.0 2004-11-21"
    assert text(root, "a:GenDate") == "2026-01-20T09:30:00"
    assert text(root, "a:OriginalMsgId/a:Id") == "msg-biokjemi-1"
    assert text(root, "a:OriginalMsgId/a:IssueDate") == "2026-03-02T11:15:30"
    assert text(root, "a:OriginalMsgId/a:MsgType/@V") == "SVAR_LAB"
    assert text(root, "a:Sender/a:HCP/a:Inst/a:Dept/a:Id") == "8139764"
    assert text(root, "a:Receiver/a:HCP/a:Inst/a:Id") == "990009"
    assert text(root, "a:Receiver/a:HCP/a:Inst/a:Dept/a:Id") == "990091"


def test_refused() -> None:
    root = receipt(refused(fixture("feil-offid")), 2)
    assert text(root, "a:Status/@DN") == "Avvist"
    assert text(root, "a:Error/@V") == "E31"
    assert text(root, "a:Error/@S") == "2.16.578.1.12.4.1.1.8221"
    assert text(root, "a:Error/@DN") == "Pasientens fødselsnummer er feil"
    assert text(root, "a:Error/@OT") == "OffId har 10 tegn, ikke elleve sifre"
    assert text(root, "a:OriginalMsgId/a:Id") == "msg-kansellering"


def test_unreadable() -> None:
    root = receipt(refused(b"<a"), 2)
    assert text(root, "a:OriginalMsgId/a:Id") == "unknown"
    assert text(root, "a:OriginalMsgId/a:MsgType/@V") == "unknown"
    assert text(root, "a:Receiver/a:HCP/a:Inst/a:Name") == "unknown"


def test_refused_for_a_reason_found_later() -> None:
    root = receipt(message("biokjemi"), 2, AppRecError("X99"))
    assert text(root, "a:Error/@DN") == "Annen feil"
    assert not root.xpath("a:Error/@OT", namespaces=NS)


def test_sender_known_by_name_only() -> None:
    body = fixture("kansellering").replace(b"<Id>990009</Id>", b"")
    root = receipt(read(body, max_bytes=MAX_BYTES), 1)
    assert text(root, "a:Receiver/a:HCP/a:Inst/a:Name") == "PRESIS LABORATORIUM AS"
    assert text(root, "a:Receiver/a:HCP/a:Inst/a:Id") == "unknown"


def test_same_inputs_give_same_bytes() -> None:
    first, second = (apprec(message("biokjemi"), 1, ids=SeededIds("x"), moment=MOMENT) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("status", "errors"), [(1, (AppRecError("X99"),)), (2, ())])
def test_status_and_errors_must_agree(status: Status, errors: tuple[AppRecError, ...]) -> None:
    with pytest.raises(ValueError, match="status"):
        receipt(message("biokjemi"), status, *errors)
