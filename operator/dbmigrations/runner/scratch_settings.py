"""What the scratch server is told before it starts. The files are for another user id, so they are readable by all."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrations.runner import pgtools
from dbmigrations.runner.errors import RehearsalError
from dbmigrations.runner.scratch import SUPERUSER

if TYPE_CHECKING:
    from dbmigrations.runner.config import Rehearsal

LOG_FILE = "log/statements.json"
"""Under the folder of the rehearsal; PostgreSQL makes .json of the .log that it was told."""
_CERTIFICATE_DAYS = "30"
_SHARED = ("settings", "socket", "log")

# Values never reach the plan: parameters are not logged. Durations are: such a line also says that a statement is done.
_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}/socket'
unix_socket_permissions = 0777
max_connections = 100
max_prepared_transactions = 10
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
track_counts = on
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
ssl_min_protocol_version = 'TLSv1.2'
logging_collector = on
log_destination = 'jsonlog'
log_directory = '{folder}/log'
log_filename = 'statements.log'
log_file_mode = 0644
log_rotation_age = 0
log_rotation_size = 0
log_connections = on
log_disconnections = on
log_statement = 'all'
log_duration = on
log_min_duration_statement = -1
log_min_messages = warning
log_min_error_statement = error
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
log_lock_waits = off
log_temp_files = -1
"""

_HBA = f"""
local all all trust
host all {SUPERUSER} all reject
host all all 127.0.0.1/32 trust
"""


def write(rehearsal: Rehearsal) -> None:
    """Everything, and at last the file for which the server waits. Raises RehearsalError."""
    folder = Path(rehearsal.folder)
    try:
        for name in _SHARED:
            (folder / name).mkdir(exist_ok=True)
            (folder / name).chmod(0o777)
        settings = folder / "settings"
        _certificate(settings, rehearsal.names)
        _put(settings / "postgresql.conf", _SETTINGS.format(port=rehearsal.port, folder=folder))
        _put(settings / "pg_hba.conf", _HBA)
        _put(settings / "ready", "")
    except OSError as error:
        raise RehearsalError(
            "ScratchFailed",
            f"The scratch server's settings could not be written: {error.strerror} ({error.filename}).",
            "The Pod needs an emptyDir that every user id may write to.",
        ) from None


def _put(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)


def _certificate(settings: Path, names: tuple[str, ...]) -> None:
    """Self-signed, for drivers that insist on TLS; its key is worth nothing outside of this Pod."""
    alternatives = ",".join([*(f"DNS:{name}" for name in names), "DNS:localhost", "IP:127.0.0.1"])
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", _CERTIFICATE_DAYS, "-subj", "/CN=rehearsal", "-addext", f"subjectAltName={alternatives}"]
    command += ["-keyout", str(settings / "server.key"), "-out", str(settings / "server.crt")]
    # The image's own configuration is not needed, and the application's OPENSSL_CONF must not be read.
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=pgtools.base_environment(),
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    if done.returncode != 0:
        raise RehearsalError(
            "ScratchFailed",
            f"openssl could not make the scratch server's certificate: {' '.join(done.stderr.split())[-200:]}.",
            "The host names in the application's variables must be plain DNS names or addresses.",
        )
    for name in ("server.key", "server.crt"):
        (settings / name).chmod(0o644)
