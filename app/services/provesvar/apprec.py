"""The application receipt, AppRec 1.0 (pps.md §9.2, R53): how a laboratory learns what became of its message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from lxml import etree

from app.clock import Moment
from app.ids import IdSource, new_uuid
from app.services.provesvar import codes
from app.services.provesvar.elements import MESSAGE_TYPES
from app.services.provesvar.message import Hcp, MessageFault, Original, Party, Svarrapport
from app.services.provesvar.times import local_text

NAMESPACE = "http://www.kith.no/xmlstds/apprec/2004-11-21"
VERSION = "1.0 2004-11-21"
UNKNOWN = "unknown"

# The sandbox's stand-in for the national receiver, with the addresses published for it.
RECEIVER_INSTITUTION = ("Norsk Helsenett SF", "112374")
RECEIVER_DEPARTMENT = ("NILAR", "8139764")

Status = Literal[1, 2]
_STATUS = {1: "OK", 2: "Avvist"}
_ID_TYPES = {"HER": "HER-id", "ENH": "Organisasjonsnummeret i Enhetsregister", "HPR": "HPR-nummer"}


@dataclass(frozen=True, slots=True)
class AppRecError:
    """An 8221 code and a free text, which never holds patient data."""

    code: str
    text: str = ""


def apprec(
    message: Svarrapport | MessageFault,
    status: Status,
    errors: Sequence[AppRecError] = (),
    *,
    ids: IdSource,
    moment: Moment,
) -> bytes:
    """The receipt as UTF-8 XML. A fault brings its own error; ``errors`` are added to it.

    Raises ValueError when an accepted message comes with errors, or a refused one without.
    """
    found = [*([AppRecError(message.code, message.text)] if isinstance(message, MessageFault) else []), *errors]
    if (status == 1) == bool(found):
        raise ValueError("status 1 has no errors, status 2 has at least one")
    original = message.original if isinstance(message, MessageFault) else _original(message)
    root = etree.Element(_name("AppRec"), nsmap=_default(NAMESPACE))
    _coded(root, "MsgType", "APPREC", "Applikasjonskvittering")
    _text(root, "MIGversion", VERSION)
    _text(root, "GenDate", local_text(moment.sandbox))
    _text(root, "Id", new_uuid(ids))
    _sender(_sub(root, "Sender"))
    _receiver(_sub(root, "Receiver"), original.sender)
    _coded(root, "Status", str(status), _STATUS[status])
    for error in found:
        _error(root, error)
    _original_message(root, original, moment)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _original(message: Svarrapport) -> Original:
    return Original(message.msg_id, message.type, message.generated, message.report.provider)


def _sender(node: etree._Element) -> None:
    institution = _sub(_sub(node, "HCP"), "Inst")
    _identified(institution, *RECEIVER_INSTITUTION, "HER")
    _identified(_sub(institution, "Dept"), *RECEIVER_DEPARTMENT, "HER")


def _receiver(node: etree._Element, sender: Hcp | None) -> None:
    institution = _sub(_sub(node, "HCP"), "Inst")
    known = sender if sender is not None else Hcp()
    _party(institution, known.institution or known.person)
    for department in known.departments:
        _party(_sub(institution, "Dept"), department)


def _party(node: etree._Element, party: Party | None) -> None:
    if party is None or not party.ids:
        _text(node, "Name", (party.name if party is not None else "") or UNKNOWN)
        _text(node, "Id", UNKNOWN)
        _coded(node, "TypeId", "HER", _ID_TYPES["HER"])
        return
    _identified(node, party.name or UNKNOWN, party.ids[0].value, party.ids[0].type or "HER")


def _identified(node: etree._Element, name: str, number: str, kind: str) -> None:
    _text(node, "Name", name)
    _text(node, "Id", number)
    _coded(node, "TypeId", kind, _ID_TYPES.get(kind, kind))


def _error(root: etree._Element, error: AppRecError) -> None:
    node = _sub(root, "Error")
    node.set("V", error.code)
    node.set("S", codes.OID_ROOT + "8221")
    node.set("DN", codes.display(8221, error.code) or error.code)
    if error.text:
        node.set("OT", error.text)


def _original_message(root: etree._Element, original: Original, moment: Moment) -> None:
    node = _sub(root, "OriginalMsgId")
    kind = original.type.code or UNKNOWN
    _coded(node, "MsgType", kind, original.type.display or MESSAGE_TYPES.get(kind, kind))
    # The element is mandatory: of a message whose time cannot be read, the time of receipt is told.
    when = original.generated
    _text(node, "IssueDate", local_text(when.low if when is not None else moment.sandbox))
    _text(node, "Id", original.msg_id)


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"


def _default(namespace: str) -> dict[str, str]:
    # lxml takes None for the default prefix; its type stubs know text only.
    return cast("dict[str, str]", {None: namespace})


def _sub(parent: etree._Element, local: str) -> etree._Element:
    return etree.SubElement(parent, _name(local))


def _text(parent: etree._Element, local: str, value: str) -> None:
    _sub(parent, local).text = value


def _coded(parent: etree._Element, local: str, code: str, display: str) -> None:
    node = _sub(parent, local)
    node.set("V", code)
    node.set("DN", display)
