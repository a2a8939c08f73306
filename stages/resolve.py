"""resolve: check params.yaml and write configs/<stage>/<name>.yaml for every stage and name."""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings.resolve import resolve


def main(project: Project) -> None:
    paths = resolve(project.params, project)
    print(f"wrote {len(paths)} resolved configurations below {project.configs}")


if __name__ == "__main__":
    run_stage(main)
