"""floor: features of all real images by both classifiers, their scores against one another, and how these depend on N."""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

from thirtytwo.core.device import set_up
from thirtytwo.core.facts import Facts
from thirtytwo.data.batches import load
from thirtytwo.evaluate.classes import class_indices
from thirtytwo.evaluate.floor_by_size import floor_by_size
from thirtytwo.evaluate.real import Scored, Seen, measure_real, real_bytes, seen_bytes
from thirtytwo.evaluate.scorecard import Floors
from thirtytwo.evaluate.scores import classifier_floor, second_floor
from thirtytwo.features.extraction import extract, load_classifier
from thirtytwo.nets.classifier import Classifier
from thirtytwo.nets.mixer import Mixer
from thirtytwo.runtime.files import read_json, sha256, write, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings import configs
from thirtytwo.settings.evaluation import FloorConfig


def main(project: Project, dataset: str) -> None:
    """Write scores/floor/<set>.json, plots/floor/<set>.csv, and for each classifier the features and the weights:
    data/features/<set>.npz and .pt, data/second_features/<set>.npz and .pt.
    """
    settings = configs.read(FloorConfig, "floor", dataset, project)
    device = set_up(settings.compute)
    weights, other = project.classifier(settings.classifier), project.second_classifier(settings.classifier)
    data, facts = load(project.prepared(dataset)), read_json(project.facts(dataset), Facts)
    classifier, names = load_classifier(Classifier, weights, device)
    mixer, _ = load_classifier(Mixer, other, device)
    real = measure_real(
        *extract(data.images, classifier, dataset), data.labels, data.split, reference_split=settings.reference_split,
        classes=tuple(names), class_places=class_indices(data.classes, names), features_sha256=sha256(weights),
        resampler=facts.resample,
    )  # fmt: skip
    drawing = {"samples": settings.samples, "resamples": settings.bootstrap_resamples, "seed": settings.seed}
    second = Seen(
        Scored(*extract(data.images, mixer, dataset), real.images.labels),
        data.split,
        real.reference_split,
        sha256(other),
    )
    floors = Floors(*(
        classifier_floor(real, **drawing, within_classes=within)
        | second_floor(second, **drawing, within_classes=within)
        for within in (False, True)
    ))  # fmt: skip
    by_size = floor_by_size(real, **drawing)
    write(project.features(dataset), real_bytes(real, data.factors, data.factor_names))
    write(project.judge(dataset), weights.read_bytes())
    write(project.second_features(dataset), seen_bytes(second))
    write(project.second_judge(dataset), other.read_bytes())
    write(project.plot("floor", dataset), by_size.to_csv(index=False).encode())
    write_json(project.scores(dataset, "floor"), floors, sealed=True)
    for floor in (floors.at_random, floors.within_classes):
        n, drawn = floor.protocol["n"], floor.protocol["drawn"]
        print(f"{dataset}: floor of fd_classifier {floor.estimate('fd_classifier').value:.4g} at N={n}, {drawn}")
    if (n := floors.at_random.protocol["n"]) != settings.samples:
        print(f"note: N={n}, not evaluation.samples={settings.samples}: the data set has too few real images")


if __name__ == "__main__":
    run_stage(main)
