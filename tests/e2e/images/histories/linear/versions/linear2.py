"""A second table that refers to the first."""

from __future__ import annotations

from alembic import op

revision = "linear2"
down_revision = "linear1"


def upgrade():
    op.execute("CREATE TABLE parts (id bigint PRIMARY KEY, item_id bigint NOT NULL REFERENCES items (id))")
    op.execute("INSERT INTO parts (id, item_id) SELECT id, id FROM items WHERE id <= 10")


def downgrade():
    op.execute("DROP TABLE parts")
