"""evaluate: scores of a run's samples beside their floors; histograms; scores along the training."""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

from thirtytwo.core import processes
from thirtytwo.core.device import set_up
from thirtytwo.core.drawn import read_probes, read_samples
from thirtytwo.data.batches import load
from thirtytwo.evaluate.real import read_real, read_seen
from thirtytwo.evaluate.run import Extractors, Factors, Network, Rules, score_run
from thirtytwo.evaluate.scorecard import Floors, headline, metrics
from thirtytwo.evaluate.trainings import sample_files
from thirtytwo.features import spaces
from thirtytwo.features.extraction import extract, extract_floats, load_classifier
from thirtytwo.nets.classifier import Classifier
from thirtytwo.nets.mixer import Mixer
from thirtytwo.runtime.errors import EvaluationError
from thirtytwo.runtime.files import read_json, sha256, write, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings import configs
from thirtytwo.settings.evaluation import EvaluateConfig


def main(project: Project, run: str) -> None:
    """Write scores/<run>.json, metrics/<run>.json and plots/{classes,confusion,neighbours,scores,seeds}/<run>.csv."""
    settings = configs.read(EvaluateConfig, "evaluate", run, project)
    processes.join()
    device, dataset = set_up(settings.compute), settings.dataset
    classifier, _ = load_classifier(Classifier, project.judge(dataset), device)
    mixer, _ = load_classifier(Mixer, project.second_judge(dataset), device)
    extractors = Extractors(
        lambda images, where: extract(images, classifier, where),
        lambda images, where: extract_floats(images, classifier, where),
        lambda images, where: extract(images, mixer, where),
    )
    split = settings.reference_split
    real = read_real(project.features(dataset), split, sha256(project.judge(dataset)))
    second = read_seen(project.second_features(dataset), split, sha256(project.second_judge(dataset)))
    floors = read_json(project.scores(dataset, "floor"), Floors)
    data = load(project.prepared(dataset))
    factors = None
    if data.factor_names:
        train, test = ((part.images, part.factors) for part in (data.only("train"), data.only("test")))
        factors = Factors(data.factor_names, train, test)
    trainings = []
    for path in sample_files(project.sample_folder(run), settings.seeds):
        images, labels = read_samples(path, len(data.classes))
        if len(images) < settings.samples:
            raise EvaluationError(
                f"{path}: {len(images)} images, evaluation.samples is {settings.samples}; raise sampling.images"
            )
        trainings.append((images[: settings.samples], labels[: settings.samples]))
    probes = read_probes(project.probes(run))
    rules = Rules(settings.train_on, settings.mode_share, settings.bootstrap_resamples, settings.seed)
    reference = data.only(split).images
    networks = {
        one.score: Network(one.features, *spaces.reference(one, project, dataset, reference))
        for one in spaces.spaces(settings, project, device)
    }
    card, tables = score_run(trainings, probes, reference, real, second, floors, rules, extractors, networks, factors)
    if not processes.first():  # the processes share the extraction of features
        return
    write_json(project.scores(run), card, sealed=True)
    write_json(project.metrics(run), metrics(card))
    for folder, table in tables.items():
        write(project.plot(folder, run), table.to_csv(index=False).encode())
    print(f"{run}: {headline(card)}")


if __name__ == "__main__":
    run_stage(main)
