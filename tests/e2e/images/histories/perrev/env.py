from __future__ import annotations

from environment import run

run(transaction_per_migration=True)
