"""``docs/client-checks.md``: what ``sandkasse check`` looks for."""

from __future__ import annotations

from app.sandboxes.checks import MOST_EXCHANGES, RULES, SEVERITIES
from tools.pages import NOTE, table

_INTRODUCTION = f"""\
# Client checks

{NOTE}
The journal knows what a client did. `sandkasse check` and `GET /_sandbox/v1/checks?client=…` tell what it does wrong,
and what it has not shown yet:

```bash
sandkasse check --client my-epj
sandkasse check --client my-epj --format junit --fail-on failed > checks.xml
```

Run your client's tests against a sandbox of their own, then check. The newest {MOST_EXCHANGES:,} exchanges of the
client are judged. A result is *passed*, *failed* or *not seen*: the journal shows neither, as the client has not been
in the situation. Evidence are ids of exchanges, for `sandkasse explain`. Exchanges that were refused before the client
was known belong to nobody.

What gate and issuer noted while they let a client through comes as results too, `finding-<code>`: of severity *warning*
where a document forbids it, *note* where it is only tolerated. In JUnit, notes do not fail.

"""
_SEVERITIES = "\n## Severities\n\n"
_RULES = "## Rules\n\n"


def page() -> str:
    rules = [[f"`{rule.id}`", rule.title, rule.severity, rule.looks_for, rule.source] for rule in RULES]
    severities = [[name, text] for name, text in SEVERITIES.items()]
    return (
        _INTRODUCTION
        + _RULES
        + table(["Id", "The client …", "Severity", "Looked for", "Source"], rules)
        + _SEVERITIES
        + table(["Severity", "Meaning"], severities)
    )
