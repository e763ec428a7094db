"""XML from outside, parsed without entities, DTD, network, deep nesting or great size (ruling R53)."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from app.errors import Reason, Refusal
from app.services.provesvar.message import MessageFault

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 20_000

_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BOM = b"\xef\xbb\xbf"
# Supersets of ASCII only: so that a look at the bytes cannot miss a document type declaration.
_ENCODINGS = frozenset({b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1", b"windows-1252"})


def parse_xml(body: bytes, *, max_bytes: int) -> etree._Element:
    """The root element; comments and processing instructions are left out.

    Raises Refusal(BODY_TOO_LARGE) above ``max_bytes`` (a fault of transport), MessageFault T01 for bytes that
    are not well-formed XML without a document type, T99 for a document beyond the structural limits.
    """
    if len(body) > max_bytes:
        raise Refusal(Reason.BODY_TOO_LARGE, f"The message is larger than {max_bytes} bytes", source="R53")
    _check_bytes(body)
    try:
        root = etree.fromstring(body, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MessageFault("T01", "Meldingen er ikke velformet XML") from error
    _check_structure(root)
    return root


def _check_bytes(body: bytes) -> None:
    start = body.removeprefix(_BOM).lstrip()
    if not start.startswith(b"<") or b"\x00" in body:
        raise MessageFault("T01", "Meldingen er ikke lesbar XML")
    declared = _DECLARED.match(start)
    if declared is not None and declared[1].lower() not in _ENCODINGS:
        raise MessageFault("T01", "Tegnsettet støttes ikke; meldingen skal være UTF-8")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise MessageFault("T01", "Dokumenttype og entiteter er ikke tillatt")


def _parser() -> etree.XMLParser:
    # A parser is not shared: it keeps the log of its last document.
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=False,
    )


def _check_structure(root: etree._Element) -> None:
    depth = count = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise MessageFault("T99", "Meldingen har for mange eller for dypt nøstede elementer")
