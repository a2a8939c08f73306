"""The rules of the house: layers, the graph's dependencies, the scale files, sizes."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from thirtytwo.settings.resolve import resolve

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
LIBRARY = sorted(SRC.rglob("*.py"))
STAGES = sorted((ROOT / "stages").glob("*.py"))
# Where a system package puts its files is as fixed as an address; catalogue.py is where both are written down.
SYSTEM_PATHS = {"src/thirtytwo/data/catalogue.py": ("/usr/share/",)}


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


def of_layer(*names: str) -> list[Path]:
    wanted = [SRC / "thirtytwo" / name for name in names]
    return [p for p in LIBRARY if any(p == w or w in p.parents for w in wanted)]


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path)


# Layers


def test_nets_import_nothing_of_ours():
    assert not [short(p) for p in of_layer("nets") for name in imported(p) if name.split(".")[0] == "thirtytwo"]


def test_training_knows_neither_samplers_nor_evaluation():
    forbidden = set(of_layer("samplers.py", "sampling", "evaluate"))
    assert not [short(p) for p in of_layer("families", "train.py") if closure(p) & forbidden]


def test_evaluation_knows_no_generators():
    forbidden = set(of_layer("families", "train.py", "samplers.py", "sampling"))
    assert not [short(p) for p in of_layer("evaluate") if closure(p) & forbidden]


def test_library_and_stages_import_no_stage():
    stems = {stage.stem for stage in STAGES} | {"stages"}
    assert not [(short(p), name) for p in [*LIBRARY, *STAGES] for name in imported(p) if name.split(".")[0] in stems]


def test_nothing_needs_the_command():
    command = set(of_layer("cli", "__main__.py"))
    assert not [short(p) for p in [*LIBRARY, *STAGES] if p not in command and closure(p) & command]


def test_only_config_reads_yaml():
    found = {short(p) for p in [*LIBRARY, *STAGES] for name in imported(p) if name.split(".")[0] in {"ruamel", "yaml"}}
    assert found == {"src/thirtytwo/config.py"}


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


# The graph


def stage_scripts() -> list[tuple[str, dict[str, Any]]]:
    """Every stage of dvc.yaml that runs a script, with its body (of a foreach: what is done for each)."""
    stages = load(ROOT / "dvc.yaml")["stages"]
    return [(name, body.get("do", body)) for name, body in stages.items()]


def items(name: str) -> dict[str, Any]:
    """The entries over which a foreach stage runs at the default scale; one without a name for any other."""
    loop = load(ROOT / "dvc.yaml")["stages"][name].get("foreach")
    return load(ROOT / "scales/quick.yaml")[loop.strip("${}")] if loop else {"": {}}


def filled(text: str, key: str, item: Any) -> str:
    for field, value in item.items():
        text = text.replace(f"${{item.{field}}}", str(value))
    return text.replace("${key}", key)


def modules_of(name: str, item: dict[str, Any]) -> set[Path]:
    """What one stage of the graph imports, the modules that it finds by name included."""
    static = closure(ROOT / "stages" / f"{name.split('@')[0]}.py")
    by_name = [layer for layer in ("families", "sampling") if SRC / f"thirtytwo/{layer}/__init__.py" in static]
    if SRC / "thirtytwo/resolve.py" in static:
        return static | closure(*of_layer("families", "sampling"))
    if "family" in item and by_name:
        found = [SRC / f"thirtytwo/{layer}/{item['family']}.py" for layer in by_name]
        return static | closure(*found, SRC / f"thirtytwo/nets/{item['net']}.py")
    if "net" in item and by_name:  # of a stage that is for one family alone
        return static | closure(SRC / f"thirtytwo/nets/{item['net']}.py")
    return static


@pytest.mark.parametrize(("name", "body"), stage_scripts(), ids=[name for name, _ in stage_scripts()])
def test_stage_depends_on_what_it_imports(name: str, body: dict[str, Any]):
    needed_by_some: set[Path] = set()
    listed: set[Path] = set()
    for key, item in items(name).items():
        paths = [ROOT / filled(dep, key, item) for dep in body["deps"]]
        here = {p for p in paths if p.suffix == ".py"}
        here |= {
            p
            for folder in paths
            if SRC in folder.parents
            for p in folder.rglob("*.py")
            if has_code(p) or p.stem != "__init__"
        }
        needed = modules_of(name, item)
        assert not {short(p) for p in needed - here}, f"{name}@{key}: imported, but not in its deps in dvc.yaml"
        needed_by_some |= needed
        listed |= here
    extra = {p for p in listed - needed_by_some if p.stem != "__init__" or has_code(p)}
    assert not {short(p) for p in extra}, f"{name}: in its deps in dvc.yaml, but not imported"


def test_every_stage_has_its_script_and_every_script_its_stage():
    assert {body["cmd"].split()[1] for _, body in stage_scripts()} == {short(path) for path in STAGES}


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
    names = {f"{p.parent.name}/{p.stem}" for p in resolve(scale, tmp_path)}
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
