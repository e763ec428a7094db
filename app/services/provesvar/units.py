"""Laboratory units as Norwegian laboratories write them, and their UCUM codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

UCUM = "http://unitsofmeasure.org"


def ucum(unit: str) -> str | None:
    """The UCUM code of a written unit, or None when it is not known: then only the text can be shown."""
    found = _UNITS.get(unit)
    if found is not None:
        return found
    power = _POWER.fullmatch(unit)
    return f"10*{power['exponent']}/{power['per']}" if power is not None else None


_POWER = re.compile(r"(?:10E|E|10\^|10\*|x10E|x10\^)(?P<exponent>-?[0-9]{1,2})/(?P<per>L|mL|uL)")
_SAME = (
    *("g/L", "mg/L", "ng/L", "pg/L", "g/dL", "mg/dL", "mmol/L", "nmol/L", "pmol/L", "mol/L", "fmol/L", "umol/L"),
    *("U/L", "kU/L", "mmol/mol", "mg/mmol", "g/mol", "%", "fL", "pg", "g", "mg", "kg", "mL/min", "mL", "L", "uL"),
    *("mm", "cm", "m", "s", "min", "h", "d", "mm/h", "kPa", "ng/mL", "mg/g", "ug/L", "mosm/kg", "mL/L"),
)
_UNITS: Mapping[str, str] = MappingProxyType(
    {unit: unit for unit in _SAME}
    | {
        "IU/L": "[IU]/L",
        "mIU/L": "m[IU]/L",
        "kIU/L": "k[IU]/L",
        "IU/mL": "[IU]/mL",
        "IE/L": "[IU]/L",
        "µmol/L": "umol/L",
        "μmol/L": "umol/L",
        "µg/L": "ug/L",
        "μg/L": "ug/L",
        "mL/min/1.73m2": "mL/min/{1.73_m2}",
        "mL/min/1,73m2": "mL/min/{1.73_m2}",
        "mosmol/kg": "mosm/kg",
        "ratio": "1",
        "1": "1",
    }
)
