"""The release rules hold here, and the check that says so finds each breach."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check_release as tool

_ROOT = Path(__file__).parents[2]


def _breaches(tmp_path: Path, name: str, source: str) -> list[str]:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return [breach.text for breach in tool.breaches_of(path, tmp_path)]


def test_this_project_keeps_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    status = tool.main([str(_ROOT)])
    assert (status, capsys.readouterr().out) == (0, "")


def test_a_breach_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "thing.py").write_text("import time\n\nNOW = time.time()\n")
    assert tool.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("app/thing.py:3: time.time")


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "from time import time\nx = time()",
        "import time as clock\nx = [clock.time_ns]",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime as dt\nx = dt.date.today()",
        "import random\nx = random.choice([1])",
        "from secrets import token_hex\nx = token_hex(2)",
        "def f():\n    import uuid\n    return uuid.uuid4()",
        "import os\nx = os.urandom(3)",
    ],
)
def test_time_and_chance_are_passed_in(source: str, tmp_path: Path) -> None:
    assert len(_breaches(tmp_path, "app/services/a/mapping.py", source)) == 1
    assert _breaches(tmp_path, "app/clock.py", source) == []


def test_other_uses_of_the_same_modules_pass(tmp_path: Path) -> None:
    source = (
        "import time, uuid\nfrom datetime import datetime\nx = (time.sleep, uuid.uuid5, datetime.fromtimestamp, now)"
    )
    assert _breaches(tmp_path, "app/services/a/mapping.py", source) == []


@pytest.mark.parametrize(
    "source",
    [
        "from app.store import resources",
        "from app.store.resources import search",
        "import app.store.resources",
        "from app.store import tables\nx = tables.resource",
        "from app.store.tables import part",
    ],
)
@pytest.mark.parametrize("name", ["app/routers/pps.py", "app/services/provesvar/mapping.py"])
def test_clinical_tables_are_read_by_sources_only(name: str, source: str, tmp_path: Path) -> None:
    assert len(_breaches(tmp_path, name, source)) == 1
    assert _breaches(tmp_path, "app/services/provesvar/rules.py", source) == []


def test_other_tables_may_be_read(tmp_path: Path) -> None:
    source = "from app.store import tables, registers\nx = tables.client"
    assert _breaches(tmp_path, "app/services/provesvar/mapping.py", source) == []


@pytest.mark.parametrize(
    ("handler", "breaches"),
    [
        ("@app.get('/x')\nasync def read(request: Request) -> Response: ...", 0),
        ("@app.get('/x', response_model=None)\nasync def read(request: Request) -> responses.HTMLResponse: ...", 0),
        ("@app.get('/x')\nasync def read(request: Request) -> dict[str, str]: ...", 1),
        ("@app.post('/x')\ndef read(request: Request): ...", 1),
        ("@app.get('/x', response_model=Report)\nasync def read(request: Request) -> Response: ...", 1),
        ("def helper() -> dict[str, str]: ...", 0),
        ("@cache.get\ndef helper() -> dict[str, str]: ...", 0),
    ],
)
def test_handlers_give_bytes(handler: str, breaches: int, tmp_path: Path) -> None:
    assert len(_breaches(tmp_path, "app/routers/pps.py", handler)) == breaches
    assert _breaches(tmp_path, "app/routers/control.py", handler) == []
