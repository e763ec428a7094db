"""FHIR status of reports and results (pps.md §9.4): two tables, row = status, column = kind of change."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CHANGES = "NMCHA"
"""The columns: Ny, Endring, Kansellering, Historikk, Tillegg (7309 and 8270)."""


def report_status(status: str, change: str) -> str:
    """DiagnosticReport.status from a 7306 status and a 7309 change; ``unknown`` for codes outside the lists."""
    return REPORT_STATUS.get((status, change), "unknown")


def item_status(status: str, change: str) -> str:
    """Observation.status from an 8245 status (``""`` when absent) and an 8270 change."""
    return ITEM_STATUS.get((status, change), "unknown")


def _cells(rows: Mapping[str, str]) -> Mapping[tuple[str, str], str]:
    return MappingProxyType(
        {
            (row, change): cell
            for names, cells in rows.items()
            for row in names.split(",")
            for change, cell in zip(CHANGES, cells.split(), strict=True)
        }
    )


REPORT_STATUS: Mapping[tuple[str, str], str] = _cells(
    {
        "S": "registered amended cancelled unknown unknown",
        "P": "preliminary amended cancelled unknown unknown",
        "F": "final amended cancelled unknown unknown",
        "A": "unknown appended cancelled unknown unknown",
    }
)
ITEM_STATUS: Mapping[tuple[str, str], str] = _cells(
    {
        "": "final amended cancelled final final",
        "1": "unknown amended cancelled amended unknown",
        "2": "preliminary amended cancelled preliminary preliminary",
        "3,4": "final amended cancelled final final",
        "5": "registered unknown cancelled unknown registered",
        "6,7": "registered registered cancelled unknown registered",
        "8,9,10": "preliminary unknown cancelled unknown preliminary",
        "11": "final amended cancelled unknown final",
        "12": "unknown amended cancelled unknown preliminary",
        "13": "final amended cancelled unknown final",
        "14": "unknown unknown cancelled unknown unknown",
        "15": "registered registered cancelled final registered",
    }
)
