"""statements.sql: what the command did, as SQL for people and linters, revision by revision, of bounded length."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dbmigrations.runner.redact import MASK, printable

_PASSWORD = re.compile(r"(\bpassword\b[\"']?\s*(?:=>?|:|\s)\s*)(E?'(?:[^']|'')*')", re.IGNORECASE)
_DOLLAR_PASSWORD = re.compile(r"(\bpassword\s+)(\$(\w*)\$.*?\$\3\$)", re.IGNORECASE | re.DOTALL)
# Within another literal, as the connection string of a subscription or of dblink.
_CONNINFO_PASSWORD = re.compile(r"(\bpassword=)([^\s'\"]+)", re.IGNORECASE)
# Up to the last @, since a password may hold one.
_URL_PASSWORD = re.compile(r"(://[^\s/:@'\"]*):[^\s'\"]+@")


def clean(text: str) -> str:
    """The text as it may be shown: no password, and valid in UTF-8."""
    text = _DOLLAR_PASSWORD.sub(rf"\1'{MASK}'", text)
    text = _CONNINFO_PASSWORD.sub(rf"\1{MASK}", text)
    text = _PASSWORD.sub(rf"\1'{MASK}'", text)
    return printable(_URL_PASSWORD.sub(rf"\1:{MASK}@", text))


def one_line(text: str, characters: int) -> str:
    """The text in one line, cut where it is longer."""
    text = " ".join(clean(text[: characters * 8]).split())
    return text if len(text) <= characters else text[: characters - 1] + "…"


@dataclass
class _Group:
    """The statements of one revision, until the statement that says which one it was."""

    lines: list[str] = field(default_factory=list)
    statements: int = 0
    transaction: int = 0
    milliseconds: float = 0.0
    # A merge deletes one version before it updates the other.
    revision: str = ""


class PlanText:
    """Takes what happened in order; ``finish`` gives the text, of which the rest over ``limit`` bytes was left out.

    ``statements`` is the number of those that change something, ``left_out`` of those at the
    end that are not shown; ``incomplete`` says that something is missing.
    """

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._out: list[str] = []
        self._group = _Group()
        self.statements = 0
        self.left_out = 0
        self.incomplete = False

    def statement(
        self, text: str, transaction: int, milliseconds: float, remarks: list[str], *, counts: bool = True
    ) -> None:
        """One statement that ends with its semicolon; ``remarks`` are comments below it, one line each.

        What changes nothing by itself, such as SET, is shown without being counted.
        """
        if self._group.revision:
            self.end_revision(self._group.revision)
        self._add(text, transaction, milliseconds, remarks)
        self._group.statements += counts
        self.statements += counts

    def too_long(self, beginning: str, transaction: int, milliseconds: float) -> None:
        """A statement of which the log's reader saw only the beginning: half a literal would make no SQL."""
        self.comment_next(f"left out, too long: {beginning}")
        group = self._group
        group.transaction = transaction or group.transaction
        group.milliseconds += milliseconds
        group.statements += 1
        self.statements += 1
        self.incomplete = True

    def version_step(self, text: str, transaction: int, milliseconds: float, revision: str, *, removed: bool) -> None:
        """The statement that ends a revision; where it removes a version, another step may follow at once."""
        self._add(text, transaction, milliseconds, [])
        self.statements += 1
        if removed:
            self._group.revision = f"{revision or '(unnamed)'} removed"
        else:
            self.end_revision(revision or "(unnamed)")

    def _add(self, text: str, transaction: int, milliseconds: float, remarks: list[str]) -> None:
        group = self._group
        group.transaction = transaction or group.transaction
        group.milliseconds += milliseconds
        lines = [clean(text), *(f"--   {printable(remark)}" for remark in remarks)]
        size = sum(len(line.encode()) + 1 for line in lines)
        if size > self._room:
            # From here on nothing is shown: a plan with holes would look like one without.
            self._room = 0
            self.left_out += 1
            self.incomplete = True
            return
        self._room -= size
        group.lines += lines

    def comment(self, text: str) -> None:
        """A line of our own about what was before: at the beginning of a revision it belongs to the one that ended."""
        if self._group.revision:
            self.end_revision(self._group.revision)
        self._remark(self._group.lines if self._group.lines else self._out, text)

    def comment_next(self, text: str) -> None:
        """A line of our own about the statement that comes next."""
        if self._group.revision:
            self.end_revision(self._group.revision)
        self._remark(self._group.lines, text)

    def _remark(self, lines: list[str], text: str) -> None:
        line = f"-- {printable(text)}"
        size = len(line.encode()) + 1
        if size <= self._room:
            self._room -= size
            lines.append(line)

    def end_revision(self, revision: str) -> None:
        """Put the statements so far under a heading."""
        group, self._group = self._group, _Group()
        where = f", transaction {group.transaction}" if group.transaction else ""
        count = f"{group.statements} statement{'' if group.statements == 1 else 's'}"
        heading = f"{revision}: {count}{where}, {group.milliseconds:.0f} ms"
        self._out += ["", f"-- {printable(' '.join(heading.split()))}", *group.lines]
        self._room = max(0, self._room - len(heading.encode()) - 5)

    def finish(self, header: list[str]) -> str:
        """The whole text."""
        if self._group.revision:
            self.end_revision(self._group.revision)
        elif self._group.lines or self._group.statements:
            self.end_revision("without a revision")
        if self.left_out:
            self._out += ["", f"-- {self.left_out} more statement(s) were left out: the plan would be too long."]
        return "\n".join([*(f"-- {printable(line)}" for line in header), *self._out]) + "\n"
