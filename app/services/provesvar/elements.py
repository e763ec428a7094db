"""What a svarrapport must contain: our own table of mandatory elements for v1.3 and v1.4 (ruling R54).

The message schema is not part of the product. Items' ServType is not demanded: the v1.4 schema's text
says it is mandatory, its grammar says optional (pps.md §9.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType

V13, V14 = "1.3", "1.4"
NAMESPACES: Mapping[str, str] = MappingProxyType(
    {
        "http://www.kith.no/xmlstds/labsvar/2008-12-01": V13,
        "http://www.kith.no/xmlstds/labsvar/2012-02-15": V14,
    }
)
MIG_VERSIONS: Mapping[str, str] = MappingProxyType({V13: "v1.3 2008-12-01", V14: "v1.4 2012-02-15"})
MESSAGE_TYPES: Mapping[str, str] = MappingProxyType(
    {"SVAR_LAB": "Svarrapport-Laboratoriemedisin", "SVAR_RTG": "Svarrapport-Radiologi", "S": "Svarrapport"}
)


def missing(parent: str, present: Set[str], filled: Set[str]) -> str | None:
    """The first mandatory child of ``parent`` that is absent or carries nothing, or None.

    ``present`` are the names of the children, ``filled`` those that carry text, a ``V`` or children.
    MsgId and OffId are not listed here: their absence has error codes of its own (E10, E30).
    """
    for name in MANDATORY.get(parent, ()):
        if name not in (present if (parent, name) in MAY_BE_EMPTY else filled):
            return name
    return None


MANDATORY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Message": ("Type", "MIGversion", "GenDate", "ServReport"),
        "ServReport": ("ServType", "IssueDate", "Status", "MsgDescr", "ServProvId", "ServProvider", "Requester"),
        "ServReq": ("Id",),
        "Patient": ("TypeOffId",),
        "ServProvider": ("HCP",),
        "Requester": ("HCP",),
        "ResponsibleHcp": ("HCP",),
        "RelServProv": ("Relation", "HCP"),
        "AdditionalId": ("Id", "Type"),
        "InfItem": ("Observation", "Type"),
        "Investigation": ("Id",),
        "DateResult": ("DateResultValue",),
        "NumResult": ("NumResultValue",),
        "AnalysedSubject": ("IdByServProvider",),
        "StructuredInfo": ("Type",),
        "RefDoc": ("MsgType",),
    }
)
MAY_BE_EMPTY = frozenset({("InfItem", "Observation"), ("Investigation", "Id")})
"""Children that must be there but may carry nothing: an unspecified code, an empty description."""

AT_MOST_ONE: Mapping[str, tuple[str, ...]] = MappingProxyType({V13: (), V14: ("ServReport",)})
"""Children of Message that may not be repeated: v1.3 has 1..n reports, v1.4 one."""
