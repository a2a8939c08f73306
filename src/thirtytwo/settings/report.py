"""Settings that the report reads."""

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.classifier import Classifier
from thirtytwo.settings.configs import Compute, Run
from thirtytwo.settings.data import Dataset, Source
from thirtytwo.settings.evaluation import Evaluation
from thirtytwo.settings.sampling import Sampling
from thirtytwo.settings.strict import Seed, Strict, nearest, parse
from thirtytwo.settings.sweep import Sweep

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

    def protocol(self, dataset: str) -> Evaluation:
        """The scoring protocol of a data set: `evaluation` with the data set's own values.

        Raises:
            ParamsError: a key that the protocol does not have, or a value out of range.
        """
        own, key = self.datasets[dataset].evaluation, f"datasets.{dataset}.evaluation"
        for name in own:
            if name not in Evaluation.model_fields:
                raise ParamsError(f"{key}.{name}: unknown key; {nearest(name, Evaluation.model_fields)}")
        return parse(Evaluation, self.evaluation.model_dump() | own, key)
