"""classifier: trains the data set's two classifiers; writes their weights and their accuracy on the test split."""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

import time

from thirtytwo.core.device import set_up
from thirtytwo.core.intervals import Estimate, share
from thirtytwo.core.seeds import derive_seed
from thirtytwo.data.batches import load
from thirtytwo.features.extraction import extract
from thirtytwo.features.training import save, train
from thirtytwo.nets.classifier import Classifier
from thirtytwo.nets.mixer import Mixer
from thirtytwo.runtime.files import write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings import configs
from thirtytwo.settings.classifier import ClassifierConfig


def main(project: Project, dataset: str) -> None:
    """Write data/classifiers/<set>.pt, data/second_classifiers/<set>.pt and scores/classifier/<set>.json."""
    settings = configs.read(ClassifierConfig, "classifier", dataset, project)
    device = set_up(settings.compute)
    data = load(project.prepared(dataset))
    test, first, second = data.only("test"), settings.classifier, settings.classifier.second
    scores: dict[str, Estimate | int] = {"n_test": len(test.labels)}
    seconds = {}
    for suffix, network, training, seed, path in (
        ("", Classifier, first, settings.seed, project.classifier(dataset)),
        ("_second", Mixer, second, derive_seed(settings.seed, 1), project.second_classifier(dataset)),
    ):
        start = time.monotonic()
        model = train(network, data, training, seed=seed, device=device)
        seconds[f"seconds{suffix}"] = time.monotonic() - start
        _, probabilities = extract(test.images, model, f"the test split of {dataset}")
        correct = share(probabilities.argmax(axis=1) == test.labels)
        save(model, data.classes, path)
        scores[f"accuracy_test{suffix}"] = correct
        scores[f"parameters{suffix}"] = sum(weight.numel() for weight in model.parameters())
        interval = f"95 % interval {correct.low:.2%} to {correct.high:.2%}"
        print(f"{dataset}{suffix}: {correct.value:.2%} of {len(test.labels)} test images ({interval})")
    write_json(project.scores(dataset, "classifier"), scores, sealed=True)
    log = {**seconds, "device": str(device), "threads": settings.compute.threads}
    write_json(project.log("classifier", dataset), log)


if __name__ == "__main__":
    run_stage(main)
