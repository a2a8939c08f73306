"""Strict settings: every key stated once in the YAML, checked before any work, errors in one line."""

import difflib
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from thirtytwo.runtime.errors import ParamsError

__all__ = ["Strict", "nearest", "parse"]


class Strict(BaseModel):
    """Base of all settings: frozen, no unknown keys, no coercion ("1e-4" is no number), no defaults.

    Subclasses give ranges with `Field(ge=..., le=...)`. A float may be written as an integer.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=BaseModel)

# pydantic's error types in the words of a parameter file; its own sentence stands for any other.
_EXPECTED = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "finite_number": "a finite number", "bool_type": "true or false", "string_type": "text", "list_type": "a list",
    "dict_type": "a mapping", "model_type": "a mapping", "model_attributes_type": "a mapping",
    "greater_than": "a number > {gt}", "greater_than_equal": "a number >= {ge}", "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}", "string_too_short": "text that is not empty",
    "string_pattern_mismatch": "text that matches {pattern}", "multiple_of": "a multiple of {multiple_of}",
    "too_short": "at least {min_length} of them", "too_long": "at most {max_length} of them",
}  # fmt: skip


def nearest(word: Any, words: Iterable[Any]) -> str:
    """The hint for a key or value that is not among `words`: the nearest one, or all of them."""
    texts = [str(known) for known in words]
    close = difflib.get_close_matches(str(word), texts, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"expected one of: {', '.join(texts)}"


def parse(model: type[Settings], values: Any, where: str = "") -> Settings:
    """`values` as a `model`.

    Args:
        where: the key path that `values` stands at, for the message, such as "vae" or "runs.vae.set"; "" at the top.

    Raises:
        ParamsError: names the full key, what was expected and the nearest valid key.
    """
    if not isinstance(values, Mapping):
        raise ParamsError(f"{where}: expected a mapping, got {_shown(values)}")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        # A mistyped key counts as an unknown and as a missing one; the unknown one says what was written.
        found = sorted(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ParamsError(_message(model, found[0], where) + more) from None


def _message(model: type[BaseModel], details: ErrorDetails, where: str) -> str:
    key, owner, kind = where, model, model  # type: str, Any, Any
    for part in details["loc"]:
        owner = kind
        text, kind = _step(kind, part)
        key = f"{key}{text}".lstrip(".")
    value, context = details["input"], details.get("ctx", {})
    tag_key = str(context.get("discriminator", "")).strip("'")
    match details["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; {nearest(details['loc'][-1], owner.model_fields)}"
        case "missing":
            return f"{key}: missing; add it (scales/quick.yaml has its meaning and a value)"
        case "union_tag_not_found":
            return f"{key}.{tag_key}: missing; expected one of: {', '.join(_members(kind))}"
        case "union_tag_invalid":
            return f"{key}.{tag_key}: no such value {value[tag_key]!r}; {nearest(value[tag_key], _members(kind))}"
        case "literal_error":
            return f"{key}: no such value {value!r}; {nearest(value, get_args(kind))}"
        case "value_error":
            return f"{key}: {context['error']}"
        case code:
            expected = _EXPECTED[code].format(**context) if code in _EXPECTED else details["msg"]
            return f"{key}: expected {expected}, got {_shown(value)}"


def _step(kind: Any, part: int | str) -> tuple[str, Any]:
    """What one part of an error's location adds to the key, and the annotation that it leads to."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _step(arguments[0], part)
    if part == "[key]":  # an entry's name is no text; the key ends with it already
        return "", str
    if origin is list:
        return f"[{part}]", arguments[0]
    if origin is dict:
        return f".{part}", arguments[1]
    if origin in (Union, UnionType):  # the part is the tag of a member, not a key
        return "", _members(kind)[str(part)]
    field = kind.model_fields.get(part)
    return f".{part}", field.annotation if field else None


def _members(kind: Any) -> dict[str, type[BaseModel]]:
    """The settings classes of a discriminated union by their tags."""
    union = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    fields = [(member, field.annotation) for member in get_args(union) for field in member.model_fields.values()]
    return {tag: member for member, kind in fields if get_origin(kind) is Literal for tag in get_args(kind)}


def _shown(value: Any) -> str:
    """`value` as a person would write it, with the usual cause where a number is in quotes."""
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
