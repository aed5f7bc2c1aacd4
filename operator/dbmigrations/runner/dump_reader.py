"""Reads what ``pg_restore --data-only -f -`` prints, and counts the rows of each table.

The text is SQL with COPY blocks in it. Only statements are looked at one by one; the lines of a COPY block are counted
by the chunk. Names of tables may hold anything, line breaks and whole COPY commands included, so quotes are respected;
data may not: COPY writes a backslash as two and a line break as ``\\n``, so that a line ``\\.`` ends a block and
nothing else does.
"""

from __future__ import annotations

import re

_END = b"\n\\.\n"
_INTERESTING = re.compile(rb"['\";]|--|\\(?:un)?restrict ")
_COPY = re.compile(
    rb'\s*COPY ("(?:[^"]|"")*"|[^\s".(]+)\.("(?:[^"]|"")*"|[^\s".(]+)\s*(?:\((.*)\))?\s*FROM stdin;\Z', re.DOTALL
)
_LONGEST_MARK = len(b"\\unrestrict ")
_COLUMN = re.compile(rb'"(?:[^"]|"")*"|[^\s",]+')
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

Table = tuple[bytes, bytes]


class DumpSyntaxError(Exception):
    """The text ended in the middle of a statement or of a table."""


class DumpReader:
    """Feed it chunks of any size, then close it. ``rows`` maps (schema, table) to the number of rows.

    ``kept`` holds the raw rows of the tables in ``keep``, which must be small ones, with their columns' names.
    """

    def __init__(self, keep: frozenset[Table] = frozenset()) -> None:
        self.rows: dict[Table, int] = {}
        self.kept: dict[Table, tuple[list[bytes], bytes]] = {}
        self._keep = keep
        self._table: Table | None = None
        self._fresh = False
        self._quote = b""
        # What is before _start is done with; a statement is searched on from _position.
        self._buffer = b""
        self._start = 0
        self._position = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._buffer = self._buffer[self._start :] + chunk
        self._position -= self._start
        self._start = 0
        while self._rows_of_table() if self._table is not None else self._statements():
            pass

    def close(self) -> None:
        """Raises DumpSyntaxError if the text is not whole."""
        if self._table is not None:
            raise DumpSyntaxError(f"the rows of table {name_of(self._table)} have no end")
        if self._quote or self._buffer[self._start :].strip():
            raise DumpSyntaxError("the text ends in the middle of a statement")

    def _rows_of_table(self) -> bool:
        """Count rows in the buffer; True if the table's end was found."""
        assert self._table is not None
        data, start = self._buffer, self._start
        if self._fresh:
            if len(data) - start < len(_END) - 1:
                return False
            self._fresh = False
            if data.startswith(_END[1:], start):
                return self._end_of_table(start + len(_END) - 1)
        end = data.find(_END, start)
        # An end mark that is cut in two begins in the last three bytes.
        upto = end + 1 if end >= 0 else max(start, len(data) - len(_END) + 1)
        self.rows[self._table] += data.count(b"\n", start, upto)
        if self._table in self._keep:
            columns, text = self.kept[self._table]
            self.kept[self._table] = (columns, text + data[start:upto])
        if end >= 0:
            return self._end_of_table(end + len(_END))
        self._start = upto
        return False

    def _end_of_table(self, position: int) -> bool:
        self._table = None
        self._start = self._position = position
        return True

    def _statements(self) -> bool:
        """Skip to the next COPY block; True if one begins."""
        while True:
            if self._quote:
                closing = self._buffer.find(self._quote, self._position)
                if closing < 0:
                    self._position = len(self._buffer)
                    return False
                # A doubled quote closes and opens again, which comes to the same.
                self._position, self._quote = closing + 1, b""
            found = _INTERESTING.search(self._buffer, self._position)
            if found is None:
                # A mark may be cut in two.
                self._position = max(self._position, len(self._buffer) - _LONGEST_MARK)
                return False
            mark = found.group()
            if mark in (b"'", b'"'):
                self._position, self._quote = found.end(), mark
                continue
            end = self._buffer.find(b"\n", found.start())
            if end < 0:
                self._position = found.start()
                return False
            if mark == b";":
                if self._copy_begins(found.end()):
                    self._start = end + 1
                    return True
                self._start = self._position = found.end()
            else:
                # A comment, or a command to psql.
                self._start = self._position = end + 1

    def _copy_begins(self, end: int) -> bool:
        """Whether rows follow the statement that ends here."""
        copy = _COPY.match(self._buffer, self._start, end)
        if copy is None:
            return False
        table = (_unquote(copy.group(1)), _unquote(copy.group(2)))
        self._table, self._fresh = table, True
        self.rows.setdefault(table, 0)
        if table in self._keep:
            columns = [_unquote(column) for column in _COLUMN.findall(copy.group(3) or b"")]
            self.kept.setdefault(table, (columns, b""))
        return True


def _unquote(identifier: bytes) -> bytes:
    return identifier[1:-1].replace(b'""', b'"') if identifier.startswith(b'"') else identifier


def name_of(table: Table) -> str:
    """``schema.table`` for people."""
    return b".".join(table).decode("utf-8", "surrogateescape")


def column_values(kept: tuple[list[bytes], bytes], column: bytes) -> frozenset[str]:
    """The values of one column in the rows that were kept; NULLs are left out."""
    columns, text = kept
    index = columns.index(column)
    fields = [line.split(b"\t")[index] for line in text.split(b"\n") if line]
    return frozenset(_unescape(value) for value in fields if value != b"\\N")


def _unescape(value: bytes) -> str:
    plain = _ESCAPE.sub(lambda found: _ESCAPES.get(found.group(1), found.group(1)), value)
    return plain.decode("utf-8", "surrogateescape")
