"""The tables behind the signing explorer: its texts, its languages, its attests."""

from __future__ import annotations

import pytest

from app.settings import Settings
from app.trust.principal import Basis
from app.trust.sts.attest import RegisterSnapshot, check_attest
from app.trust.sts.structures import OrgClaims
from app.web.attest_templates import ATTEST_TEMPLATES, AttestTemplate, described
from app.web.explorer_texts import TEXTS
from app.web.languages import LANGUAGES, language_of


def test_languages_have_the_same_texts() -> None:
    assert len({frozenset(TEXTS[language]) for language in LANGUAGES}) == 1
    assert all(text for language in LANGUAGES for text in TEXTS[language].values())


@pytest.mark.parametrize(
    ("wishes", "language"), [("nn-NO", "nb"), ("de, en;q=0.5", "en"), ("de", "nb"), ("", "nb"), ("no", "nb")]
)
def test_the_first_language_we_have_is_taken(wishes: str, language: str) -> None:
    assert language_of(wishes) == language


@pytest.mark.parametrize("template", ATTEST_TEMPLATES, ids=lambda template: template.id)
def test_each_template_is_an_attest_the_issuer_takes(template: AttestTemplate) -> None:
    told = described(template, "en")
    number = {"id": "315500109", "system": "urn:oid:2.16.578.1.12.4.1.4.101"}
    attest = {
        "type": "nhn:tillitsrammeverk:parameters",
        "practitioner": {"legal_entity": number, "point_of_care": number},
        "care_relationship": {**told["careRelationship"], "decision_ref": {"id": "d1", "user_selected": True}},
        "patients": [],
    }
    notes: list[str] = []
    orgs = OrgClaims(parent="315500109", known=frozenset({"315500109"}))
    settings = Settings()
    check_attest([attest], orgs, RegisterSnapshot({}, {}), settings, lambda rule, *_: notes.append(rule))
    assert "C18" not in notes  # no code was dropped
    assert template.basis is None or Basis(template.basis).elevated
