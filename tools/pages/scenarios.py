"""``docs/scenarios.md``: what a scenario file may hold, and every scenario of the library with the calls to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from app.sandboxes.scenario import Scenario, TryCall, both, schema
from app.settings import Settings
from app.synthetic.scenarios import Scenarios
from tools.pages import NOTE, table

_INTRODUCTION = f"""\
# Scenarios

{NOTE}
A scenario is a whole sandbox on one page of YAML: people, their settings and results, the clock, what fails, and the
calls that show it. Load one into a running sandbox, or make a sandbox with it:

```shell
sandkasse scenario list
sandkasse scenario load gp-office --reset
sandkasse sandbox create night --scenario municipality-night
```

Without `--reset` a scenario is added to what is there: who has the id of somebody known is changed by the members
given, others are put, and what the scenario is built on (`base`) is left out. Either all of it is loaded or nothing.
The same file and the same seed give the same sandbox: people, numbers, ids and bytes.

## A file of your own

Begin with one of the library, change it, and have it checked. The check loads it into a sandbox in memory, needs no
server, and tells the place and the line of each fault:

```shell
sandkasse scenario show stage-f
sandkasse scenario check mine.yaml
sandkasse scenario load mine.yaml --sandbox team-a
```

Files in the folder `SANDKASSE_SCENARIO_DIR` stand in the list beside the library. `sandkasse scenario schema` prints
the JSON schema, for editors. YAML is read as JSON is: days and times are texts, `yes` is a text, there are no aliases.

"""
_REFERENCES = """
A text that begins with a dollar sign, in a setting or in FHIR content, stands for what is known when the scenario is
loaded:

"""
_MEANINGS = (
    ("`$nin:P01`", "the current national identity number of a person"),
    ("`$pid:H01`, `$hpr:H01`", "the national identity number and the HPR number of a health worker"),
    ("`$orgnr:O01`", "the number of an organisation"),
    (
        "`$report:x`, `$requisition:x`",
        "the id restrictions know a report, or its requisition, by; `x` as in `reports`",
    ),
    ("`$now`, `$now-P3D`", "an instant, counted from the sandbox's clock"),
    ("`$today`, `$today+P1Y`", "a day in Norway"),
)
_LIBRARY = """
## The library

Every call below is run by a test. `as` is who logs in, `patient` whose number stands in the header.
"""


def page() -> str:
    library = Scenarios(Settings())
    return (
        _INTRODUCTION
        + table(["Member", "What it is"], _members())
        + _REFERENCES
        + table(["Text", "Stands for"], _MEANINGS)
        + _LIBRARY
        + "".join(_scenario(library.get(each.name)) for each in library.listed())
    )


def _members() -> Iterator[tuple[str, str]]:
    whole = schema()
    for name, part in whole["properties"].items():
        yield f"`{name}`", part.get("description") or _told(whole, part)


def _told(whole: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """What the model of a member's entries says of itself."""
    for each in (part, part.get("items", {}), *part.get("anyOf", ())):
        model = whole["$defs"].get(str(each.get("$ref", "")).removeprefix("#/$defs/"))
        if model is not None:
            return " ".join(str(model["description"]).split())
    return _PLAIN[str(part["title"])]


_PLAIN = {
    "Name": "Its name, that of the file without `.yaml`.",
    "SandboxSettings": "Settings of the sandbox's own, as in `PATCH /sandboxes/{name}`.",
}


def _scenario(scenario: Scenario) -> str:
    title, description = both(scenario.title), both(scenario.description)
    rows = [(both(call.title).en, f"`{_call(call)}`", _answer(call)) for call in scenario.try_]
    return (
        f"\n### `{scenario.name}`\n\n**{title.en}.** {description.en.strip()}"
        f" Built on `{scenario.base}`.\n\n" + table(["Try", "Call", "Gives"], rows)
    )


def _call(call: TryCall) -> str:
    parts = [f"{call.method} {call.path}"]
    if call.who is not None:
        parts.append(f"as {call.who}" + (f" with {call.client}" if call.client else ""))
    else:
        parts.append("without a token")
    if call.token:
        parts.append("token " + ", ".join(f"{name} {_plain(value)}" for name, value in call.token.items()))
    if call.patient is not None:
        parts.append(f"patient {call.patient}")
    parts += [f"{name}: {value}" if value is not None else f"no {name}" for name, value in call.headers.items()]
    if call.body:
        parts.append(call.body)
    if call.wait:
        parts.append(f"after {_hours(call.wait)}")
    return "; ".join(parts)


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _hours(wait: timedelta) -> str:
    minutes = int(wait.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _answer(call: TryCall) -> str:
    expect = call.expect
    parts = [str(expect.status)]
    if expect.reason is not None:
        parts.append(f"`{expect.reason}`" + (f" (rule {expect.rule})" if expect.rule else ""))
    if expect.matches is not None:
        parts.append(f"{expect.matches} found")
    parts += [f"`{each}`" for each in expect.obligations]
    return ", ".join(parts)
