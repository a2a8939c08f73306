"""Strict settings: every key stated once in the YAML, checked before any work, errors in one line."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["ParamsError", "Strict", "nearest", "parse"]


class ParamsError(ValueError):
    """A parameter that is unknown, missing, of the wrong type or out of range; the message is one line."""


class Strict(BaseModel):
    """Base of all settings: frozen, no unknown keys, no coercion ("1e-4" is no number), no defaults.

    Subclasses give ranges with `Field(ge=..., le=...)`. A float may be written as an integer.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=BaseModel)


def nearest(word: str, words: list[str]) -> str:
    """The hint for a key that is not among `words`: the nearest one, or all of them."""
    close = difflib.get_close_matches(str(word), words, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"expected one of: {', '.join(sorted(words))}"


def parse(model: type[Settings], values: Any, where: str) -> Settings:
    """`values` as a `model`.

    Args:
        where: the key path that `values` stands at, for the message, such as "vae" or "runs.vae".

    Raises:
        ParamsError: names the full key, what was expected and the nearest valid key.
    """
    if not isinstance(values, Mapping):
        raise ParamsError(f"{where}: expected a mapping of settings, got {values!r}")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ParamsError(_one_line(model, error, where)) from None


def _one_line(model: type[BaseModel], error: ValidationError, where: str) -> str:
    first, more = error.errors()[0], error.error_count() - 1
    path, owner = [where] if where else [], model
    for part in first["loc"][:-1]:
        path.append(str(part))
        owner = _inner(owner, str(part))
    key = str(first["loc"][-1]) if first["loc"] else ""
    full = ".".join(part for part in [*path, key] if part)
    if first["type"] == "extra_forbidden":
        message = f"{full}: unknown key; {nearest(key, list(owner.model_fields))}"
    elif first["type"] == "missing":
        message = f"{full}: missing; add it (see scales/quick.yaml for its meaning and a value)"
    else:
        reason = first["msg"][0].lower() + first["msg"][1:]
        message = f"{full}: {reason}, got {first['input']!r} ({type(first['input']).__name__})"
    return message + (f" (and {more} more errors)" if more else "")


def _inner(owner: type[BaseModel], key: str) -> type[BaseModel]:
    """The settings class of the nested block `key`; `owner` itself where the path leaves the classes."""
    field = owner.model_fields.get(key)
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else owner
