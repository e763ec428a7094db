"""The CapabilityStatement follows from the search rules."""

from __future__ import annotations

import orjson
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from app.services.provesvar.capability import capability, spliced
from app.services.provesvar.rules import LEGACY_SEARCHES, SEARCHES


def test_statement() -> None:
    body = orjson.loads(spliced(capability({**SEARCHES, **LEGACY_SEARCHES}), 'http://localhost:8000/"'))
    CapabilityStatement.model_validate(body)
    assert body["implementation"]["url"] == 'http://localhost:8000/"'
    stated = {resource["type"]: resource for resource in body["rest"][0]["resource"]}
    assert set(stated) == {*SEARCHES, *LEGACY_SEARCHES}
    assert "DiagnosticReport:result" in stated["Observation"]["searchRevInclude"]
    assert "searchRevInclude" not in stated["DiagnosticReport"]
    assert {each["name"] for each in stated["Observation"]["searchParam"]} == {
        "_id",
        "date",
        "identifier",
        "_tags",
        "_tag",
    }
