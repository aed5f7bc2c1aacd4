"""Which transactions the rehearsed command committed, and so what is left if it fails half way."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class _Committed:
    """One transaction: how many steps of the version table it made, and whether it did more than create that table."""

    revisions: int = 0
    work: bool = False


@dataclass
class Session:
    """One session of the application. ``shown``: something of its open transaction stands in the plan."""

    owner: Transactions
    in_block: bool = False
    shown: bool = False
    number: int = 0
    _aborted: bool = False
    _open: _Committed | None = None

    def begin(self) -> None:
        """BEGIN; within a transaction it does nothing."""
        self.in_block = True

    def change(self, *, revision: bool, preparation: bool) -> int:
        """A statement that changes something was carried out; returns the number of its transaction."""
        if self._open is None:
            self.number = self.owner.next_number()
            self._open = _Committed()
        self._open.revisions += revision
        self._open.work = self._open.work or not (revision or preparation)
        self.owner.autocommits += not self.in_block
        return self.number

    def end_implicit(self) -> None:
        """A statement outside of a transaction was committed with its end."""
        if self._open is not None:
            self.owner.committed.append(self._open)
        self._open, self.number = None, 0

    def fail(self) -> None:
        """A statement failed: what the open transaction did is lost, unless a savepoint is gone back to."""
        if self.in_block:
            self._aborted = True
        else:
            self._open, self.number = None, 0

    def recover(self) -> None:
        """ROLLBACK TO a savepoint."""
        self._aborted = False

    def end(self, *, committed: bool) -> bool:
        """COMMIT or ROLLBACK; returns whether it was committed: COMMIT after an error rolls back."""
        done = committed and not self._aborted
        if done and self._open is not None:
            self.owner.committed.append(self._open)
        self.in_block = self.shown = self._aborted = False
        self._open, self.number = None, 0
        return done


@dataclass
class Transactions:
    """All of them. ``autocommits`` counts changes outside of transactions."""

    committed: list[_Committed] = field(default_factory=list)
    autocommits: int = 0
    _sessions: dict[str, Session] = field(default_factory=dict)
    _numbers: int = 0

    def session(self, name: str) -> Session:
        """The session of that name, new if it is."""
        if name not in self._sessions:
            self._sessions[name] = Session(self)
        return self._sessions[name]

    def next_number(self) -> int:
        """Transactions that change something are counted from 1."""
        self._numbers += 1
        return self._numbers

    def forget(self, name: str) -> bool:
        """The session ended; returns whether something that the plan shows was lost with it."""
        session = self._sessions.pop(name, None)
        return session is not None and session.shown

    def summary(self) -> str:
        """How the command commits: Nothing, Once, PerRevision, Autocommit or Several."""
        if not self.committed:
            return "Nothing"
        if self.autocommits:
            return "Autocommit"
        # Alembic creates its table in a transaction of its own where it commits after each revision.
        counted = [one for one in self.committed if one.revisions or one.work]
        if len(counted) <= 1:
            return "Once"
        return "PerRevision" if all(one.revisions == 1 for one in counted) else "Several"
