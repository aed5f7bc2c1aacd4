"""PostgreSQL of other major versions: on this machine, at the address by which the cluster's Pods reach it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.servers import processes
from tests.servers.binaries import postgres_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "only-on-this-machine"


def address_of_this_machine(node: str) -> str:
    """Return the address from which this machine talks to a node, and so the one by which its Pods reach it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((node, 9))
        return str(probe.getsockname()[0])


@contextlib.contextmanager
def postgres(major: int, address: str) -> Iterator[str]:
    """Run a server with an empty database; yields its URL. Raises MissingError where its programs are not here."""
    folder = processes.new_folder(f"foreign{major}")
    user = processes.unprivileged_user()
    programs = _copied(postgres_folder(major), folder)
    secret, data = folder / "password", folder / "data"
    secret.write_text(PASSWORD)
    data.mkdir(mode=0o700)
    if user is not None:
        for path in (secret, data, folder):
            shutil.chown(path, user)
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "owner", "--pwfile", str(secret), "-A", "scram-sha-256"]
    done = subprocess.run(
        [*initdb, "-E", "UTF8", "--locale=C", "--no-sync"],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        user=user,
        group=processes.group_of(user),
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (data / "pg_hba.conf").open("a") as access:
        access.write("host all all all scram-sha-256\n")
    port = processes.free_port()
    options = {"listen_addresses": address, "port": str(port), "unix_socket_directories": str(folder), "fsync": "off"}
    arguments = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
    server = [str(programs / "postgres"), "-D", str(data), *arguments]
    pid = processes.start(folder, server, user=user, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    try:
        processes.wait_for(lambda: _listens(address, port), f"PostgreSQL {major} to start")
        yield f"postgresql://owner:{quote(PASSWORD)}@{address}:{port}/postgres"
    finally:
        processes.stop(pid, signal.SIGQUIT)
        processes.remove(folder)


def _copied(programs: Path, folder: Path) -> Path:
    """Return the programs where an unprivileged user can reach them; a virtual environment may lie under /root."""
    if processes.unprivileged_user() is None or programs.is_relative_to("/usr"):
        return programs
    root = programs.parent.parent
    copy = folder / "programs" / root.name
    shutil.copytree(root, copy, symlinks=True)
    for libraries in root.parent.glob(f"{root.name}.libs"):
        # The wheel's libraries lie beside its package.
        shutil.copytree(libraries, copy.parent / libraries.name, symlinks=True)
    return copy / programs.relative_to(root)


def _listens(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
