"""A server that answers from a script, for what a healthy real one can't be made to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Double:
    """The address of the double and the headers of every request it got."""

    url: str
    requests: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def double(*answers: Answer) -> Iterator[Double]:
    """Answers request n with ``answers[n]``, and the last of them from then on."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.requests.append({name.lower(): value for name, value in self.headers.items()})
            answers[min(len(seen.requests), len(answers)) - 1](self)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen = Double(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def events(text: str, *, cut: bool = False) -> Answer:
    """A stream that ends as `text` ends; `cut` promises more bytes than come."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        if cut:
            handler.send_header("Content-Length", str(len(text.encode()) + 100))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


def body(status: int, value: object, **headers: str) -> Answer:
    """A JSON answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, text in headers.items():
            handler.send_header(name.replace("_", "-"), text)
        handler.end_headers()
        handler.wfile.write(json.dumps(value).encode())

    return answer


def problem(status: int, code: str, **headers: str) -> Answer:
    """A problem+json answer."""
    return body(status, {"status": status, "code": code, "title": code, "detail": f"about {code}"}, **headers)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """No answer at all."""
    handler.close_connection = True
