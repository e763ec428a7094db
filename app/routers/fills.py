"""How an OpenAPI document says that the signing explorer can fill a header in."""

from __future__ import annotations

from typing import Final, Literal

FILL: Final = "x-sandkasse-fill"
"""The member of a header parameter that holds a ``Fill``."""

Fill = Literal["authorization", "proof", "patient", "correlation", "basis"]
"""The token, its DPoP proof, the number of the chosen patient, a fresh id, the access basis of the attest template."""
