"""Is this still the database that the plan was made for?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from dbmigrations.runner.catalogue import Identity
    from dbmigrations.runner.config import Config


def check_identity(config: Config, identity: Identity) -> None:
    """Raises DatabaseError (WrongDatabase) if the variables lead to another database than at the inspection."""
    if config.expect.database_id and config.expect.database_id != identity.id:
        raise DatabaseError(
            "WrongDatabase",
            f"The application's variables now lead to another database ({identity.database}) than at the inspection.",
            "Was the Secret changed, or the database replaced? A new run (spec.retryToken) inspects it again.",
        )


def check_revisions(config: Config, revisions: frozenset[str], reason: str) -> None:
    """Raises DatabaseError with the reason if the version rows are not those of the plan."""
    expected = config.expect.revisions
    if expected is not None and expected != revisions:
        raise DatabaseError(
            reason,
            f"The database is at {said(revisions)}, the plan was made at {said(expected)}: "
            "somebody has migrated it in between.",
            "A new run (spec.retryToken) inspects it again.",
            facts={"revisions": sorted(revisions)},
        )


def said(revisions: frozenset[str]) -> str:
    """A set of revisions for people."""
    return ", ".join(sorted(revisions)) or "no revision"
