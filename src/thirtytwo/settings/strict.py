"""Strict settings: every key is required, checked before any work, and reported in one line if invalid."""

import difflib
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from thirtytwo.runtime.errors import ParamsError

__all__ = ["Count", "Seed", "Steps", "Strict", "Weight", "nearest", "parse"]

# Bounds of settings that several blocks share. A bound is what the mathematics or a machine allows, not what is sensible.
Seed = Annotated[int, Field(ge=0, le=2**62)]  # room for the consecutive seeds of a run below 2^63
Count = Annotated[int, Field(ge=1, le=1_000_000)]  # images: 3 GB of pixels
Steps = Annotated[int, Field(ge=1, le=100_000_000)]
Weight = Annotated[float, Field(ge=0, le=100)]  # w of guidance, which changes images beyond recognition long before


class Strict(BaseModel):
    """Base of all settings: frozen, without unknown keys, defaults or coercion (the text "1e-4" is not a number).

    Subclasses declare ranges with `Field(ge=..., le=...)`. A float may be written as an integer.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=BaseModel)

# Descriptions of pydantic's error types for users of a YAML file; other types keep pydantic's message.
_EXPECTED = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "finite_number": "a finite number", "bool_type": "true or false", "string_type": "text", "list_type": "a list",
    "dict_type": "a mapping", "model_type": "a mapping", "model_attributes_type": "a mapping",
    "string_too_short": "text that is not empty",
    "string_pattern_mismatch": "text that matches {pattern}", "multiple_of": "a multiple of {multiple_of}",
    "too_short": "at least {min_length} of them", "too_long": "at most {max_length} of them",
}  # fmt: skip


def nearest(word: Any, words: Iterable[Any]) -> str:
    """Return a hint for a key or value that is not among `words`: the closest match, or all of them."""
    texts = [str(valid) for valid in words]
    close = difflib.get_close_matches(str(word), texts, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"expected one of: {', '.join(texts)}"


def parse(model: type[Settings], values: Any, prefix: str = "") -> Settings:
    """Validate `values` and return them as a `model`.

    Args:
        prefix: key path of `values` for error messages, such as "vae" or "runs.vae.set"; "" at the top level.

    Raises:
        ParamsError: names the full key, the expected value and the closest valid key.
    """
    if not isinstance(values, Mapping):
        raise ParamsError(f"{prefix}: expected a mapping, got {_describe(values)}")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        # A mistyped key gives two errors, an unknown and a missing key; the unknown one contains the typo.
        errors = sorted(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise ParamsError(_message(model, errors[0], prefix) + more) from None


def _message(model: type[BaseModel], details: ErrorDetails, prefix: str) -> str:
    key, owner, kind = prefix, model, model  # type: str, Any, Any
    for part in details["loc"]:
        owner = _not_null(kind)
        text, kind = _step(kind, part)
        key = f"{key}{text}".lstrip(".")
    value, context = details["input"], details.get("ctx", {})
    tag_key = str(context.get("discriminator", "")).strip("'")
    match details["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; {nearest(details['loc'][-1], owner.model_fields)}"
        case "missing":
            return f"{key}: missing; add it (scales/quick.yaml has an example with an explanation)"
        case "union_tag_not_found":
            return f"{key}.{tag_key}: missing; expected one of: {', '.join(_members(kind))}"
        case "union_tag_invalid":
            return f"{key}.{tag_key}: unknown value {value[tag_key]!r}; {nearest(value[tag_key], _members(kind))}"
        case "literal_error":
            return f"{key}: unknown value {value!r}; {nearest(value, get_args(kind))}"
        case "value_error":
            return f"{key}: {context['error']}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{key}: expected a number {_range(kind)}, got {_describe(value)}"
        case code:
            expected = _EXPECTED[code].format(**context) if code in _EXPECTED else details["msg"]
            return f"{key}: expected {expected}, got {_describe(value)}"


def _step(kind: Any, part: int | str) -> tuple[str, Any]:
    """Return what one part of an error's location adds to the key, and the annotation of that part."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _step(arguments[0], part)
    if part == "[key]":  # the name of an entry is not text; the key already ends with it
        return "", str
    if origin is list:
        return f"[{part}]", arguments[0]
    if origin is dict:
        return f".{part}", arguments[1]
    if (given := _not_null(kind)) is not kind:
        return _step(given, part)
    if origin in (Union, UnionType):  # the part is the tag of a member, not a key
        return "", _members(kind)[str(part)]
    field = kind.model_fields.get(part)
    if field and any(hasattr(bound, name) for bound in field.metadata for name in _BOUNDS):
        return f".{part}", Annotated[field.annotation, field]
    return f".{part}", field.annotation if field else None


def _not_null(kind: Any) -> Any:
    """The annotation without null, where a setting may be null or one other thing."""
    others = [argument for argument in get_args(kind) if argument is not type(None)]
    return others[0] if get_origin(kind) in (Union, UnionType) and len(others) == 1 else kind


_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _range(kind: Any) -> str:
    """The bounds in the annotation of a number, such as ">= 0 and <= 1"."""
    bounds = [bound for note in get_args(kind)[1:] if isinstance(note, FieldInfo) for bound in note.metadata]
    return " and ".join(
        f"{sign} {getattr(bound, name)}" for name, sign in _BOUNDS.items() for bound in bounds if hasattr(bound, name)
    )


def _members(kind: Any) -> dict[str, type[BaseModel]]:
    """Return the settings classes of a discriminated union by their tags."""
    union = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    fields = [(member, field.annotation) for member in get_args(union) for field in member.model_fields.values()]
    return {tag: member for member, kind in fields if get_origin(kind) is Literal for tag in get_args(kind)}


def _describe(value: Any) -> str:
    """Describe a value in an error message, with a hint if a number is in quotes."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if not isinstance(value, str):
        return str(value)
    numeric = re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value)
    return f"the text {value!r}" + ("; write it without quotes" if numeric else "")
