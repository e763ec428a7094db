"""Where the services of a sandbox are, below its address."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

MOUNTS: Final = MappingProxyType(
    {
        "helseid": "/helseid",
        "helseid-ttt": "/helseid-ttt",
        "pps": "/pps",
        "pps-v2": "/pps/v2",
        "pps-backdoor": "/pps-backdoor/fhir",
        "pps-sandbox": "/pps-sandbox",
        "trust-probe": "/trust-probe",
        "trust-probe-bearer": "/trust-probe/bearer",
        "selvbetjening-api": "/selvbetjening-api",
        "selvbetjening": "/selvbetjening",
        "critical-information": "/critical-information",
        "kjernejournal": "/kjernejournal",
        "kjernejournal-innlogging": "/kjernejournal-innlogging",
        "kjernejournal-portal": "/kjernejournal-portal",
        "codingsystems": "/codingsystems",
        "fhir-facade": "/fhir/r4",
        "citizen": "/citizen/v1",
        "control": "/_sandbox/v1",
    }
)
"""Name and mount of each, as the server's address book has them."""
