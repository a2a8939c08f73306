"""`thirtytwo report`: the results as one course asks for them."""

import argparse
from pathlib import Path

from thirtytwo.report.page import write_course
from thirtytwo.report.reading import load
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.project import Project

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """Write the page of the course.

    Raises:
        ThirtyTwoError: the name of the page is not one of HTML, or a result cannot be read.
    """
    project, out = Project.containing(Path.cwd()), Path(args.out or f"{args.course}.html")
    if out.suffix != ".html":
        raise CommandError(f"--out: {out}; expected a name that ends in .html")
    write_course(load(project), args.course, out)
    print(f"wrote {out}; a browser prints it to PDF, each question on a page of its own")
    return 0
