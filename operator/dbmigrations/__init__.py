"""A Kubernetes operator that carries PostgreSQL databases through Alembic migrations with a verified backup."""
