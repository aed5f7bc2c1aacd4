"""How much memory a backup needs, and how fast it is.

    python hack/bench/backup_memory.py [MEGABYTES] [PRETENDED_GIGABYTES]

A database of the first size is dumped with parts as large as those for a database of the second size would be, since
memory depends on the parts and not on the data. Printed are the peak of what all processes of the Job together own
(proportional set size) and the limit that the runner itself would ask for.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "operator")]

from tests.runner.programs import Job, store_of  # noqa: E402
from tests.servers import postgres, s3  # noqa: E402

from dbmigrations.runner import parts  # noqa: E402

FILL = """
CREATE TABLE t AS SELECT g AS id, gen_random_uuid() AS a, md5(g::text) AS b, g %% 1000 AS c
FROM generate_series(1, %d) g
"""
BYTES_A_ROW = 100
PROGRAM = """
import sys
from dbmigrations.runner import parts
from dbmigrations.runner.__main__ import main
parts.part_size = lambda *_, **__: {size}
sys.exit(main(["backup"]))
"""


def tree(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(grandchild for child in children for grandchild in tree(int(child)))]


def owned(pid: int) -> int:
    """Bytes of memory of a process, shared pages divided among those that share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def peak_of(process: subprocess.Popen[str]) -> int:
    peak = 0
    while process.poll() is None:
        # A process can end in between.
        with contextlib.suppress(OSError):
            peak = max(peak, sum(owned(pid) for pid in tree(process.pid)))
        time.sleep(0.02)
    return peak


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    size = parts.part_size(int(sys.argv[2] if len(sys.argv) > 2 else 400) * 10**9, compressed=True)
    server, store = postgres.start(15), s3.start()
    try:
        database = server.new_database()
        server.execute(FILL % (megabytes * 10**6 // BYTES_A_ROW), database)
        job = Job(server.url(database), store_of(store, store.new_bucket()))
        environment = job.environment("backup", backup={"compression": os.environ.get("COMPRESSION", "zstd:1")})
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(size=size)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        peak = peak_of(process)
        log = process.communicate()[0]
        facts = json.loads((job.folder / "result").read_bytes())["facts"]
        print(log.splitlines()[-2] if process.returncode else f"dumped {facts['rows']} rows")
        print(
            f"dump of {facts['sizeBytes'] / 1e6:.0f} MB ({facts['compression']}), parts of {size / parts.MIB:.0f} MiB"
        )
        asked = parts.memory_needed(size)
        print(
            f"{time.monotonic() - begun:.1f} s; peak {peak / parts.MIB:.0f} MiB, {asked / parts.MIB:.0f} MiB asked for"
        )
    finally:
        server.stop()
        store.stop()


if __name__ == "__main__":
    main()
