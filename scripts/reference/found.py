"""Where the code is that the pages describe. Modules are found by walking the tree, so that no list must be kept."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

import grimp

ROOT = Path(__file__).resolve().parents[2]
EVERY_NODE = "every node"


def kinds() -> list[str]:
    """The folders in services/, in alphabetical order."""
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))


def modules_called(name: str) -> list[ModuleType]:
    """Every module of this name in the library and the services, imported; the library's come first."""
    files = [path for top in ("rillcast", "services") for path in sorted((ROOT / top).rglob(f"{name}.py"))]
    return [importlib.import_module(dotted(path)) for path in files]


def modules_in(package: str) -> list[ModuleType]:
    """The modules of a package and of the packages inside it, imported."""
    files = sorted((ROOT / package.replace(".", "/")).rglob("[!_]*.py"))
    return [importlib.import_module(dotted(path)) for path in files]


def dotted(path: Path) -> str:
    """The name under which a file of the tree is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of every module of the library and the services."""
    files = [path for top in ("rillcast", "services") for path in sorted((ROOT / top).rglob("*.py"))]
    return {dotted(path): ast.parse(path.read_text(encoding="utf-8")) for path in files}


@cache
def who_runs(module: str) -> str:
    """The processes that import a module: "every node", some kinds of node, or the command line."""
    if module.startswith("services."):
        return module.split(".")[1]
    if module.startswith("rillcast.cli"):
        return "`rillcast` (the command line)"
    found = [kind for kind in kinds() if _imports(f"services.{kind}.__main__", module)]
    return EVERY_NODE if found == kinds() else ", ".join(found)


def processes(modules: Iterable[str]) -> list[str]:
    """All that run one of these modules: "every node" stands for the five kinds of node."""
    found = {process for module in modules for process in who_runs(module).split(", ") if process}
    if EVERY_NODE in found:
        found -= set(kinds())
    return sorted(found)


def _imports(importer: str, imported: str) -> bool:
    return _graph().chain_exists(importer=importer, imported=imported)


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("rillcast", "services", exclude_type_checking_imports=True, cache_dir=None)
