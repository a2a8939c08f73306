"""What the report says, in order: the answer, one section a data set, the methods, how to repeat it, the settings."""

import platform
from importlib import metadata
from pathlib import Path

from thirtytwo.report import dataset as dataset_section
from thirtytwo.report import figures, numbers
from thirtytwo.report.blocks import Block, Code, Equation, Gallery, Notice, Picture, Row, Section, Table, Text
from thirtytwo.report.results import Results, RunResult, SetResult
from thirtytwo.report.verdict import Verdict, floor_of, judge

__all__ = ["build", "sentence"]

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "pillow", "dvc", "clean-fid")

FRECHET = Equation(
    mathml=(
        '<math display="block"><mi>FD</mi><mo>=</mo><msup><mrow><mo>‖</mo><msub><mi>μ</mi><mi>r</mi></msub><mo>−</mo>'
        "<msub><mi>μ</mi><mi>g</mi></msub><mo>‖</mo></mrow><mn>2</mn></msup><mo>+</mo><mi>Tr</mi><mrow><mo>(</mo>"
        "<msub><mi>Σ</mi><mi>r</mi></msub><mo>+</mo><msub><mi>Σ</mi><mi>g</mi></msub><mo>−</mo><mn>2</mn><msup><mrow>"
        "<mo>(</mo><msub><mi>Σ</mi><mi>r</mi></msub><msub><mi>Σ</mi><mi>g</mi></msub><mo>)</mo></mrow><mrow><mn>1</mn>"
        "<mo>/</mo><mn>2</mn></mrow></msup><mo>)</mo></mrow></math>"
    ),
    latex=r"\mathrm{FD} = \lVert \mu_r - \mu_g \rVert^2 + \mathrm{Tr}\big(\Sigma_r + \Sigma_g "
    r"- 2 (\Sigma_r \Sigma_g)^{1/2}\big)",
)


def build(results: Results, folder: Path) -> list[Section]:
    """All sections; pictures are written to `folder`."""
    return [
        _answer(results, folder),
        *(dataset_section.section(dataset, results, folder) for dataset in results.sets),
        _methods(results),
        _reproduce(results),
        _settings(results),
    ]


def _answer(results: Results, folder: Path) -> Section:
    blocks: list[Block] = []
    lost = [run.name for run in results.runs if run.metrics is None]
    if lost:
        names = ", ".join(f"`{name}`" for name in lost)
        blocks.append(Notice(f"{len(lost)} of {len(results.runs)} runs have no score yet: {names}."))
    pictures = []
    for dataset in results.sets:
        verdict = judge(dataset)
        blocks.append(Text(sentence(dataset, verdict)))
        if verdict.kind in ("best", "tie"):
            pictures.append(_scores(dataset, folder))
    if pictures:
        caption = "Points: the score. Lines: its 95 % interval."
        blocks.append(Gallery(caption, "plot", pictures))
    return Section("Which generator is best?", "answer", blocks)


def _scores(dataset: SetResult, folder: Path) -> Picture:
    runs = sorted(
        (run for run in dataset.runs if run.metric("fd_classifier") is not None), key=lambda r: r.metric("fd_classifier")
    )
    name = figures.slug("scores", dataset.name)
    intervals = [(run.metric("fd_classifier_low"), run.metric("fd_classifier_high")) for run in runs]
    floor, _ = floor_of(runs[0], dataset.floor)
    values = [run.metric("fd_classifier") for run in runs]
    figures.scores(folder / name, [run.name for run in runs], values, intervals, floor)
    decimals = numbers.decimals_for(values)
    told = ", ".join(f"{run.name} {value}" for run, value in zip(runs, numbers.column(values, decimals), strict=True))
    alt = f"Fréchet distance of the runs on {dataset.name}, best first: {told}."
    return Picture(name, alt, f"{dataset.name}: {_protocol(runs[0])}.")


def _protocol(run: RunResult) -> str:
    return f"N = {numbers.count(run.metric('n'))} samples against the {run.metric('reference_split')} split"


def _value(run: RunResult) -> str:
    """A run's score with its interval, for a sentence."""
    score, low, high = (run.metric(f"fd_classifier{end}") for end in ("", "_low", "_high"))
    half = [(high - low) / 2] if low is not None and high is not None else []
    decimals = numbers.decimals_for([score], half)
    value = numbers.column([score], decimals)[0]
    return f"{value} {numbers.interval(low, high, decimals)}" if half else f"{value} (no interval)"


def sentence(dataset: SetResult, verdict: Verdict) -> str:
    """The answer for one data set in words."""
    name = dataset.name
    if verdict.kind == "none":
        return f"{name}: no run has a score."
    if verdict.kind == "incomparable":
        return f"{name}: the runs cannot be compared, since {' and '.join(verdict.reasons)}. No winner is named."
    first = verdict.runs[0]
    end = f"{_floor(first, dataset)} ({_protocol(first)})."
    if verdict.kind == "single":
        return f"{name}: `{first.name}` is the only run with a score, FD {_value(first)}; {end}"
    if verdict.kind == "unknown":
        return (
            f"{name}: `{first.name}` has the lowest score, FD {_value(first)}, but without an interval for every run "
            f"no winner is named; {end}"
        )
    if verdict.kind == "tie":
        tied = " and ".join(f"`{run.name}` with {_value(run)}" for run in verdict.runs)
        return f"{name}: a tie, since the 95 % intervals of FD overlap: {tied}; {end}"
    return f"{name}: `{first.name}` is best, FD {_value(first)}, 95 % interval in brackets; {end}"


def _floor(run: RunResult, dataset: SetResult) -> str:
    floor, reason = floor_of(run, dataset.floor)
    if floor is None:
        return reason
    value = numbers.column([floor], numbers.decimals_for([floor]))[0]
    low = run.metric("fd_classifier_low")
    reached = " (within reach: the interval touches it)" if low is not None and low <= floor else ""
    return f"real images against real images score {value}{reached}"


def _methods(results: Results) -> Section:
    evaluation, sampling = results.config.evaluation, results.config.sampling
    return Section(
        "Methods",
        "methods",
        [
            Text(
                "A small classifier is trained on each data set. Its last hidden layer gives features, and "
                "`fd_classifier` is the Fréchet distance between two Gaussians fitted to the features of real images "
                "(mean μ_r, covariance Σ_r) and of generated images (μ_g, Σ_g), as in Heusel et al. 2017, eq. 6:"
            ),
            FRECHET,
            Text(
                "It is not FID, which uses Inception features; a score is called `fid` only where those were used. "
                f"Each run draws {sampling.images:,} images and {evaluation.samples:,} of them are scored against the "
                f"{evaluation.reference_split} split. Seed {results.config.seed} fixes all randomness: each training "
                "step and each image has its own stream. Scores depend on N, on the split, on the resampler and on "
                "the features, so scores that differ in one of them are not compared here. The floor is the same "
                "distance between two sets of real images; a generator cannot be told from real data below it."
            ),
            Text(
                "Where the interval of the lowest score overlaps those of others, they are called a tie. Class "
                "entropy is that of the classifier's labels of the samples, in bits; a class counts as covered by the "
                "classifier's labels as well. Accuracy is the share of a conditional generator's samples that the "
                "classifier gives the label they were drawn for."
            ),
        ],
    )


def _reproduce(results: Results) -> Section:
    compute = results.config.compute
    run = results.runs[0].name if results.runs else "NAME"
    commands = (
        "make repro                      # sets up the environment, runs what has changed\n"
        "dvc repro                       # the same, in an environment that is set up\n"
        f"dvc repro {f'evaluate@{run}':<22}# one run up to its score\n"
        "python stages/report.py         # this report alone, from the results that are there"
    )
    versions = [Row("Python", [platform.python_version()]), *(Row(name, [_version(name)]) for name in PACKAGES)]
    versions += [
        Row("device", [compute.device]), Row("CPU threads", [str(compute.threads)]),
        Row("precision", [compute.precision]), Row("torch.compile", ["on" if compute.compile else "off"]),
    ]  # fmt: skip
    hashes = [Row(dataset.name, ["data set", f"`{dataset.facts['sha256']}`"]) for dataset in results.sets if dataset.facts]
    for dataset in results.sets:
        features = sorted({run.metric("features_sha256") for run in dataset.runs} - {None})
        hashes += [Row(dataset.name, ["classifier", f"`{value}`"]) for value in features]
    hashes += [Row(run.name, [kind, f"`{value}`"]) for run in results.runs for kind, value in run.hashes.items()]
    return Section(
        "Repeat it",
        "repeat",
        [
            Code("Commands, from the repository's root.", commands),
            Table("What this page was made with.", ["name", "version or value"], versions, [False, False]),
            Table("sha256 of files.", ["of", "file", "sha256"], hashes, [False] * 3, folded=True),
            Text("Results repeat to the last bit for one kind of processor, one version of torch and one thread count."),
        ],
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _settings(results: Results) -> Section:
    blocks: list[Block] = [
        Code(f"{run.name}: {run.family} with {run.net} on {run.dataset}", _yaml(run), folded=True) for run in results.runs
    ]
    return Section("Settings of every run", "settings", [Text("As resolved from params.yaml."), *blocks])


def _yaml(run: RunResult) -> str:
    return "\n".join(f"# configs/{stage}/{run.name}.yaml\n{text}" for stage, text in run.settings.items())
