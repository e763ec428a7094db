"""One ``ServicePolicy`` per service: the choices of each, as data.

Values without a public source are the sandbox's own, kept in this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from app.trust.policy.model import READ_OPS, WRITE_OPS, ServicePolicy, Verdict

_NOT_CLINICAL = frozenset({"VE", "XX"})

GENERIC = ServicePolicy(
    name="GENERIC",
    protected_policy="deny",
    reserved="empty",
    parent_under_12=READ_OPS,
)

PPS = ServicePolicy(
    name="PPS",
    attest="optional",
    hpr_waived_with_basis=True,
    patient_unknown="empty",
    withheld="empty",
    reserved="empty",
    deceased_writes=True,
    machine_ops=frozenset({"ingest"}),
    parent_under_12=READ_OPS,
)

PPS_BACKDOOR = replace(PPS, token_required=False, attest="ignore")

PROBE = ServicePolicy(
    name="PROBE",
    org_child_required=True,
    attest="required",
    hpr_required=False,
    patient_unknown="continue",
)

PJD = ServicePolicy(
    name="PJD",
    machine_ops=frozenset({"create", "update"}),
    attest="required",
    hpr_required=False,
    role_source="attest",
    roles_allowed=frozenset({"LE", "SP", "PS"}),
    general="empty",
    reserved="empty",
    reads_refused=True,
    elevating_purposes=frozenset({"ETREAT", "BTG"}),
    needless_elevation="continue",
    blocked_object=Verdict.MASK,
    deceased_writes=True,
    parent_under_12=READ_OPS,
)

KJ = ServicePolicy(
    name="KJ",
    org_child_required=True,
    role_source="header",
    roles_denied=_NOT_CLINICAL,
    write_roles_allowed=frozenset({"LE", "TL", "SP", "PS"}),
    protected_policy="deny",
    module="KRITISK_INFO",
    needless_elevation="deny",
    elevation_needs_data=False,
    parent_under_12=READ_OPS,
)

KI_STATUS = replace(KJ, machine_ops=frozenset({"read"}), needless_elevation="continue")

# One source of a summary: what is withheld is a section that says so, not a refusal (S17, S43).
KJ_SUMMARY = replace(KJ, withheld="empty", reserved="empty")

KJ_LEGACY = replace(
    KJ,
    org_child_required=False,
    role_source="register",
    any_block_denies=True,
    needless_elevation="error",
    kj_access_required=True,
)

KJ_INDICATOR = replace(KJ_LEGACY, machine_ops=frozenset({"read"}), patient_unknown="continue")

KJ_PORTAL = replace(
    KJ_LEGACY,
    attest="required",
    role_source="header",
    any_block_denies=False,
    needless_elevation="continue",
)

KJ_PORTAL_PAGE = replace(KJ_PORTAL, attest="ignore")

PLL = ServicePolicy(
    name="PLL",
    role_source="register",
    roles_allowed=frozenset({"LE", "TL", "JO", "SP", "FA1", "FA2"}),
    write_roles_allowed=frozenset({"LE"}),
    gp_exempt_from_general_block=True,
    needless_elevation="continue",
    youth_service=True,
    parent_under_12=READ_OPS,
    parent_12_15=READ_OPS,
)

PLL_KJ = replace(
    PLL,
    name="PLL_KJ",
    roles_allowed=None,
    roles_denied=_NOT_CLINICAL,
    gp_exempt_from_general_block=False,
    any_block_denies=True,
    youth_service=False,
    parent_12_15=frozenset(),
)

CITIZEN_LOG = ServicePolicy(
    name="CITIZEN_LOG",
    youth_service=True,
    parent_under_12=READ_OPS,
)

SETTINGS = ServicePolicy(
    name="SETTINGS",
    patient_unknown="deny",
    privacy_settings=True,
    parent_under_12=READ_OPS | WRITE_OPS,
)

SERVICES: Mapping[str, ServicePolicy] = MappingProxyType(
    {
        "PPS": PPS,
        "PPS_BACKDOOR": PPS_BACKDOOR,
        "PROBE": PROBE,
        "PJD": PJD,
        "KJ": KJ,
        "KI_STATUS": KI_STATUS,
        "KJ_LEGACY": KJ_LEGACY,
        "KJ_INDICATOR": KJ_INDICATOR,
        "KJ_PORTAL": KJ_PORTAL,
        "PLL": PLL,
        "PLL_KJ": PLL_KJ,
        "SETTINGS": SETTINGS,
        "GENERIC": GENERIC,
    }
)
