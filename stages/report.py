"""report: write report/index.html and report/report.md from the results of all stages that have run."""

import sys
from pathlib import Path

from thirtytwo.report.page import write
from thirtytwo.report.reading import load
from thirtytwo.runtime.errors import ThirtyTwoError
from thirtytwo.runtime.project import Project

if __name__ == "__main__":
    try:
        project = Project.containing(Path.cwd())
        write(load(project), project.report)
    except ThirtyTwoError as error:
        sys.exit(f"error: {error}")
    print(f"wrote {project.report / 'index.html'}")
