"""The shape of the code: sizes, names, import direction, torch-free rooms, and a command line that answers at once."""

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "twosignal"
MODULES = sorted(SOURCE.rglob("*.py"))

LAYERS = (
    {"errors", "config", "doors"},
    {"runfile", "text"},
    {"tokens"},
    {"packs", "records"},
    {"curriculum", "audits"},
    {"model"},
    {"train"},
    {"prove"},
    {"callbacks", "dashboard"},
    {"commands"},
    {"cli", "__main__"},
)
"""A room imports from its own row and the rows above it."""
TORCH_FREE = ("text", "tokens", "packs", "curriculum", "records", "audits", "dashboard")
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "tools"}
VAGUE = ("Manager", "Handler", "Helper", "Processor", "Factory")
LONGEST_FILE, LONGEST_FUNCTION, DEEPEST, MOST_PARAMETERS = 400, 60, 3, 5
IMPORTS_WHERE_USED = {
    "text/hub.py": "the datasets library is an extra",
    "tokens/pretrained.py": "the hub library is needed only for hub ids, and slow to load",
}
"""Modules that may import inside a function, with the reason; the list only shrinks."""
BROAD_EXCEPTS = {
    "cli.py": "the one boundary where a fault of ours becomes a report",
    "prove/trainer/trial.py": "a foreign trainer's own code may raise anything; it becomes a failed check",
    "train/run.py": "the heartbeat says failed before the fault goes on its way",
}
FOREIGN_SIGNATURES = {
    "model/attention.py:attention": "the signature of transformers' attention table",
    "model/attention.py:hidden_states": "ids, positions and lengths are one packed row",
    "tokens/template.py:_tojson": "the signature of the filter that chat templates call",
    "train/loss.py:forward": "the signature of torch.autograd.Function",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def place(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions() -> Iterator[tuple[str, Function]]:
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, Function):
                yield f"{place(path)}:{node.name}", node


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module]
    return []


def depth(node: ast.AST) -> int:
    """Return how many blocks stand inside each other; an elif stands beside its if."""
    inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, SCOPES)]
    return max(
        (depth(child) + (isinstance(child, BLOCKS) and not is_elif(node, child)) for child in inner),
        default=0,
    )


def is_elif(parent: ast.AST, node: ast.AST) -> bool:
    return isinstance(parent, ast.If) and isinstance(node, ast.If) and parent.orelse == [node]


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 50


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_file_says_what_it_takes_and_gives(path: Path) -> None:
    assert ast.get_docstring(tree(path)), "a module needs a docstring"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_files_are_short_and_ascii(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    assert text.isascii(), [line for line in text.splitlines() if not line.isascii()][:3]


def test_functions_are_short_flat_and_take_little() -> None:
    faults = []
    for name, function in functions():
        lines = (function.end_lineno or 0) - function.lineno + 1
        arguments = function.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        given = [a for a in given if a.arg not in ("self", "cls")]
        positional = [a for a in (*arguments.posonlyargs, *arguments.args) if a.arg not in ("self", "cls")]
        if lines > LONGEST_FUNCTION:
            faults.append(f"{name} has {lines} lines")
        if depth(function) > DEEPEST:
            faults.append(f"{name} is {depth(function)} blocks deep")
        if name in FOREIGN_SIGNATURES:
            continue
        if len(given) > MOST_PARAMETERS + 1:
            faults.append(f"{name} takes {len(given)} parameters")
        if len(positional) > 3:
            faults.append(f"{name} takes {len(positional)} parameters by position")
    assert not faults, "\n".join(faults)


def test_there_are_no_drawers() -> None:
    for path in MODULES:
        assert not DRAWERS & {part.removesuffix(".py") for part in path.relative_to(SOURCE).parts}
        for node in ast.walk(tree(path)):
            assert not (isinstance(node, ast.ClassDef) and node.name.endswith(VAGUE)), place(path)


def test_imports_go_one_way() -> None:
    rank = {name: number for number, row in enumerate(LAYERS) for name in row}
    faults = []
    for path in MODULES:
        own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for node in ast.walk(tree(path)):
            for module in imported(node):
                other = room(module) if module.startswith("twosignal") else ""
                if other and rank[other] > rank[own]:
                    faults.append(f"{place(path)} imports {module}")
                if other not in ("", own) and rank[other] == rank[own] and own not in ("errors", "__main__"):
                    faults.append(f"{place(path)} imports its neighbour {module}")
    assert not faults, "\n".join(faults)


def test_modules_do_not_import_in_circles() -> None:
    names = {
        f"twosignal.{place(p).removesuffix('.py').replace('/', '.')}".removesuffix(".__init__"): p
        for p in MODULES
    }
    graph = {
        name: {m for node in ast.walk(tree(path)) for m in imported(node) if m in names and m != name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_imports_inside_functions_are_declared() -> None:
    found = {
        name.split(":")[0] for name, function in functions() for node in ast.walk(function) if imported(node)
    }
    assert found == set(IMPORTS_WHERE_USED)


def test_broad_excepts_are_declared() -> None:
    found = {
        place(path)
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    }
    assert found == set(BROAD_EXCEPTS)


def test_records_fields_are_documented() -> None:
    """Every field of a public frozen record that is not plain from its name has a docstring beneath it somewhere."""
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{place(path)}: {node.name} has no docstring"


@pytest.mark.parametrize("name", TORCH_FREE)
def test_a_torch_free_room_does_not_load_torch(name: str) -> None:
    modules = [
        f"twosignal.{place(p).removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")
        for p in MODULES
        if p.relative_to(SOURCE).parts[0] == name
    ]
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_answers_at_once_and_without_torch() -> None:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "twosignal", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.3
    code = "import sys, twosignal.cli as c; c.parser(); sys.exit('torch' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tests_mirror_the_tree() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert {name for name in rooms if not (ROOT / "tests" / name).is_dir()} == set()
