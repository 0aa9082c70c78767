"""How many faults put into the heart of the program its tests find: a mutation check.

    python benchmarks/mutants.py [MODULE ...] [--jobs 2] [--only NUMBER ...] [--sample COUNT]

Each mutant changes one thing: a comparison, ``and`` and ``or``, an arithmetic operator, a number, a truth value,
a condition, a returned value; or it leaves out a statement. Text, annotations, decorators and docstrings stay. A
mutant is killed when the tests of its module fail, or take ten times as long; those that survive are listed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parent.parent

STATISTICS = [
    "tests/comparison/test_estimates.py",
    "tests/comparison/test_statistics.py",
    "tests/comparison/test_judge.py",
]

TRAINING = [f"tests/training/test_{name}.py" for name in ("trainer", "epoch", "experiment", "equivalence")]

#: Module -> the tests that are about it, the quick ones first.
TESTS = {
    "specs/run_spec.py": ["tests/specs", "tests/test_earlier_versions.py"],
    "runs/record.py": [
        "tests/runs/test_record.py",
        "tests/runs",
        "tests/faults/test_fuzz.py",
        "tests/test_earlier_versions.py",
    ],
    "runs/run.py": ["tests/runs", "tests/test_earlier_versions.py"],
    "runs/tables.py": ["tests/runs", "tests/test_earlier_versions.py"],
    "runs/directory.py": ["tests/runs", "tests/execution/test_batch_run.py"],
    "comparison/estimate.py": STATISTICS,
    "comparison/statistics.py": STATISTICS,
    "training/trainer.py": TRAINING,
    "training/epoch.py": TRAINING,
    "training/kernels.py": TRAINING,
    "training/masks.py": TRAINING,
}

COMPARISONS = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.Mod: ast.Mult, ast.RShift: ast.LShift,
}  # fmt: skip

Change = Callable[[ast.AST], ast.AST]


@dataclass(frozen=True)
class Mutant:
    """One change: the place of the node among all nodes, its line, what becomes of it."""

    index: int
    line: int
    text: str
    change: Change


def mutants(tree: ast.Module) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its nodes."""
    left_out = {id(node) for part in _left_out(tree) for node in ast.walk(part)}
    for index, node in enumerate(ast.walk(tree)):
        if id(node) not in left_out:
            for text, change in _changes(node):
                yield Mutant(index, getattr(node, "lineno", 0), text, change)


def _left_out(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            yield node.annotation
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield from node.decorator_list
            if isinstance(node, ast.FunctionDef):
                arguments = [*node.args.args, *node.args.kwonlyargs]
                yield from (part for part in (node.returns, *(one.annotation for one in arguments)) if part)
        elif _declares(node):
            yield node


def _declares(node: ast.AST) -> bool:
    """Whether it is text, an import, or a list of names."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) in ("__all__", "model_config")
    return isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom))


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    def put(**fields: object) -> Change:
        def change(found: ast.AST) -> ast.AST:
            for name, value in fields.items():
                setattr(found, name, value)
            return found

        return change

    def nothing(found: ast.AST) -> ast.AST:
        return ast.copy_location(ast.Pass(), found)

    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        other = COMPARISONS[type(node.ops[0])]
        yield f"{ast.unparse(node)}: {other.__name__}", put(ops=[other()])
    elif isinstance(node, ast.Compare):
        for at, one in enumerate(node.ops):
            swapped = [COMPARISONS[type(one)]() if at == place else kept for place, kept in enumerate(node.ops)]
            yield f"{ast.unparse(node)}: {at}: {type(swapped[at]).__name__}", put(ops=swapped)
    elif isinstance(node, ast.BoolOp):
        yield f"{ast.unparse(node)}: and/or", put(op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        yield f"{ast.unparse(node)}: {OPERATORS[type(node.op)].__name__}", put(op=OPERATORS[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield f"{ast.unparse(node)}: without its sign", lambda found: found.operand  # type: ignore[attr-defined]
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value}: the other", put(value=not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield f"{node.value}: another", put(value=2 * node.value + 1)
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(
        node.test, (ast.Compare, ast.Constant)
    ):
        yield f"if {ast.unparse(node.test)}: not", put(test=ast.UnaryOp(ast.Not(), copy.deepcopy(node.test)))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield f"for ... if {ast.unparse(node.ifs[0])}: without", put(ifs=node.ifs[1:])
    elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        yield f"{ast.unparse(node)[:60]}: None", put(value=ast.Constant(None))
    elif isinstance(node, (ast.Raise, ast.AugAssign, ast.Delete)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield f"{ast.unparse(node)[:60]}: left out", nothing
    elif isinstance(node, (ast.Continue, ast.Break)):
        yield f"{type(node).__name__}: left out", nothing


def mutated(source: str, mutant: Mutant) -> str:
    """The module's text with that change."""
    tree = ast.parse(source)
    target = list(ast.walk(tree))[mutant.index]

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return mutant.change(node) if node is target else super().visit(node)

    return ast.unparse(ast.fix_missing_locations(Put().visit(tree)))


def copy_tree(to: Path) -> Path:
    """A copy of the checkout, with the table beside it."""
    for name in ("wineexp", "tests", "docs", "configs", "benchmarks"):
        shutil.copytree(ROOT / name, to / "main" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, to / "main" / name)
    (to / "shared").symlink_to(ROOT.parent / "shared")
    return to / "main"


def passes(tree: Path, module: str, seconds: float | None) -> bool:
    """Whether the module's tests pass in ``tree``."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", "-m", "not slow"]
    env = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        command += TESTS[module]
        done = subprocess.run(command, cwd=tree, env=env, timeout=seconds, capture_output=True)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def check(module: str, jobs: int, only: list[int], sample: int | None) -> None:
    """Run mutants of a module, all or some, and print those that survive."""
    source = (ROOT / "wineexp" / module).read_text(encoding="utf-8")
    found = list(mutants(ast.parse(source)))
    with tempfile.TemporaryDirectory() as temporary:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            trees.put(copy_tree(Path(temporary) / str(number)))
        tree = trees.get()
        began = time.monotonic()
        if not passes(tree, module, None):
            raise SystemExit(f"{module}: its tests fail as it is")
        limit = 10 * (time.monotonic() - began) + 20
        trees.put(tree)

        def survives(mutant: Mutant) -> bool:
            tree = trees.get()
            file = tree / "wineexp" / module
            try:
                file.write_text(mutated(source, mutant), encoding="utf-8")
                alive = passes(tree, module, limit)
                became = "lives" if alive else "killed"
                print(f"{became}: line {mutant.line}: {mutant.text}", file=sys.stderr, flush=True)
                return alive
            finally:
                file.write_text(source, encoding="utf-8")
                trees.put(tree)

        tried = [(number, mutant) for number, mutant in enumerate(found) if not only or number in only]
        if sample is not None and sample < len(tried):
            tried = sorted(random.Random(0).sample(tried, sample), key=lambda pair: pair[0])
        with ThreadPoolExecutor(jobs) as pool:
            alive = list(pool.map(survives, [mutant for _, mutant in tried]))
    left = [(number, mutant) for (number, mutant), living in zip(tried, alive, strict=True) if living]
    print(
        f"{module}: {len(tried) - len(left)} of {len(tried)} killed ({1 - len(left) / len(tried):.1%})", flush=True
    )
    for number, mutant in left:
        print(f"  {number:4d}  line {mutant.line}: {mutant.text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="+", default=[])
    parser.add_argument("--sample", type=int, help="so many of each module, drawn at random (the same each time)")
    given = parser.parse_args()
    for module in given.modules:
        check(module, given.jobs, given.only, given.sample)


if __name__ == "__main__":
    main()
