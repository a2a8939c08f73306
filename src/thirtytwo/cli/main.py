"""The command line: options, help, and one-line errors.

Exit codes: 0 success, 1 error (`doctor`: a requirement is missing), 2 invalid command line.
"""

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from thirtytwo.runtime.errors import ThirtyTwoError

__all__ = ["main"]

_MOST_IMAGES, _MOST_JOBS = 1_000_000, 1024  # as many as sampling.images allows, and as compute.threads
_LAST_SEED, _LAST_INDEX = 2**63 - 1, 10**15  # indices are 64-bit integers, also after --n of them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (None: those of the process) and return the exit code."""
    parser, words = _parser(), sys.argv[1:] if arguments is None else arguments
    if null := [word for word in words if "\0" in word]:
        parser.error(f"{null[0]!r}: no name, number or path has a null character; remove it")
    args = parser.parse_args(words)
    for stream in (sys.stdout, sys.stderr):  # the name of a file may hold bytes that are no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Imported late, because importing PyTorch takes seconds, which --help and usage errors should not.
    command, stage = import_module(f"thirtytwo.cli.{args.command}"), import_module("thirtytwo.runtime.stage")
    try:
        return command.run(args)
    except ThirtyTwoError as error:
        print(f"error: {stage.one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the last line of defence
        print(f"error: {stage.unexpected(error, f'thirtytwo-{args.command}')}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="thirtytwo", description="One-off jobs on the pipeline's outputs. Run it inside the project."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _sample(commands.add_parser("sample", help="draw images from a trained run", description=_SAMPLE))
    _evaluate(commands.add_parser("evaluate", help="score a folder of images", description=_EVALUATE))
    compare = commands.add_parser("compare", help="compare the scores of two runs", description=_COMPARE)
    compare.add_argument("a", metavar="A", help="a run, or a file of scores (.json)")
    compare.add_argument("b", metavar="B", help="a run, or a file of scores (.json)")
    compare.add_argument(
        "--score", action="append", help="score to compare; may be repeated (default: all shared scores)"
    )
    compare.add_argument("--json", action="store_true", help="print JSON instead of a table")
    export = commands.add_parser("export", help="write a run for others to sample from", description=_EXPORT)
    export.add_argument("run", metavar="RUN", help="a name under `runs:` of params.yaml")
    export.add_argument("--to", metavar="FOLDER", help="a new folder (default: exports/RUN in the project)")
    report = commands.add_parser("report", help="write the report of one course", description=_REPORT)
    report.add_argument("--course", required=True, choices=("cmu", "cifar10_diffusion", "tsinghua", "cmput328"))
    report.add_argument("--out", metavar="FILE", help="a name that ends in .html (default: <course>.html)")
    _repro(commands.add_parser("repro", help="run stale stages in parallel", description=_REPRO))
    doctor = commands.add_parser("doctor", help="check the installation and the project", description=_DOCTOR)
    doctor.add_argument(
        "--network", action="store_true", help="also check the URLs of files that are not stored locally"
    )
    doctor.add_argument(
        "--clean",
        nargs="?",
        type=_days,
        const=30.0,
        metavar="DAYS",
        help="remove checkpoints that no training has changed for DAYS (30)",
    )
    doctor.add_argument(
        "--plan", nargs="*", metavar="RUN", help="estimate memory, disk and time of these runs instead (default: all)"
    )
    doctor.add_argument(
        "--jobs", type=_whole(1, _MOST_JOBS), help="with --plan: stages at a time (default: as for repro)"
    )
    return parser


_REPRO = """Runs the stale stages of DVC's graph, independent stages in parallel. dvc.lock, the cache and `dvc status`
are then the same as after `dvc repro`, which runs one stage at a time. If a stage fails, the others finish; after Ctrl-C,
running trainings save their state. The output of each stage is written to logs/repro/STAGE.log."""
_SAMPLE = """Draws images from the trained weights of RUN in the same way as the stage `sample`: with the same seed and
settings, image i is the same. Omitted options keep the run's settings."""
_EVALUATE = """Scores images of any model under the pipeline's protocol and prints the floor, the score of as many real
images, next to each score. `thirtytwo compare` can compare the output file (--out) with a run."""
_EXPORT = """Writes a folder with the weights of RUN (safetensors), a program that draws images from them, the settings, a
model card with the scores, and sample.py, which draws the same images as `thirtytwo sample` without this package."""
_REPORT = """Writes one page that answers the questions of a course in its order, with its numbers, from the results at
hand; `dvc repro report` makes the report of all results."""
_COMPARE = (
    "Reports for each score which of the two is better, if their intervals and protocols allow a comparison. Both are "
    "taken to be independent: two runs that draw from the same weights and noise are compared too cautiously."
)
_DOCTOR = (
    "Checks the installation and the project, and suggests how to fix problems. Exit code 1: a requirement is missing. "
    "With --plan, estimates instead what runs will take, from their settings and a calibration of seconds a run. Exit "
    "code 1: they exceed the memory or the disk of this machine."
)


def _repro(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="a stage or a group of stages, such as train@vae or train (default: all)",
    )
    parser.add_argument(
        "--jobs",
        type=_whole(1, _MOST_JOBS),
        help="stages to run in parallel (default: one per GPU, or one per CPU core)",
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="address of a running Dask cluster, tcp://HOST:PORT")
    parser.add_argument("--log", choices=["tensorboard"], help="also write training curves to logs/tensorboard")


def _sample(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a name under `runs:` of params.yaml")
    parser.add_argument("--n", type=_whole(1, _MOST_IMAGES), default=64, help="number of images (default: 64)")
    parser.add_argument(
        "--first",
        type=_whole(0, _LAST_INDEX),
        default=0,
        metavar="INDEX",
        help="index of the first image (default: 0), so that several processes can share the images",
    )
    parser.add_argument(
        "--labels",
        help="comma-separated class names or numbers, used in turn (default: all classes); none: draw without a label, "
        "from a model trained with label dropout",
    )
    parser.add_argument(
        "--sampler",
        help="sampler: ddpm, ddim, dpm++, heun or unipc of a diffusion model; euler, heun or mean_flow of a flow; euler, heun or"
        " consistency of an edm",
    )
    parser.add_argument("--steps", type=int, help="number of steps of the sampler")
    parser.add_argument("--eta", type=float, help="noise of ddim: 0 deterministic, 1 as in ddpm")
    parser.add_argument("--spacing", help="spacing of the timesteps: uniform, quadratic, trailing, log_snr or karras")
    parser.add_argument(
        "--guidance", type=float, help="guidance weight w of a denoiser or of a density of codes; 0: none"
    )
    parser.add_argument("--decoder-guidance", type=float, help="guidance weight w of a decoder; 0: none")
    parser.add_argument("--prior", help="prior of an autoencoder's codes: standard, gaussian or mixture")
    parser.add_argument(
        "--proposals",
        type=int,
        help="samples of a GAN that a Metropolis-Hastings chain chooses each image from; 1: none",
    )
    parser.add_argument("--weights", help="weights to use: ema or raw")
    parser.add_argument("--seed", type=_whole(0, _LAST_SEED), help="seed of the noise")
    parser.add_argument(
        "--training-seed",
        type=_whole(0, _LAST_SEED),
        default=0,
        help="number of the training, counted from 0 (default: 0)",
    )
    parser.add_argument(
        "--out", required=True, help="output: a grid (.png), arrays (.npz), or a new folder for PNG files"
    )


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images", metavar="IMAGES", help="a folder of image files, or an .npz file with an array `images`"
    )
    parser.add_argument("--against", required=True, metavar="DATASET", help="a name under `datasets:` of params.yaml")
    parser.add_argument(
        "--split",
        choices=("train", "test", "all"),
        help="split of the reference images (default: evaluation.reference_split)",
    )
    parser.add_argument(
        "--labels-from-folders", action="store_true", help="take the requested class of each image from its folder"
    )
    parser.add_argument(
        "--convert", action="append", default=[], metavar="MODE",
        help="also convert images of this mode: rgb, grayscale, palette, rgba, cmyk or 16bit; may be repeated",
    )  # fmt: skip
    parser.add_argument("--out", help="write the scores to this .json file")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or len(text) > 20 or not least <= int(text) <= most:  # int() takes 4300 digits at most
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, got '{text}'")
        return int(text)

    return number


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not days >= 0:  # nan would remove every checkpoint
        raise argparse.ArgumentTypeError(f"expected a number of days >= 0, got '{text}'")
    return days
