"""The release decision: one table of rules for every service (personvern.md section 7).

decision = decide(request)                     # stages A–F, or A, B, D, H for a citizen
result = filter_objects(objects, request)      # stage G, or H14–H19
decision = conclude(request, decision, result, total_stored)
"""

from app.trust.policy.engine import DecideMode, Decision, conclude, decide, explain, filter_objects
from app.trust.policy.model import (
    CARE_PURPOSES,
    Dropped,
    FilterResult,
    Mode,
    ObjectFacts,
    ObjectRule,
    ObjectVerdict,
    Obligation,
    Op,
    Outcome,
    Request,
    RequestRule,
    Rule,
    RuleResult,
    ServicePolicy,
    Stage,
    Verdict,
)
from app.trust.policy.services import (
    GENERIC,
    KJ,
    KJ_LEGACY,
    PJD,
    PLL,
    PLL_KJ,
    PPS,
    PPS_BACKDOOR,
    PROBE,
    SERVICES,
    SETTINGS,
)
from app.trust.policy.table import OBJECT_RULES, REQUEST_RULES, RULES

__all__ = [
    "CARE_PURPOSES",
    "GENERIC",
    "KJ",
    "KJ_LEGACY",
    "OBJECT_RULES",
    "PJD",
    "PLL",
    "PLL_KJ",
    "PPS",
    "PPS_BACKDOOR",
    "PROBE",
    "REQUEST_RULES",
    "RULES",
    "SERVICES",
    "SETTINGS",
    "DecideMode",
    "Decision",
    "Dropped",
    "FilterResult",
    "Mode",
    "ObjectFacts",
    "ObjectRule",
    "ObjectVerdict",
    "Obligation",
    "Op",
    "Outcome",
    "Request",
    "RequestRule",
    "Rule",
    "RuleResult",
    "ServicePolicy",
    "Stage",
    "Verdict",
    "conclude",
    "decide",
    "explain",
    "filter_objects",
]
