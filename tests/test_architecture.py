"""The arrows between the parts of the package, and a few rules that no single module can hold alone."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 300

#: What a broker is, apart from any vendor.
BROKER = ("fillwatch.brokers.base", "fillwatch.brokers.push")
#: Which modules of ours each part may import. The longest name that fits a module decides.
ARROWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "fillwatch.core": ("fillwatch.core",),
        "fillwatch.logs": ("fillwatch.core",),
        "fillwatch.brokers.base": ("fillwatch.core",),
        "fillwatch.brokers.push": ("fillwatch.core",),
        "fillwatch.brokers": ("fillwatch.core", "fillwatch.brokers"),
        "fillwatch.journal": ("fillwatch.core", "fillwatch.logs", "fillwatch.journal"),
        "fillwatch.engine": (
            *(
                "fillwatch.core",
                "fillwatch.brokers.base",
                "fillwatch.brokers.push",
                "fillwatch.journal",
                "fillwatch.logs",
                "fillwatch.engine",
            ),
        ),
        "fillwatch.sync": (
            *("fillwatch.core", "fillwatch.brokers.base", "fillwatch.brokers.push", "fillwatch.journal"),
            *("fillwatch.logs", "fillwatch.engine", "fillwatch.execution"),
        ),
        "fillwatch.execution": (
            *(
                "fillwatch.core",
                "fillwatch.brokers.base",
                "fillwatch.brokers.push",
                "fillwatch.journal",
                "fillwatch.logs",
                "fillwatch.engine",
            ),
            "fillwatch.execution",
        ),
        "fillwatch.simulator": ("fillwatch.core.orders", "fillwatch.simulator"),
        "fillwatch.simulator.broker": (
            *(
                "fillwatch.core.orders",
                "fillwatch.core.errors",
                "fillwatch.core.evidence",
                "fillwatch.brokers.base",
                "fillwatch.brokers.push",
            ),
            "fillwatch.simulator",
        ),
        "fillwatch.simulator.pushing": (
            *("fillwatch.core.orders", "fillwatch.core.evidence", "fillwatch.brokers.push", "fillwatch.brokers.pauses"),
            "fillwatch.simulator",
        ),
        "fillwatch.simulator.line": (
            *(
                "fillwatch.core.orders",
                "fillwatch.core.errors",
                "fillwatch.brokers.base",
                "fillwatch.brokers.push",
                "fillwatch.simulator",
            ),
        ),
        "fillwatch.testing": (
            *("fillwatch.core", "fillwatch.brokers", "fillwatch.journal", "fillwatch.logs", "fillwatch.engine"),
            *("fillwatch.execution", "fillwatch.simulator", "fillwatch.testing"),
        ),
        "fillwatch.observe": (
            *(
                "fillwatch.core",
                "fillwatch.brokers.base",
                "fillwatch.brokers.push",
                "fillwatch.journal",
                "fillwatch.logs",
                "fillwatch.engine",
            ),
            *("fillwatch.execution", "fillwatch.observe"),
        ),
        "fillwatch.cli": ("fillwatch",),
        "fillwatch": (
            *("fillwatch.core", "fillwatch.brokers", "fillwatch.journal", "fillwatch.logs", "fillwatch.engine"),
            "fillwatch.execution",
        ),
    }
)
#: Arrows that may be drawn inside a function only, so that importing one does not load the other.
LATE_ARROWS: Mapping[str, tuple[str, ...]] = MappingProxyType({"fillwatch.engine": ("fillwatch.brokers",)})

#: The whole outer world of the core: no clock, no randomness, no waiting, no log, no vendor.
CORE_IMPORTS = frozenset(
    "__future__ bisect collections dataclasses datetime decimal enum fractions functools heapq itertools math operator "
    "re types typing unicodedata uuid".split()
)
#: `errors` names one class of asyncio's in its table of failures.
CORE_EXCEPTIONS = frozenset({("fillwatch.core.errors", "asyncio")})
#: Calls that read a clock, by the name of what is called.
CLOCK_CALLS = frozenset({"now", "utcnow", "today", "monotonic", "perf_counter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported module, and whether it is imported only when a function runs or a type checker looks."""

    target: str
    line: int
    late: bool
    typing_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One source file of the package, read when a test asks: five hundred trees would burden whoever collects tests."""

    name: str
    path: Path

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text("utf-8"))

    @property
    def lines(self) -> int:
        return self.path.read_text("utf-8").count("\n")

    def imports(self) -> tuple[Import, ...]:
        return _imports_of(self.path)

    def where(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


@functools.cache
def _imports_of(path: Path) -> tuple[Import, ...]:
    return tuple(_imports(ast.parse(path.read_text("utf-8")), late=False, typing_only=False))


def _imports(node: ast.AST, *, late: bool, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        targets: list[str] = []
        line = getattr(child, "lineno", 0)
        if isinstance(child, ast.Import):
            targets = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {line}: relative imports hide where an arrow points"
            source = child.module or ""
            # `from package import part` names a module when there is one of that name, else something inside it.
            targets = [
                f"{source}.{alias.name}" if _is_module(f"{source}.{alias.name}") else source for alias in child.names
            ]
        for target in targets:
            yield Import(target=target, line=line, late=late, typing_only=typing_only)
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_typing = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        yield from _imports(child, late=late or is_function, typing_only=typing_only or is_typing)


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _module(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return Module(name=".".join(parts[:-1] if parts[-1] == "__init__" else parts), path=path)


PACKAGE = [_module(path) for path in sorted(ROOT.joinpath("fillwatch").rglob("*.py"))]
OUTSIDE = [
    _module(path) for folder in ("tests", "benchmarks", "examples") for path in sorted((ROOT / folder).rglob("*.py"))
]


def within(name: str, *parts: str) -> bool:
    return any(name == part or name.startswith(part + ".") for part in parts)


def part_of(name: str, table: Mapping[str, tuple[str, ...]]) -> str | None:
    return max((part for part in table if within(name, part)), key=len, default=None)


CORE = [module for module in PACKAGE if within(module.name, "fillwatch.core")]
by_name = pytest.mark.parametrize("module", PACKAGE, ids=lambda module: module.name)
by_core_name = pytest.mark.parametrize("module", CORE, ids=lambda module: module.name)


@by_name
def test_arrows_point_where_the_design_says(module: Module) -> None:
    # The row of the package's root is for its `__init__`: a new part needs a row of its own.
    part = part_of(module.name, ARROWS)
    assert part is not None
    assert part != "fillwatch" or module.name == "fillwatch", f"{module.name} has no row in ARROWS"
    late_part = part_of(module.name, LATE_ARROWS)
    for found in module.imports():
        if within(found.target, "fillwatch"):
            allowed = ARROWS[part] + (LATE_ARROWS[late_part] if found.late and late_part else ())
            assert within(found.target, *allowed), f"{module.where(found.line)} imports {found.target}"


def test_the_table_of_arrows_has_no_cycle() -> None:
    """Parts that may import each other would be one part."""
    arrows = {
        part: {target for other in ARROWS if other != part and within(other, *targets) for target in (other,)} - {part}
        for part, targets in ARROWS.items()
        if part not in ("fillwatch", "fillwatch.cli") and part.count(".") == 1
    }
    while arrows:
        leaves = {part for part, targets in arrows.items() if not targets & arrows.keys()}
        assert leaves, f"a cycle among {sorted(arrows)}"
        arrows = {part: targets for part, targets in arrows.items() if part not in leaves}


@by_core_name
def test_the_core_imports_nothing_that_acts(module: Module) -> None:
    for found in module.imports():
        top = found.target.partition(".")[0]
        allowed = top == "fillwatch" or top in CORE_IMPORTS or (module.name, top) in CORE_EXCEPTIONS
        assert allowed, f"{module.where(found.line)} imports {found.target}"


@by_core_name
def test_the_core_never_waits_and_never_reads_a_clock(module: Module) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            pytest.fail(f"{module.where(node.lineno)} waits")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in CLOCK_CALLS, f"{module.where(node.lineno)} reads a clock"


@pytest.mark.parametrize("part", ["fillwatch.core", "fillwatch.engine", "fillwatch.simulator"])
def test_time_is_the_loops(part: str) -> None:
    """What runs in virtual time takes its time from the loop or as an argument."""
    for module in PACKAGE:
        if within(module.name, part):
            for found in module.imports():
                assert found.target != "time", f"{module.where(found.line)} imports time"


def test_at_most_one_place_catches_everything() -> None:
    """It is the top of an order's task; everywhere else what is caught is named."""
    places = [
        module.where(node.lineno)
        for module in PACKAGE
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & set(re.findall(r"\w+", ast.unparse(node.type))))
    ]
    assert len(places) <= 1, places
    assert all(place.startswith("fillwatch/engine/") for place in places), places


def test_httpx_is_imported_in_one_module_only() -> None:
    """So that changing to its successor is one line; and in the transport that stands in for its sockets in tests."""
    users = {module.name for module in PACKAGE for found in module.imports() if within(found.target, "httpx")}
    users -= {"fillwatch.testing.inloop", "fillwatch.testing.inloop_exchange"}
    assert len(users) <= 1, users
    assert all(within(user, "fillwatch.brokers.alpaca") for user in users), users


def test_only_the_alpaca_broker_names_alpaca_and_only_late() -> None:
    """alpaca-py brings pandas, about a second of import time."""
    for module in PACKAGE:
        for found in module.imports():
            if within(found.target, "alpaca"):
                assert within(module.name, "fillwatch.brokers.alpaca"), module.where(found.line)
                assert found.late or found.typing_only, f"{module.where(found.line)} imports {found.target} at once"


def test_tests_use_no_mocks() -> None:
    for module in OUTSIDE:
        for found in module.imports():
            assert not within(found.target, "unittest", "mock", "pytest_mock"), module.where(found.line)


@pytest.mark.parametrize(
    "module", [m for m in PACKAGE + OUTSIDE if not within(m.name, "tests")], ids=lambda module: module.name
)
def test_no_module_is_long(module: Module) -> None:
    assert module.lines <= MAX_LINES, f"{module.name} has {module.lines} lines: a concept is missing a name"


#: Where packages come from and where a checkout lies is the business of each machine.
OF_ONE_MACHINE = re.compile(
    r"pypi\.|python(?:hosted)|index-url|find-links|artifactory|devpi|file://|/(?:home|Users|opt|tmp)/\w|/(?:root|work)/"
)


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__).resolve()]


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    places = []
    for path in _tracked():
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if OF_ONE_MACHINE.search(line) or str(ROOT) in line:
                places.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not places, "\n".join(places)


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    for line in ROOT.joinpath("constraints.txt").read_text("utf-8").splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line
