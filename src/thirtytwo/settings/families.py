"""Settings classes of each family of generators, and readers of the resolved files that depend on the family.

A new family needs an entry here, a folder in models/ and a folder in sampling/.
"""

from pathlib import Path
from typing import Any, NamedTuple

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project, remedy
from thirtytwo.settings import configs
from thirtytwo.settings.autoencoder import AutoencoderSampling, AutoencoderSettings
from thirtytwo.settings.diffusion import DiffusionSampling, DiffusionSettings
from thirtytwo.settings.edm import EDMSampling, EDMSettings
from thirtytwo.settings.flow import FlowSampling, FlowSettings
from thirtytwo.settings.gan import GANSampling, GANSettings
from thirtytwo.settings.sampling import SampleConfig, SampleSettings
from thirtytwo.settings.training import TrainConfig, TrainSettings

__all__ = ["FAMILIES", "Family", "read_sample", "read_train"]


class Family(NamedTuple):
    """Settings classes of a family: of its training and of its `sample:` block."""

    train: type[TrainSettings]
    sample: type[SampleSettings]


FAMILIES = {
    "gan": Family(GANSettings, GANSampling),
    "autoencoder": Family(AutoencoderSettings, AutoencoderSampling),
    "diffusion": Family(DiffusionSettings, DiffusionSampling),
    "flow": Family(FlowSettings, FlowSampling),
    "edm": Family(EDMSettings, EDMSampling),
}


def read_train(run: str, project: Project) -> TrainConfig[Any, Any]:
    """Read configs/train/<run>.yaml with the settings class of the run's family.

    Raises:
        ParamsError: the run does not exist, or the file is not valid.
    """
    values = configs.read_values("train", run, project)
    parent = values.get("parent_model") or values
    classes = [_family(model, project.config("train", run)).train for model in (values, parent)]
    return configs.read(TrainConfig[classes[0], classes[1]], "train", run, project)  # type: ignore[valid-type]


def read_sample(run: str, project: Project) -> SampleConfig[Any]:
    """Read configs/sample/<run>.yaml with the settings class of the run's family.

    Raises:
        ParamsError: the run does not exist, or the file is not valid.
    """
    family = _family(configs.read_values("sample", run, project), project.config("sample", run))
    return configs.read(SampleConfig[family.sample], "sample", run, project)  # type: ignore[name-defined]


def _family(values: Any, path: Path) -> Family:
    family = values.get("family") if isinstance(values, dict) else None
    if not isinstance(family, str) or family not in FAMILIES:
        raise ParamsError(f"{path}: family: expected one of {', '.join(FAMILIES)}; {remedy(path)}")
    return FAMILIES[family]
