"""The command line: its options, and errors in one line.

Exit codes: 0, 1 for what cannot be done (`doctor`: something needed is missing), 2 for a wrong command line.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line (`arguments`, or the process's own) and returns the exit code."""
    args = _parser().parse_args(arguments)
    # By its name: PyTorch takes seconds to import, which the help and a mistyped option should not.
    command = import_module(f"thirtytwo.cli.{args.command}")
    errors = import_module("thirtytwo.cli.project").ERRORS
    try:
        return command.run(args)
    except errors as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="thirtytwo", description="What DVC is too coarse for. Works in the project.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _sample(commands.add_parser("sample", help="draw images from a trained run", description=_SAMPLE))
    _evaluate(commands.add_parser("evaluate", help="score any folder of images", description=_EVALUATE))
    compare = commands.add_parser("compare", help="say which of two is better", description=_COMPARE)
    compare.add_argument("a", metavar="A", help="a run, or a metrics file (.json)")
    compare.add_argument("b", metavar="B", help="the same")
    compare.add_argument("--score", action="append", help="this one; may come several times (all that both have)")
    doctor = commands.add_parser("doctor", help="what is installed, there, missing and stale", description=_DOCTOR)
    doctor.add_argument("--network", action="store_true", help="also ask the web addresses of what is not here")
    help_clean = "remove checkpoints of settings that no run has now, and those older than DAYS (30)"
    doctor.add_argument("--clean", nargs="?", type=float, const=30.0, metavar="DAYS", help=help_clean)
    return parser


_SAMPLE = """Draws images from the trained weights of RUN as the stage `sample` does: image i of a seed is the very image
that the stage draws at index i under that seed. What is not asked for is as in the run's settings."""
_EVALUATE = """Scores images of any model under the pipeline's protocol, beside the floor: the score of as many real
images. The table's file (--out) can be compared with that of a run."""
_COMPARE = "Says for each score which of two is better, where their intervals and the protocol allow a verdict."
_DOCTOR = "Looks at the installation and the project. Exit code 1: something needed is missing; it says what to do."


def _sample(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a name under `runs:` of params.yaml")
    parser.add_argument("--n", type=_positive, default=64, help="images (64)")
    parser.add_argument("--labels", help="classes or their numbers, by comma, taking turns (all take turns)")
    parser.add_argument("--sampler", help="of diffusion: ddpm, ddim, dpm++, heun or unipc")
    parser.add_argument("--steps", type=int, help="of the sampler")
    parser.add_argument("--eta", type=float, help="of ddim: 0 deterministic, 1 as noisy as ddpm")
    parser.add_argument("--spacing", help="of the sampler's timesteps")
    parser.add_argument("--guidance", type=float, help="w of guidance by the label, of denoising or of codes; 0: none")
    parser.add_argument("--decoder-guidance", type=float, help="w of the guidance of a decoder by the label; 0: none")
    parser.add_argument("--prior", help="of an autoencoder's codes: standard, gaussian or mixture")
    parser.add_argument("--weights", help="ema or raw")
    parser.add_argument("--seed", type=_natural, help="of the noise")
    parser.add_argument("--training-seed", type=_natural, default=0, help="of several trainings this one (0)")
    parser.add_argument("--out", required=True, help="grid.png, arrays.npz, or a new folder (of PNG files)")


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", metavar="IMAGES", help="a folder of image files, or an .npz with `images`")
    parser.add_argument("--against", required=True, metavar="DATASET", help="a name under `datasets:` of params.yaml")
    parser.add_argument("--split", choices=("train", "test"), help="of the reference (evaluation.reference_split)")
    parser.add_argument(
        "--labels-from-folders", action="store_true", help="the folder of an image is the class it was asked for"
    )
    parser.add_argument(
        "--convert", action="append", default=[], metavar="MODE",
        help="convert this mode (rgb, grayscale, palette, rgba, cmyk, 16bit) besides those that the data set converts",
    )  # fmt: skip
    parser.add_argument("--out", help="write the scores to this .json file")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got '{text}'")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 2^63 - 1, got '{text}'")
    return int(text)
