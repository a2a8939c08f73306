"""Parts of results that the report counts, compares or looks up with, and so must have their form."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from thirtytwo.core.facts import Facts
from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.runtime.errors import ParamsError, ReportError
from thirtytwo.runtime.project import remedy
from thirtytwo.settings.strict import parse

__all__ = ["check_facts", "check_protocol"]

_Count = Annotated[int, Field(ge=0)]


class _Protocol(BaseModel):
    """Facts that the report does more with than print them."""

    model_config = ConfigDict(extra="allow", strict=True)

    n: _Count
    reference_n: _Count
    reference_split: Literal["train", "test", "all"]
    features_sha256: str
    split: str | None = None
    classes: _Count | None = None
    seeds: _Count | None = None
    prdc_k: _Count | None = None
    codes_n: _Count | None = None
    iwae_n: _Count | None = None
    iwae_samples: _Count | None = None
    bits_per_dim_n: _Count | None = None
    path_length_n: _Count | None = None


def check_protocol(path: Path, measured: Measured) -> None:
    """Check the protocol of scores that were read from `path`; scores without a Fréchet distance may lack it.

    Raises:
        ReportError: a fact is missing, of another type or range, or named as a score.
    """
    facts = measured.protocol
    if shared := sorted(facts.keys() & measured.scores.keys()):
        raise ReportError(f"{path}: {shared[0]}: expected a score or a fact, not both; {remedy(path)}")
    if "fd_classifier" not in measured.scores and not facts:
        return
    try:
        parse(_Protocol, facts, "protocol")
    except ParamsError as error:
        raise ReportError(f"{path}: {error}; {remedy(path)}") from None


def check_facts(path: Path, facts: Facts) -> None:
    """Check the list of removed files in a data set's facts, which were read from `path`.

    Raises:
        ReportError: an entry lacks the file, its class or the reason.
    """
    for number, entry in enumerate(facts.removed):
        if missing := {"file", "class", "reason"} - entry.keys():
            raise ReportError(f"{path}: removed.{number}: expected the key '{sorted(missing)[0]}'; {remedy(path)}")
