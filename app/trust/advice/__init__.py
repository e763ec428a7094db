"""How would it pass? The smallest changes that turn a refusal into a release, found by running the policy."""

from app.trust.advice.candidates import Registers
from app.trust.advice.fixes import FIXES, Fix
from app.trust.advice.model import Change, Part, Way
from app.trust.advice.search import granted, ways

__all__ = ["FIXES", "Change", "Fix", "Part", "Registers", "Way", "granted", "ways"]
