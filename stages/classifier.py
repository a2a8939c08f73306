"""classifier: trains the data set's classifier; writes its weights and its accuracy on the test split."""

import time

from thirtytwo.core.device import set_up
from thirtytwo.core.intervals import share
from thirtytwo.data.batches import load
from thirtytwo.features.extraction import extract
from thirtytwo.features.training import save, train
from thirtytwo.runtime.files import write_json
from thirtytwo.runtime.interrupt import StopSignals
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings import configs
from thirtytwo.settings.classifier import ClassifierConfig


def main(project: Project, dataset: str) -> None:
    """Write data/classifiers/<set>.pt and scores/classifier/<set>.json."""
    settings = configs.read(ClassifierConfig, "classifier", dataset, project)
    device, start = set_up(settings.compute), time.monotonic()
    data = load(project.prepared(dataset))
    model = train(data, settings.classifier, seed=settings.seed, device=device, exit_code=StopSignals().exit_code)
    seconds = time.monotonic() - start
    test = data.only("test")
    _, probabilities = extract(test.images, model, f"the test split of {dataset}")
    correct = share(probabilities.argmax(axis=1) == test.labels)
    save(model, data.classes, project.classifier(dataset))
    parameters = sum(weight.numel() for weight in model.parameters())
    scores = {"accuracy_test": correct, "n_test": len(test.labels), "parameters": parameters}
    write_json(project.scores(dataset, "classifier"), scores, sealed=True)
    log = {"seconds": seconds, "device": str(device), "threads": settings.compute.threads}
    write_json(project.log("classifier", dataset), log)
    interval = f"95 % interval {correct.low:.2%} to {correct.high:.2%}"
    print(f"{dataset}: {correct.value:.2%} of {len(test.labels)} test images ({interval})")


if __name__ == "__main__":
    run_stage(main)
