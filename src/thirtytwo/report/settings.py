"""Settings that the report tells of."""

from thirtytwo.classifier_settings import Classifier
from thirtytwo.config import Compute, Run
from thirtytwo.data.settings import Dataset, Source
from thirtytwo.evaluate.settings import Evaluation
from thirtytwo.sampling import Sampling
from thirtytwo.strict import Strict
from thirtytwo.sweeps import Sweep

__all__ = ["ReportConfig"]


class ReportConfig(Strict):
    """configs/report/report.yaml"""

    seed: int
    compute: Compute
    sources: dict[str, Source]
    datasets: dict[str, Dataset]
    classifiers: dict[str, Classifier]
    evaluation: Evaluation
    sampling: Sampling
    runs: dict[str, Run]
    sweeps: dict[str, Sweep]
