"""The release rules of the architecture that types and import contracts cannot say (docs/architecture.md).

1. One way out. Clinical tables are read by the modules that offer them to ``trust.release``, never by a router
   and never by any other module of a service.
2. Bytes once. A handler of a clinical service gives a ``Response``: a dict or a model would be parsed and written
   again by the framework, which is slow and changes bytes.
3. Injected time and chance. Domain code never asks the system for the time, a random value or a UUID.

usage: python -m tools.check_release [FOLDER]
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLINICAL_TABLES = frozenset({"resource", "rendition", "resource_history", "search_index", "part", "content"})
CLINICAL_REPOSITORIES = frozenset({"app.store.resources", "app.store.versions"})
# What a service may read clinical tables with: its source for trust.release, its writing side, its seed.
SOURCE_MODULES = frozenset({"rules.py", "source.py", "ingest.py", "ingest_fhir.py", "records.py", "seed.py"})
# The control API shows no clinical data as FHIR: its answers are made from models.
OTHER_ROUTERS = ("app/routers/control/", "app/routers/control.py")

SYSTEM_CALLS = frozenset(
    {
        "time.time",
        "time.time_ns",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "os.urandom",
        "uuid.uuid1",
        "uuid.uuid4",
    }
)
SYSTEM_MODULES = frozenset({"random", "secrets"})
SYSTEM_ALLOWED = frozenset({"app/clock.py", "app/ids.py", "app/trust/jose.py", "app/cli.py"})

_ROUTES = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "api_route", "route"})


@dataclass(frozen=True, slots=True)
class Breach:
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def main(arguments: Sequence[str]) -> int:
    root = Path(arguments[0]) if arguments else Path()
    breaches = [breach for path in sorted((root / "app").rglob("*.py")) for breach in breaches_of(path, root)]
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


def breaches_of(path: Path, root: Path) -> Iterator[Breach]:
    """Every breach in one module; ``path`` lies below ``root/app``."""
    name = path.relative_to(root).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    aliases = _aliases(tree)
    if name not in SYSTEM_ALLOWED:
        yield from _system_calls(name, tree, aliases)
    if name.startswith("app/routers/") or (name.startswith("app/services/") and path.name not in SOURCE_MODULES):
        yield from _clinical_reads(name, tree, aliases)
    if name.startswith("app/routers/") and not name.startswith(OTHER_ROUTERS):
        yield from _handlers(name, tree)


def _system_calls(name: str, tree: ast.Module, aliases: Mapping[str, str]) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            dotted = _dotted(node, aliases)
            if dotted in SYSTEM_CALLS or (dotted.partition(".")[0] in SYSTEM_MODULES and "." in dotted):
                yield Breach(name, node.lineno, f"{dotted}: take the clock or the id source that is passed in")


def _clinical_reads(name: str, tree: ast.Module, aliases: Mapping[str, str]) -> Iterator[Breach]:
    seen: set[tuple[int, str]] = set()
    for node in ast.walk(tree):
        for dotted in _mentions(node, aliases):
            table = dotted.removeprefix("app.store.tables.").partition(".")[0]
            clinical = (dotted.startswith("app.store.tables.") and table in CLINICAL_TABLES) or any(
                dotted == module or dotted.startswith(module + ".") for module in CLINICAL_REPOSITORIES
            )
            line = getattr(node, "lineno", 0)
            if clinical and (line, dotted) not in seen:
                seen.add((line, dotted))
                yield Breach(name, line, f"{dotted}: clinical data leave through trust.release only")


def _mentions(node: ast.AST, aliases: Mapping[str, str]) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Attribute):
        yield _dotted(node, aliases)


def _handlers(name: str, tree: ast.Module) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        routes = [call for decorator in node.decorator_list for call in _routes(decorator)]
        if not routes:
            continue
        returns = ast.unparse(node.returns) if node.returns is not None else "nothing"
        if not returns.rpartition(".")[2].endswith("Response"):
            yield Breach(name, node.lineno, f"handler {node.name} gives {returns}: give a Response with its bytes")
        for route in routes:
            if any(keyword.arg == "response_model" and not _is_none(keyword.value) for keyword in route.keywords):
                yield Breach(name, node.lineno, f"handler {node.name} has a response_model: give bytes")


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _routes(decorator: ast.expr) -> Iterator[ast.Call]:
    if (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in _ROUTES
        and decorator.args
    ):
        yield decorator


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Local name → the dotted name it was imported as."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                names[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, aliases: Mapping[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in aliases:
        return ""
    return ".".join([aliases[node.id], *reversed(parts)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
