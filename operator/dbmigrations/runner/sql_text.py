"""Just enough of SQL's surface to split a text into statements and to tell changes from reads.

Nothing here understands a statement: a read that is taken for a change makes the plan longer, and what a text cannot
tell (a function that writes) is told by the server's log.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<line>--[^\n]*)
    | (?P<block>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z))
    | (?P<text>'(?:[^']|'')*(?:'|\Z))
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z))
    | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][\w]*)?\$)
    | (?P<word>[A-Za-z_\x80-\U0010ffff][\w$]*)
    | (?P<other>[\d$][\w.$]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# Words that decide stand at the beginning; of a text of megabytes only the beginning is looked at.
_WORDS = 5000


class Kind(enum.Enum):
    """What a statement does, as far as its text tells."""

    READ = "read"
    CHANGE = "change"
    # Kept in the plan because what follows depends on it, and not a change of the database.
    SESSION = "session"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    ROLLBACK_TO = "rollback to"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Statement:
    """One statement without its semicolon. ``words`` are its bare words, in capitals; ``open_comment``: ends in --."""

    text: str
    words: tuple[str, ...]
    open_comment: bool = False

    @property
    def kind(self) -> Kind:
        """What it does."""
        return _kind(self.words)


def split(text: str) -> list[Statement]:
    """The statements of a text, without empty ones."""
    found = []
    words: list[str] = []
    start, nesting, comment = 0, 0, False
    for kind, begin, end in _tokens(text):
        if kind == "word":
            word = text[begin:end].upper()
            nesting = _nesting(words, word, nesting)
            if len(words) < _WORDS:
                words.append(word)
        if kind == "other" and text[begin] == ";" and not nesting:
            if words:
                found.append(Statement(text[start:begin].strip(), tuple(words), comment))
            start, words, nesting, comment = end, [], 0, False
        elif kind != "space":
            comment = kind == "line"
    if words:
        found.append(Statement(text[start:].strip(), tuple(words), comment))
    return found


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None
        kind, end = str(match.lastgroup), match.end()
        if kind == "block":
            end = _comment_end(text, end)
        elif kind == "dollar":
            close = text.find(match.group(), end)
            end = len(text) if close < 0 else close + len(match.group())
        yield kind, position, end
        position = end


def _comment_end(text: str, position: int) -> int:
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(text, position)
        if edge is None:
            return len(text)
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position


def _nesting(words: list[str], word: str, nesting: int) -> int:
    """Depth inside of BEGIN ATOMIC … END, the body of a function in standard SQL, which has semicolons of its own."""
    if nesting:
        return nesting + {"CASE": 1, "END": -1}.get(word, 0)
    return 1 if word == "ATOMIC" and words[:1] == ["CREATE"] and words[-1:] == ["BEGIN"] else 0


_READS = frozenset(
    [
        "SHOW",
        "FETCH",
        "MOVE",
        "CLOSE",
        "VALUES",
        "TABLE",
        "DECLARE",
        "DEALLOCATE",
        "LISTEN",
        "UNLISTEN",
        "DISCARD",
        "NOTIFY",
    ]
)
_SESSIONS = frozenset(["LOCK", "PREPARE", "LOAD"])
_WRITES = frozenset(["INSERT", "UPDATE", "DELETE", "MERGE"])
_SEQUENCES = frozenset(["NEXTVAL", "SETVAL"])
# What drivers set for themselves when they connect.
_NOISE = frozenset(
    [
        "CLIENT_ENCODING",
        "NAMES",
        "DATESTYLE",
        "TIMEZONE",
        "TIME",
        "APPLICATION_NAME",
        "EXTRA_FLOAT_DIGITS",
        "STANDARD_CONFORMING_STRINGS",
        "INTERVALSTYLE",
        "BYTEA_OUTPUT",
        "JIT",
        "TRANSACTION",
        "CHARACTERISTICS",
        "DEFAULT_TRANSACTION_ISOLATION",
        "DEFAULT_TRANSACTION_READ_ONLY",
        "DEFAULT_TRANSACTION_DEFERRABLE",
    ]
)


def _kind(words: tuple[str, ...]) -> Kind:
    if not words:
        return Kind.NOTHING
    first, second = words[0], words[1] if len(words) > 1 else ""
    if (control := _control(first, second, words)) is not None:
        return control
    if first == "SELECT":
        return Kind.CHANGE if _SEQUENCES & set(words) else Kind.READ
    if first in ("WITH", "EXPLAIN"):
        return Kind.CHANGE if _writes(words) and (first == "WITH" or "ANALYZE" in words[:8]) else Kind.READ
    if first == "COPY":
        # COPY t TO, COPY (SELECT …) TO: the first of these words decides.
        deciding = next((word for word in words if word in ("SELECT", "VALUES", "WITH", "TABLE", "FROM", "TO")), "")
        return Kind.CHANGE if deciding == "FROM" or _writes(words) else Kind.READ
    if first in _READS:
        return Kind.READ
    if first in ("SET", "RESET"):
        return _setting(words)
    return Kind.SESSION if first in _SESSIONS else Kind.CHANGE


def _control(first: str, second: str, words: tuple[str, ...]) -> Kind | None:
    """Beginnings and ends of transactions; the two-phase ones change the database by themselves."""
    if first == "BEGIN" or (first, second) == ("START", "TRANSACTION"):
        return Kind.BEGIN
    if first in ("SAVEPOINT", "RELEASE"):
        return Kind.NOTHING
    if first in ("COMMIT", "END", "ROLLBACK", "ABORT") and second != "PREPARED":
        if first in ("COMMIT", "END"):
            return Kind.COMMIT
        return Kind.ROLLBACK_TO if "TO" in words[1:4] else Kind.ROLLBACK
    return Kind.COMMIT if (first, second) == ("PREPARE", "TRANSACTION") else None


def _setting(words: tuple[str, ...]) -> Kind:
    names = [word for word in words[1:3] if word not in ("SESSION", "LOCAL")]
    if not names or names[0] in _NOISE or names[0] == "ALL":
        return Kind.READ
    return Kind.SESSION


def _writes(words: tuple[str, ...]) -> bool:
    """Whether a word says that rows change; FOR UPDATE only locks them."""
    return any(
        word in _WRITES and not (word == "UPDATE" and before in ("FOR", "KEY"))
        for before, word in zip(("", *words), words, strict=False)
    )


_LOCKING = re.compile(r"\bFOR (NO )?(KEY )?(UPDATE|SHARE)\b")


def locks_rows(statement: Statement) -> bool:
    """Whether it is a SELECT … FOR UPDATE or the like, which gets a transaction id without changing anything."""
    return bool(_LOCKING.search(" ".join(statement.words)))
