"""The rules of the house: layers, the graph's dependencies, the scale files, sizes."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from thirtytwo.runtime.project import Project
from thirtytwo.settings.resolve import resolve

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
LIBRARY = sorted(SRC.rglob("*.py"))
STAGES = sorted((ROOT / "stages").glob("*.py"))
# Where a system package puts its files is as fixed as an address; catalogue.py is where both are written down.
SYSTEM_PATHS = {"src/thirtytwo/data/sources/catalogue.py": ("/usr/share/",)}


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names of everything that a file imports, wherever in it; `from a import b` gives a and a.b."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}:{node.lineno}: relative import"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def module_files(dotted: str) -> set[Path]:
    """The file of a first-party module, with its packages' own code where they have any beyond a docstring."""
    parts = dotted.split(".")
    if parts[0] != "thirtytwo":
        return set()
    found = {SRC.joinpath(*parts).with_suffix(".py")}
    found |= {SRC.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)}
    return {p for p in found if p.is_file() and (p.stem != "__init__" or has_code(p))}


def has_code(package: Path) -> bool:
    return any(isinstance(n, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)) for n in tree(package).body)


def closure(*roots: Path) -> set[Path]:
    """All first-party files that `roots` import, directly or not, with the roots themselves."""
    found: set[Path] = set()
    queue = list(roots)
    while queue:
        if (path := queue.pop()) not in found:
            found.add(path)
            queue += [file for name in imported(path) for file in module_files(name)]
    return found


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path)


# Layers

# Lowest first; a package may import those before it in this list, within the limits of ALONE.
LAYERS = (
    "runtime", "settings", "core", "nets", "data", "models", "training", "sampling", "features", "evaluate", "report",
    "repro", "cli",
)  # fmt: skip
ALONE = {
    "nets": set(),
    "settings": {"runtime"},
    "core": {"runtime"},
    "repro": {"runtime", "settings"},
    "evaluate": {"runtime", "core", "settings"},
    "training": {"runtime", "core", "settings", "data", "models"},
}


def package(path: Path) -> str:
    """The top-level package of the library that a file lies in; "" for the library's root."""
    parts = path.relative_to(SRC / "thirtytwo").parts
    return parts[0] if len(parts) > 1 else ""


def packages_imported(path: Path) -> set[str]:
    parts = [name.split(".") for name in imported(path) if name.startswith("thirtytwo.")]
    return {part[1] for part in parts} - {package(path)}


def test_every_package_has_its_layer():
    folders = {p.name for p in (SRC / "thirtytwo").iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert folders <= set(LAYERS)
    assert len(folders) <= 16
    loose = {p.name for p in (SRC / "thirtytwo").glob("*.py")}
    assert loose == {"__init__.py", "__main__.py"}


def test_no_package_imports_a_higher_one():
    upward = [
        (short(path), other)
        for path in LIBRARY
        if (layer := package(path))
        for other in packages_imported(path)
        if LAYERS.index(other) >= LAYERS.index(layer) or other not in ALONE.get(layer, set(LAYERS))
    ]
    assert not upward


def test_no_circle_among_modules():
    def reaches_itself(path: Path) -> bool:
        return any(path in closure(file) for name in imported(path) for file in module_files(name) if file != path)

    assert not [short(path) for path in LIBRARY if path.stem != "__init__" and reaches_itself(path)]


def test_the_rules_name_every_package():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Layers")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)/`", table, flags=re.M))
    assert named == {p.name for p in (SRC / "thirtytwo").iterdir() if p.is_dir() and any(p.glob("*.py"))}


def test_library_and_stages_import_no_stage():
    stems = {stage.stem for stage in STAGES} | {"stages"}
    assert not [(short(p), name) for p in [*LIBRARY, *STAGES] for name in imported(p) if name.split(".")[0] in stems]


def test_only_settings_read_yaml():
    found = {short(p) for p in [*LIBRARY, *STAGES] for name in imported(p) if name.split(".")[0] in {"ruamel", "yaml"}}
    assert found == {"src/thirtytwo/settings/configs.py"}


def test_no_absolute_path():
    found = [
        (short(path), node.value)
        for path in [*LIBRARY, *STAGES]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"(~|/[A-Za-z_.][\w.-]*)(/[\w.{}-]*)*", node.value)
        and not node.value.startswith(SYSTEM_PATHS.get(short(path), ("\0",)))
    ]
    assert not found


def test_paths_of_the_project_come_from_one_module():
    made = re.compile(r"(data|metrics|plots|configs|checkpoints|logs|report)/")
    allowed = {"src/thirtytwo/runtime/project.py", "src/thirtytwo/settings/training.py"}
    found = [
        (short(path), node.right.value)
        for path in [*LIBRARY, *STAGES]
        if short(path) not in allowed
        for node in ast.walk(tree(path))
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and isinstance(node.right, ast.Constant)
        and isinstance(node.right.value, str)
        and made.match(f"{node.right.value}/")
    ]
    assert not found


# The graph


def graph() -> dict[str, dict[str, Any]]:
    """Every stage of dvc.yaml by name; of a foreach, its body."""
    return {name: body.get("do", body) for name, body in load(ROOT / "dvc.yaml")["stages"].items()}


def items(name: str) -> dict[str, Any]:
    """The entries over which a foreach stage runs, at both scales; one without a name for any other stage."""
    loop = load(ROOT / "dvc.yaml")["stages"][name].get("foreach")
    if not loop:
        return {"": {}}
    scales = [load(path)[loop.strip("${}")] for path in sorted((ROOT / "scales").glob("*.yaml"))]
    return {f"{key}@{number}": item for number, entries in enumerate(scales) for key, item in entries.items()}


def filled(text: str, key: str, item: Any) -> str:
    for field, value in item.items():
        text = text.replace(f"${{item.{field}}}", str(value))
    return text.replace("${key}", key.partition("@")[0])


def modules_of(name: str, item: dict[str, Any]) -> set[Path]:
    """The modules that shape the result of one stage, with those that it imports by name."""
    library = SRC / "thirtytwo"
    static = closure(ROOT / "stages" / f"{name}.py")
    by_name: list[Path] = []
    if library / "models/build.py" in static and "net" in item:
        by_name = [library / f"nets/{item['net']}.py", library / f"models/{item['family']}/model.py"]
        if name in ("sample", "sweep"):
            by_name.append(library / f"sampling/{item['family']}/{name}.py")
    shapes_no_result = ("runtime",) if name == "resolve" else ("runtime", "settings")
    return {p for p in static | closure(*by_name) if p.parent != ROOT / "stages" and package(p) not in shapes_no_result}


@pytest.mark.parametrize("name", sorted(graph()))
def test_stage_depends_on_what_it_imports(name: str):
    """Each run's imports lie in its dependencies, and no dependency is without an import by some run."""
    body, used = graph()[name], set()
    for key, item in items(name).items():
        paths = {dep: ROOT / filled(dep, key, item) for dep in body["deps"]}
        code = {dep: path for dep, path in paths.items() if SRC in path.parents}
        assert all(path.exists() for path in code.values())
        for module in modules_of(name, item):
            owners = {dep for dep, path in code.items() if module == path or path in module.parents}
            assert owners, f"{name}@{key}: {short(module)} is imported, but not in its deps in dvc.yaml"
            used |= owners
    extra = {dep for dep in body["deps"] if dep.startswith("src/") and dep not in used}
    assert not extra, f"{name}: in its deps in dvc.yaml, but not imported"


def test_every_stage_has_its_script_and_every_script_its_stage():
    assert {body["cmd"].split()[1] for body in graph().values()} == {short(path) for path in STAGES}


def test_every_stage_begins_before_it_imports_anything_heavy():
    first = ["from thirtytwo.runtime.fork_server import begin_stage", "begin_stage()"]
    assert not [short(p) for p in STAGES if [ast.unparse(node) for node in tree(p).body[1:3]] != first]
    heavy = {"numpy", "torch", "scipy", "pandas"}
    assert not heavy & {name for p in closure(SRC / "thirtytwo/runtime/fork_server.py") for name in imported(p)}


def test_stages_are_thin():
    assert not [short(p) for p in STAGES if len(p.read_text(encoding="utf-8").splitlines()) > 75]


# The scales


def test_default_scale_is_active():
    quick = (ROOT / "scales/quick.yaml").read_bytes()
    assert (ROOT / "params.yaml").read_bytes() == quick, (
        "params.yaml is not scales/quick.yaml: `make scale SCALE=quick`"
    )


def keys(block: Any) -> Any:
    """The keys of a block and of the blocks in it."""
    return {key: keys(value) for key, value in block.items()} if isinstance(block, dict) else None


def test_scales_have_the_same_keys():
    quick, paper = load(ROOT / "scales/quick.yaml"), load(ROOT / "scales/paper.yaml")
    free = ("sources", "datasets", "classifiers", "runs", "sweeps")
    named = [{name: block for name, block in scale.items() if name not in free} for scale in (quick, paper)]
    assert {name: keys(named[0][name]) for name in named[0]} == {name: keys(named[1][name]) for name in named[1]}
    for group in ("datasets", "classifiers", "runs", "sweeps"):
        shapes = {str(sorted(entry)) for scale in (quick, paper) for entry in scale[group].values()}
        assert len(shapes) == 1, group


@pytest.mark.parametrize("scale", sorted((ROOT / "scales").glob("*.yaml")), ids=short)
def test_every_run_of_a_scale_resolves(scale: Path, tmp_path: Path):
    names = {f"{p.parent.name}/{p.stem}" for p in resolve(scale, Project(tmp_path))}
    runs = load(scale)["runs"]
    assert runs
    assert {f"{stage}/{run}" for run in runs for stage in ("train", "sample", "evaluate")} <= names


# Sizes


def test_modules_and_functions_are_short():
    long = []
    for path in [*LIBRARY, *STAGES]:
        functions = [n for n in ast.walk(tree(path)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        long += [f"{short(path)}: {f.name}" for f in functions if (f.end_lineno or 0) - f.lineno >= 70]
        long += [short(path)] * (len(path.read_text(encoding="utf-8").splitlines()) > 320)
    assert not long


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("no git metadata: this is an unpacked archive")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_large_file():
    assert not [short(path) for path in tracked() if path.stat().st_size >= 1_000_000]


def test_nothing_is_left_to_be_done():
    marks = re.compile(rb"\b(TO" rb"DO|FIX" rb"ME|X" rb"XX)\b")
    assert not [
        short(p)
        for p in tracked()
        if p.suffix in {".py", ".md", ".yaml", ".yml", ".toml"} and marks.search(p.read_bytes())
    ]
