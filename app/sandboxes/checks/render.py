"""A report for people and for build servers: text, Markdown, JUnit XML."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from xml.etree import ElementTree as ET

from app.sandboxes.checks.model import Report, Result

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARK: Final = {"passed": "ok", "failed": "FAILED", "not seen": "-"}
_SHOWN: Final = 3


def text(report: Report) -> str:
    """For a terminal: what failed first, each with what to look at."""
    lines = [f"{report.client}: {_counted(report)}", ""]
    for each in _failed_first(report):
        mark = _MARK[each.state] if each.state != "failed" or each.severity == "error" else each.severity
        lines.append(f"{mark:<8} {each.id:<22} {each.title}")
        if each.state == "failed":
            parts = (each.detail, f"source: {each.source}", *_why(each).splitlines())
            lines += [f"{'':<9}{part}" for part in parts if part]
    return "\n".join(lines) + "\n"


def markdown(report: Report) -> str:
    """For a pull request or a wiki page."""
    lines = [
        f"# Client checks: {_cell(report.client)}",
        "",
        _counted(report) + ".",
        "",
        "| Check | State | Severity | Source | Evidence |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in _failed_first(report):
        told = f"{each.title}. {each.detail}" if each.detail else each.title
        evidence = ", ".join(f"`{one}`" for one in each.evidence[:_SHOWN])
        cells = (f"`{each.id}` {_cell(told)}", each.state, each.severity, _cell(each.source), evidence)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def junit(report: Report) -> str:
    """For a build server: errors and warnings fail, what was not seen is skipped, notes pass and say what they are."""
    failed = [each for each in report.results if _fails(each)]
    skipped = [each for each in report.results if each.state == "not seen"]
    suite = ET.Element(
        "testsuite",
        name=f"client checks {_xml(report.client)}",
        tests=str(len(report.results)),
        failures=str(len(failed)),
        errors="0",
        skipped=str(len(skipped)),
        time="0",
    )
    for each in report.results:
        case = ET.SubElement(suite, "testcase", classname=f"sandkasse.checks.{each.severity}", name=_xml(each.id))
        if _fails(each):
            failure = ET.SubElement(case, "failure", type=each.severity, message=_xml(f"{each.title}: {each.detail}"))
            failure.text = _xml(f"source: {each.source}\n{_why(each)}")
        elif each.state == "not seen":
            ET.SubElement(case, "skipped", message="not seen in the journal")
        else:
            ET.SubElement(case, "system-out").text = _xml("\n".join((each.title, each.detail, _why(each))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


FORMATS: Final[Mapping[str, tuple[Callable[[Report], str], str]]] = {
    "text": (text, "text/plain; charset=utf-8"),
    "markdown": (markdown, "text/markdown; charset=utf-8"),
    "junit": (junit, "application/xml"),
}
"""Each form but JSON: how it is written, and its media type."""


def _counted(report: Report) -> str:
    counts = report.dump()["summary"]
    return (
        f"{counts['failed']} failed, {counts['passed']} passed, {counts['notSeen']} not seen, "
        f"in {counts['exchanges']} exchanges"
    )


def _failed_first(report: Report) -> list[Result]:
    return sorted(report.results, key=lambda each: each.state != "failed")


def _fails(each: Result) -> bool:
    return each.state == "failed" and each.severity != "note"


def _why(each: Result) -> str:
    return "\n".join(f"sandkasse explain {one}" for one in each.evidence[:_SHOWN])


def _cell(value: str) -> str:
    """Text of a client may not break the table."""
    return " ".join(value.replace("|", "\\|").replace("<", "&lt;").split())


def _xml(value: str) -> str:
    return _NOT_XML.sub("", value)
