from __future__ import annotations

from environment import run

run()
