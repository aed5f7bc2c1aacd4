"""The reasons that the programs can give, read from their source: what a message is built with, not every word."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.cluster.cluster import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = ROOT / "operator" / "dbmigrations"
REASON = re.compile(r"[A-Z]+[a-z0-9]+(?:[A-Z]+[a-z0-9]*)*")

# The position of the reason among the arguments.
TAKERS = {
    "fail": 1,
    "hold": 1,
    "Result": 1,
    "Failure": 1,
    "finish_succeeded": 1,
    "missing_reason": 1,
    "note": 1,
    "set": 2,
    "check_revisions": 2,
    "_refuse": 0,
}
# Tables of the runner and of the kubelet's messages, and where each of their rows has the reason.
TABLES = {"_CODES": 0, "_CONNECTING": 1, "_STATES": 1, "_MISSING": 1}


def reasons() -> set[str]:
    """Every reason of a condition, of an event or of a failure."""
    found: set[str] = set()
    for path in [*(SOURCE / "machine").rglob("*.py"), *(SOURCE / "runner").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            found |= {word for part in _parts(node) for word in _words(part)}
    return found


def literals() -> set[str]:
    """Every text in the source that could be a reason."""
    trees = (ast.parse(path.read_text()) for path in SOURCE.rglob("*.py"))
    return {word for tree in trees for node in ast.walk(tree) for word in _constant(node)}


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of the source that hold a reason."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        at = 0 if name.endswith("Error") or name == "Interrupted" else TAKERS.get(name, -1)
        yield from node.args[at : at + 1] if at >= 0 else ()
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        first, *rest = node.value.elts
        if len(rest) == 1 and isinstance(rest[0], ast.Constant | ast.JoinedStr):
            yield first
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        rows = getattr(node.value, "values", getattr(node.value, "elts", []))
        if getattr(target, "id", "") in TABLES:
            yield from (row.elts[TABLES[target.id]] for row in rows)
        if getattr(target, "id", "") == "reason" and isinstance(node.value, ast.IfExp):
            yield node.value


def _words(node: ast.AST) -> Iterator[str]:
    """The words in a part; a condition between two is two."""
    for inner in [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]:
        yield from _constant(inner)


def _constant(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and REASON.fullmatch(node.value):
        yield node.value
