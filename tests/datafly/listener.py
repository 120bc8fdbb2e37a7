"""Listener: an HTTP server that can go away and come back on the same port; one of them is a shop."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Headers = dict[str, str]
Reply = tuple[int, Headers, bytes]


class Listener:
    """Answers with what `reply` returns; with None it hangs up instead."""

    def __init__(self, host: str) -> None:
        self.port = 0
        self.host = host
        self.start()

    def origin(self, host: str = "") -> str:
        return f"http://{host or self.host}:{self.port}"

    def reply(self, method: str, path: str, headers: Headers, body: bytes) -> Reply | None:
        raise NotImplementedError

    def start(self) -> None:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def handle_request(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fields = {name.lower(): value for name, value in self.headers.items()}
                answer = listener.reply(self.command, self.path, fields, body)
                if answer is None:
                    return
                status, more, content = answer
                try:
                    self.send_response(status)
                    for name, value in ({"Content-Length": str(len(content))} | more | {"Connection": "close"}).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass  # the browser has gone

            do_GET = do_POST = do_OPTIONS = handle_request  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                pass  # a browser that drops a connection

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Shop(Listener):
    """Pages by path. Every path that has none of its own gets the page that was set last."""

    def __init__(self, site: str) -> None:
        self.html = ""
        self.headers: Headers = {}
        self.pages: dict[str, str] = {}
        super().__init__(f"www.{site}")

    def reply(self, method: str, path: str, headers: Headers, body: bytes) -> Reply:
        if path == "/favicon.ico":
            return 204, {}, b""
        content = self.pages.get(path.partition("?")[0], self.html).encode()
        return 200, {"Content-Type": "text/html; charset=utf-8"} | self.headers, content
