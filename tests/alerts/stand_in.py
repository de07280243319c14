"""A local HTTP server in Slack's place that keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)


OK_JSON = Answer(200, '{"ok": true, "ts": "1"}', {"Content-Type": "application/json"})
OK_WEBHOOK = Answer(200, "ok")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class StandIn:
    """Gives the answers in order, the last one for ever."""

    def __init__(self, *answers: Answer, port: int = 0) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers)
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                raw = self.rfile.read(length)
                if len(raw) < length:
                    return  # whoever asked was killed meanwhile
                body = json.loads(raw) if raw[:1] in (b"{", b"[") else raw.decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                stand_in.requests.append(Request(self.command, self.path, headers, body))
                answer = stand_in.answer(stand_in.requests[-1])
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body.encode())))
                with suppress(OSError):  # whoever asked was killed meanwhile
                    self.end_headers()
                    self.wfile.write(answer.body.encode())

            def log_message(self, format: str, *args: object) -> None:
                return

        self.closed = False
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request: Request) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    @contextmanager
    def running(self) -> Iterator["StandIn"]:
        serve = self._server.serve_forever
        thread = threading.Thread(target=serve, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self.closed = True
            thread.join()
