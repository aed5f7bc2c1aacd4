"""What can go wrong in a runner, as one tree.

RunnerError
├── ConfigError         DBM_CONFIG or the variables it names cannot be used
├── DatabaseError       the database refuses, is away, or is not what was expected
├── StoreError          the bucket refuses, is away, or is not what was expected
├── BackupError         the dump, its upload or its verification failed
├── GateError           the migration must not start
├── GuardError          the guard could not arm
├── RehearsalError      the rehearsal could not be prepared, or did not end in time
└── Interrupted         the Job was told to stop, or its deadline came; raised inside of a Stop
"""

from __future__ import annotations


class RunnerError(Exception):
    """A failure that a person can act on.

    ``reason`` is a stable CamelCase word, ``message`` says what happened and why, ``hint`` what to do now;
    ``transient`` means that it can pass by itself. ``facts`` are kept in the result next to the failure.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        hint: str = "",
        *,
        transient: bool = False,
        facts: dict[str, object] | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.hint = hint
        self.transient = transient
        self.facts: dict[str, object] = facts or {}


class ConfigError(RunnerError):
    """DBM_CONFIG, or a variable that it names, is missing or cannot be used."""


class DatabaseError(RunnerError):
    """The database refused, is away, or is not the one that was expected."""


class StoreError(RunnerError):
    """The bucket refused, is away, or cannot do what is needed."""


class BackupError(RunnerError):
    """The dump, its upload or its verification failed; no backup exists."""


class GateError(RunnerError):
    """What must hold before a migration does not hold."""


class GuardError(RunnerError):
    """The guard could not take its place."""


class RehearsalError(RunnerError):
    """The scratch server or what should be loaded into it failed, or the rehearsed command did not end in time."""


class Interrupted(RunnerError):  # noqa: N818 - it is an instruction from outside, not an error of ours
    """SIGTERM, or the deadline of the program."""


class Stop(BaseException):
    """Carries an Interrupted to the top.

    Not an Exception: botocore takes those for trouble of the network, and tries again.
    """

    def __init__(self, error: Interrupted) -> None:
        super().__init__(error.reason)
        self.error = error
