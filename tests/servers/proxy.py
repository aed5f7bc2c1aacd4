"""An HTTP proxy before the S3 store that does what a broken network or store would do."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ResetError(Exception):
    """Raised by a hook: the connection is cut without an answer."""


class Request:
    """What the client wants; ``is_part`` and ``is_complete`` name the calls that matter to uploads."""

    def __init__(self, method: str, path: str, size: int) -> None:
        self.method = method
        self.path = path
        self.size = size
        self.is_part = method == "PUT" and "partNumber=" in path
        self.is_complete = method == "POST" and "uploadId=" in path
        self.is_abort = method == "DELETE" and "uploadId=" in path


class Proxy:
    """Passes requests on, unchanged. ``before`` is called with each request, ``after`` when the store has answered."""

    def __init__(self, port: int) -> None:
        self.before: Callable[[Request], None] = lambda _request: None
        self.after: Callable[[Request], None] = lambda _request: None
        self.requests: list[Request] = []
        proxy = self

        class Handler(_Handler):
            owner = proxy
            upstream = port

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Proxy
    upstream: int

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, len(body))
        self.owner.requests.append(request)
        try:
            self.owner.before(request)
        except ResetError:
            self.close_connection = True
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            # The signature covers the host's name: it stays the one that the client knows.
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
            self.owner.after(request)
            self._answer(answer.status, list(answer.getheaders()), content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in self._kept(headers):
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _kept(self, headers: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        dropped = {"connection", "transfer-encoding"} | (set() if self.command == "HEAD" else {"content-length"})
        return ((name, value) for name, value in headers if name.lower() not in dropped)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815
