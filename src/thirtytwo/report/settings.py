"""Settings that the report tells of."""

from thirtytwo.classifier_settings import Classifier
from thirtytwo.config import Compute, Run
from thirtytwo.data.settings import Dataset
from thirtytwo.evaluate.settings import Evaluation
from thirtytwo.sampling import Sampling
from thirtytwo.strict import Strict

__all__ = ["ReportConfig"]


class ReportConfig(Strict):
    """configs/report/report.yaml"""

    seed: int
    compute: Compute
    runs: dict[str, Run]
    datasets: dict[str, Dataset]
    classifiers: dict[str, Classifier]
    evaluation: Evaluation
    sampling: Sampling
