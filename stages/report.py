"""report: write report/index.html and report/report.md from the results of all stages that have run."""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

from thirtytwo.report.page import write
from thirtytwo.report.reading import load
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage


def main(project: Project) -> None:
    write(load(project), project.report)
    print(f"wrote {project.report / 'index.html'}")


if __name__ == "__main__":
    run_stage(main)
