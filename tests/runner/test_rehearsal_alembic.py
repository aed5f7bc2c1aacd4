"""A history carried out by Alembic itself, on the scratch server as the application's container would."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.runner.rehearsals import plan_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.server

ENV = """
from alembic import context
from sqlalchemy import create_engine
import os
engine = create_engine(os.environ["DATABASE_URL"])
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=os.environ["PER"] == "1")
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
revision = {revision!r}
down_revision = {down!r}
from alembic import op
def upgrade():
    {upgrade}
def downgrade():
    {downgrade}
"""
REVISIONS = [
    ("b2", "a1", "op.execute('ALTER TABLE customer ADD email text')", "op.drop_column('customer', 'email')"),
    ("c3", "b2", "op.execute('''DO $$ BEGIN CREATE TABLE made (id int); END $$''')", "op.drop_table('made')"),
    (
        "d4",
        "c3",
        "exec('with op.get_context().autocommit_block(): "
        'op.create_index("by_name", "customer", ["name"], postgresql_concurrently=True)\')',
        "op.drop_index('by_name')",
    ),
    ("e5", ("d4", "x5"), "pass", "pass"),
    ("x5", "b2", "op.execute(\"INSERT INTO customer VALUES (1, 'x')\")", "pass"),
]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    versions = tmp_path / "script" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = script\npath_separator = os\n")
    (tmp_path / "script" / "env.py").write_text(ENV)
    first = REVISION.format(revision="a1", down=None, upgrade="pass", downgrade="pass")
    (versions / "a1.py").write_text(first)
    for revision, down, upgrade, downgrade in REVISIONS:
        text = REVISION.format(revision=revision, down=down, upgrade=upgrade, downgrade=downgrade)
        (versions / f"{revision}.py").write_text(text)
    return tmp_path


def alembic(pod, history: Path, *arguments: str, per: bool) -> None:
    env = {**os.environ, "DATABASE_URL": pod.url(), "PER": str(int(per))}
    command = [sys.executable, "-m", "alembic", *arguments]
    done = subprocess.run(command, cwd=history, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def headings(statements: str) -> list[str]:
    return [line[3:].partition(",")[0] for line in statements.splitlines() if line.startswith("-- ") and " ms" in line]


def test_a_history_is_given_to_its_revisions(pod, history):
    pod.loaded()
    alembic(pod, history, "upgrade", "heads", per=True)
    outcome = pod.report()
    facts, plan = outcome.succeeded(), plan_of(outcome)
    print(plan.statements)
    assert (facts["revisions"], facts["commits"], facts["error"]) == (["e5"], "Autocommit", None)
    assert set(headings(plan.statements)) >= {
        "b2: 1 statement",
        "c3: 1 statement",
        "d4: 1 statement",
        "x5: 1 statement",
    }
    assert "e5: 0 statements" in headings(plan.statements)
    assert "--   CREATE TABLE public.made" in plan.comments


@pytest.mark.parametrize(("per", "commits"), [(True, "PerRevision"), (False, "Once")])
def test_how_alembic_commits(pod, history, per, commits):
    pod.loaded()
    alembic(pod, history, "upgrade", "c3", per=per)
    outcome = pod.report()
    assert (outcome.succeeded()["commits"], outcome.facts["revisions"]) == (commits, ["c3"])
    assert headings(plan_of(outcome).statements) == ["b2: 1 statement", "c3: 1 statement"]


def test_an_empty_database_and_back_again(pod, history, pg, database):
    pg.execute("DROP TABLE alembic_version", database)
    loaded = pod.loaded()
    alembic(pod, history, "upgrade", "b2", per=True)
    alembic(pod, history, "downgrade", "base", per=True)
    outcome = pod.report()
    assert outcome.succeeded()["revisions"] == []
    assert outcome.facts["versionTableExists"] is True
    assert outcome.facts["schema"] != loaded["schema"]
    assert headings(plan_of(outcome).statements)[-1] == "a1 removed: 0 statements"


def test_at_its_head_it_does_nothing(pod, history, pg, database):
    pg.execute("UPDATE alembic_version SET version_num = 'e5'", database)
    pod.loaded()
    alembic(pod, history, "upgrade", "heads", per=False)
    facts = pod.report().succeeded()
    assert (facts["statements"], facts["commits"], facts["versionTableRead"]) == (0, "Nothing", True)
    assert (facts["connected"], facts["schemaChanged"]) == (True, False)
