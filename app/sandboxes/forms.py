"""What every JSON body and scenario file is made of: the base model, its scalars, and how a fault in one is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from app.errors import Reason, Refusal

Nin = Annotated[str, Field(max_length=40, description="National identity number, synthetic.")]
Hpr = Annotated[str, Field(max_length=20, description="HPR number, 1-9 digits.")]
Orgnr = Annotated[str, Field(max_length=20, description="Organisation number, 9 digits.")]
Id = Annotated[str, Field(max_length=64)]
Text = Annotated[str, Field(max_length=200)]
Service = Annotated[str, Field(pattern=r"^([A-Z][A-Z_-]{0,19}|\*)$", description="`PPS`, `KJ`, `PJD` …; `*` is all.")]
Ids = Annotated[list[Id], Field(max_length=100)]

FORMS: Final = frozenset({"short", "pvk", "patient-privacy", "patient-safety"})
"""Names of the alternatives of a body; they stand in pydantic's paths but not in the JSON."""
ALTERNATIVE: Final = "alternative:"
"""What other names of alternatives begin with: those that are members' names too."""
_OF_PYDANTIC: Final = "[key]"


class Body(BaseModel):
    """Common to all bodies: unknown members are refused, names are camelCase."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)


AnyBody = TypeVar("AnyBody", bound=BaseModel)


def validated(model: type[AnyBody], value: object) -> AnyBody:
    """``value`` as the model. Raises ``Refusal(CONTENT_INVALID)`` with a pointer to the first thing wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise invalid(pointer_to(first["loc"]), str(first["msg"])) from None


def pointer_to(path: Sequence[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a path as pydantic gives it."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path if not _unwritten(str(part)))


def _unwritten(part: str) -> bool:
    """Whether a part of pydantic's path is not in the JSON."""
    return part in FORMS or part.startswith(ALTERNATIVE) or part == _OF_PYDANTIC


def invalid(pointer: str, text: str) -> Refusal:
    """A refusal that says where in the body the fault is."""
    return Refusal(Reason.CONTENT_INVALID, text, extra={"pointer": pointer})


@contextmanager
def below(place: str) -> Iterator[None]:
    """Put ``place`` before the pointer of a refusal raised inside."""
    try:
        yield
    except Refusal as refusal:
        extra = {**refusal.extra, "pointer": place + refusal.extra.get("pointer", "")}
        raise Refusal(refusal.reason, refusal.detail, source=refusal.source, extra=extra) from None


def merged(old: Any, patch: Any) -> Any:
    """A JSON merge patch applied (RFC 7396): null removes a member, an object merges, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(old) if isinstance(old, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
