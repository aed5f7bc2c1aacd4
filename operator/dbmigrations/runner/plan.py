"""The plan: what the rehearsed command did, put together from the server's log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbmigrations.runner import functions, sql_text, version_steps
from dbmigrations.runner.catalogue import split_name
from dbmigrations.runner.plan_text import PlanText, one_line
from dbmigrations.runner.server_log import Connected, DdlDone, Disconnected, Done, Failed, Started
from dbmigrations.runner.sql_text import Kind
from dbmigrations.runner.transactions import Transactions

if TYPE_CHECKING:
    from dbmigrations.runner.ddl_events import Ddl
    from dbmigrations.runner.server_log import Event
    from dbmigrations.runner.sql_text import Statement
    from dbmigrations.runner.transactions import Session

_DDL_SHOWN = 200
# Statements that carry out others: what DDL those did is shown below them.
_CARRIERS = frozenset(
    ["DO", "CALL", "SELECT", "WITH", "EXECUTE", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "FETCH"]
)


@dataclass
class _Running:
    """A statement that was begun, and what is known of it until it ends."""

    text: str
    xid: int
    cut: bool = False
    ddl: list[Ddl] = field(default_factory=list)
    ddl_more: int = 0
    wrote: bool = False


@dataclass(frozen=True)
class Error:
    """The last error that reached the application."""

    sqlstate: str
    message: str
    statement: str

    def facts(self) -> dict[str, str]:
        """For the result."""
        return {"sqlstate": self.sqlstate, "message": self.message, "statement": self.statement}


class Plan:
    """Feed it the events of the log in order. ``volatile`` are functions that may change something."""

    def __init__(self, version_table: str, limit: int, volatile: frozenset[str] = frozenset()) -> None:
        self._functions = volatile
        self._table = split_name(version_table)[1]
        self.text = PlanText(limit)
        self.transactions = Transactions()
        self.connected = False
        self.names_version_table = False
        self.error: Error | None = None
        self.last_statement = ""
        self._running: dict[str, _Running] = {}

    def feed(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case Connected():
                self.connected = True
            case Started():
                self._started(event)
            case DdlDone():
                self._ddl(event)
            case Done():
                if running := self._running.pop(event.session, None):
                    # The id is there until the transaction ends, and a session's last id says nothing of this one.
                    running.wrote = running.wrote or event.xid not in (0, running.xid)
                    self._end(event.session, running, event.milliseconds)
            case Failed():
                self._failed(event)
            case Disconnected():
                self._running.pop(event.session, None)
                self._left(event.session)

    def _started(self, event: Started) -> None:
        if earlier := self._running.pop(event.session, None):
            # Not said to be done: the server logs that for every statement, unless the application forbade it.
            self._end(event.session, earlier, 0.0)
        self.last_statement = event.text[:2000]
        self.names_version_table = self.names_version_table or version_steps.names(event.text, self._table)
        if not event.again:
            self._running[event.session] = _Running(event.text, event.xid, event.cut)

    def _ddl(self, event: DdlDone) -> None:
        if running := self._running.get(event.session):
            running.wrote = True
            if len(running.ddl) < _DDL_SHOWN:
                running.ddl.append(event.ddl)
            else:
                running.ddl_more += 1

    def _failed(self, event: Failed) -> None:
        # 57P01 is our own doing, at the deadline.
        if event.sqlstate != "57P01":
            statement = one_line(event.statement, 200)
            self.error = Error(event.sqlstate, one_line(event.message, 300), statement)
        running = self._running.pop(event.session, None)
        if running is None and event.statement:
            # It did not get as far as to be logged: it could not be parsed.
            running = _Running(event.statement, 0)
            self.last_statement = event.statement[:2000]
            self.names_version_table = self.names_version_table or version_steps.names(event.statement, self._table)
        session = self.transactions.session(event.session)
        if running is not None and event.sqlstate != "57P01":
            self._show_failed(session, running, event)
        session.fail()
        if event.fatal:
            self._left(event.session)

    def _show_failed(self, session: Session, running: _Running, event: Failed) -> None:
        kept = [one for one in sql_text.split(running.text) if one.kind in (Kind.CHANGE, Kind.SESSION)]
        # COMMIT fails where a deferred constraint does; a read that fails in between two changes explains the end.
        shown = kept or sql_text.split(running.text)[:1]
        if not shown:
            return
        self.text.comment_next(f"failed with {event.sqlstate}: {one_line(event.message, 200)}")
        for statement in shown:
            self.text.statement(_with_semicolon(statement), session.number, 0.0, [])

    def _left(self, session: str) -> None:
        if self.transactions.forget(session):
            self.text.comment("ROLLBACK: the session ended without a COMMIT")

    def _end(self, name: str, running: _Running, milliseconds: float) -> None:
        """A statement, or several that were sent as one text, ended well."""
        session = self.transactions.session(name)
        statements = sql_text.split(running.text)
        if any(statement.kind is Kind.CHANGE for statement in statements):
            # It was that one that wrote, and not what else was sent with it.
            running.wrote = False
        for statement in statements:
            self._carried_out(session, statement, running, milliseconds)
            milliseconds = 0.0
        if not session.in_block:
            # Several that are sent as one text outside of a transaction are one of their own.
            session.end_implicit()

    def _carried_out(self, session: Session, statement: Statement, running: _Running, milliseconds: float) -> None:
        kind = statement.kind
        if kind is Kind.READ and self._wrote(statement, running):
            kind = Kind.CHANGE
        if kind in (Kind.CHANGE, Kind.SESSION):
            self._keep(session, statement, running, milliseconds, changes=kind is Kind.CHANGE)
        elif kind is Kind.BEGIN:
            session.begin()
        elif kind is Kind.ROLLBACK_TO:
            session.recover()
            if session.shown:
                self.text.comment(one_line(statement.text, 100))
        elif kind in (Kind.COMMIT, Kind.ROLLBACK):
            shown, chain = session.shown, "CHAIN" in statement.words and "NO" not in statement.words
            committed = session.end(committed=kind is Kind.COMMIT)
            if shown:
                self.text.comment("COMMIT" if committed else "ROLLBACK")
            if chain:
                session.begin()

    def _wrote(self, statement: Statement, running: _Running) -> bool:
        """Whether what looks like a read changed something: by the server's log, or because it may have."""
        if running.wrote and not sql_text.locks_rows(statement):
            return True
        return functions.calls(statement.text, self._functions)

    def _keep(
        self, session: Session, statement: Statement, running: _Running, milliseconds: float, *, changes: bool
    ) -> None:
        if session.in_block and not session.shown:
            self.text.comment_next("BEGIN")
        step = version_steps.find(statement, self._table)
        number = session.change(revision=step is not None, preparation=self._creates_table(statement)) if changes else 0
        session.shown = session.in_block
        text = _with_semicolon(statement)
        if running.cut:
            self.text.too_long(one_line(text, 200), number, milliseconds)
        elif step is None:
            self.text.statement(text, number, milliseconds, _remarks(statement, running), counts=changes)
        else:
            self.text.version_step(text, number, milliseconds, step.revision, removed=step.verb == "DELETE")

    def _creates_table(self, statement: Statement) -> bool:
        return statement.words[:2] == ("CREATE", "TABLE") and version_steps.names(statement.text, self._table)


def _with_semicolon(statement: Statement) -> str:
    return statement.text + ("\n;" if statement.open_comment else ";")


def _remarks(statement: Statement, running: _Running) -> list[str]:
    remarks = []
    if statement.words and statement.words[0] in _CARRIERS:
        remarks = [str(ddl) for ddl in running.ddl]
        if running.ddl_more:
            remarks.append(f"and {running.ddl_more} more")
    return remarks
