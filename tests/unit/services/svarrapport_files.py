"""The svarrapport fixtures, read and mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.services.provesvar.mapping import to_report
from app.services.provesvar.message import Svarrapport
from app.services.provesvar.report import MappedReport
from app.services.provesvar.svarrapport import read

FOLDER = Path(__file__).parents[2] / "fixtures" / "svarrapport"
MAX_BYTES = 1_000_000
READABLE = (
    "alle-elementer",
    "biokjemi",
    "dyrkning",
    "kansellering",
    "kjede-1-ny",
    "kjede-2-endring",
    "kjede-3-trukket",
    "radiologi",
    "v13-to-rapporter",
)


def fixture(name: str) -> bytes:
    return (FOLDER / f"{name}.xml").read_bytes()


def message(name: str) -> Svarrapport:
    return read(fixture(name), max_bytes=MAX_BYTES)


def mapped(name: str) -> MappedReport:
    return to_report(message(name))


def of_type(report: MappedReport, kind: str) -> list[dict[str, Any]]:
    return [resource for resource in report.resources if resource["resourceType"] == kind]


def extension(resource: dict[str, Any], name: str) -> Any:
    """The value of the first extension nilar-<name>, or None."""
    url = f"http://nhn.no/fhir/nilar/StructureDefinition/nilar-{name}"
    for entry in resource.get("extension", ()):
        if entry["url"] == url:
            return next(value for key, value in entry.items() if key != "url")
    return None
