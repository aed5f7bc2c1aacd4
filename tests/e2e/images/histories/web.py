"""A stand-in for an application's container: HTTP on port 8000, standard library only.

/healthz answers 200. /readyz answers READY_STATUS (200) with READY_JSON ({"status": "ready", "database": "connected"}).
With IGNORE_SIGTERM=1 the process has to be killed. PORT changes the port.
"""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

READY_JSON = os.environ.get("READY_JSON", '{"status": "ready", "database": "connected"}')
READY_STATUS = int(os.environ.get("READY_STATUS", "200"))


class Handler(BaseHTTPRequestHandler):
    """Two paths, both fixed when the process starts."""

    def do_GET(self) -> None:
        answers = {"/healthz": (200, '{"status": "alive"}'), "/readyz": (READY_STATUS, READY_JSON)}
        status, text = answers.get(self.path.split("?")[0], (404, '{"error": "no such path"}'))
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Stay silent: probes would fill the log."""


def main() -> None:
    # As process 1 of a container, Python has no default action for SIGTERM: without a handler it would be ignored.
    ignore = os.environ.get("IGNORE_SIGTERM") == "1"
    signal.signal(signal.SIGTERM, signal.SIG_IGN if ignore else lambda *_: sys.exit(0))
    with ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler) as server:
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
