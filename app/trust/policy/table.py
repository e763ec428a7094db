"""The decision table of personvern.md section 7, as data: one row per rule, in the order of judging.

Rows with a letter after the number are those the rulings add (R17, R36, S9) and those that split a row of
the spec into the part that refuses and the part that opens. ``docs/decisions.md`` is rendered from here.
"""

from __future__ import annotations

from app.trust.policy.model import ObjectRule, RequestRule
from app.trust.policy.rows import citizens, gate, personnel, single_objects

REQUEST_RULES: tuple[RequestRule, ...] = (
    *gate.AUTHENTICITY,
    *gate.REQUEST,
    *personnel.ACTOR,
    *personnel.PERSON,
    *personnel.AIMED_BLOCKS,
    *personnel.GENERAL_BLOCK,
    *citizens.CITIZEN_ROWS,
    *personnel.AFTER_OBJECTS,
)
OBJECT_RULES: tuple[ObjectRule, ...] = single_objects.OBJECTS
RULES: tuple[RequestRule | ObjectRule, ...] = (
    *(rule for rule in REQUEST_RULES if rule not in personnel.AFTER_OBJECTS),
    *OBJECT_RULES,
    *personnel.AFTER_OBJECTS,
)
