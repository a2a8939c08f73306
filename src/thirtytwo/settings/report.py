"""Settings that the report reads."""

from thirtytwo.settings.classifier import Classifier
from thirtytwo.settings.configs import Compute, Run
from thirtytwo.settings.data import Dataset, Source
from thirtytwo.settings.diffusion import Sweep
from thirtytwo.settings.evaluation import Evaluation
from thirtytwo.settings.sampling import Sampling
from thirtytwo.settings.strict import Seed, Strict

__all__ = ["ReportConfig"]


class ReportConfig(Strict):
    """configs/report/report.yaml"""

    seed: Seed
    compute: Compute
    sources: dict[str, Source]
    datasets: dict[str, Dataset]
    classifiers: dict[str, Classifier]
    evaluation: Evaluation
    sampling: Sampling
    runs: dict[str, Run]
    sweeps: dict[str, Sweep]
