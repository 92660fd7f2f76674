#!/usr/bin/env python3
"""The origin of the interop matrix: an HTTPS server that records every request head it gets, byte for byte.

    origin.py CERTIFICATE KEY RECORD GIT_ROOT GIT_TOKEN [ADDRESS PORT]

It listens on a port of 127.0.0.1 that the system picks, or where it is told, and prints the port. RECORD gets a line of JSON for each
request.

It is written on bare sockets: a framework would have read, joined or renamed the very header lines that the matrix is about.

    GET  /bytes/N                N bytes
    PUT  anything                the number of bytes that came
    GET  /ws                     WebSocket echo
    ...  /NAME.git/...           git's smart HTTP, for the user x-access-token and GIT_TOKEN

Beside these, which all hosts have, it is what the folder services says for each host: model services, registries, and so on.
"""

import base64
import gzip
import hashlib
import itertools
import json
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading

from services import HANDLERS

KEPT_BODY = 64 * 1024  # bytes of a request's body that are looked at for the placeholder
PLACEHOLDER = b"authsome-proxy-managed"
BLOCK = bytes(256 * 1024)


class Gone(Exception):
    """The client has closed, or sent what is no HTTP."""


class Request:
    """A request: its head as it came, and its body, which the answer reads."""

    def __init__(self, head, reader, writer, record):
        self.raw = head
        self.reader = reader
        self.writer = writer
        self.record = record
        self.kept = b""
        lines = head.decode("latin-1").split("\r\n")
        try:
            self.method, self.target, self.version = lines[0].split(" ")
            self.fields = [
                (name.lower(), value.strip())
                for name, value in (line.split(":", 1) for line in lines[1:] if line)
            ]
        except ValueError as error:
            raise Gone(f"no HTTP: {lines[0]!r}") from error

    def field(self, name):
        values = [value for field, value in self.fields if field == name]
        return values[0] if values else ""

    def blocks(self):
        """The body's bytes as they come."""
        if self.field("expect").lower() == "100-continue":
            self.writer(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.field("transfer-encoding").lower() == "chunked":
            while size := int(self.line().split(b";")[0], 16):
                yield from self.exactly(size)
                self.line()
            while self.line():
                pass
        else:
            yield from self.exactly(int(self.field("content-length") or 0))
        # Before the answer: whoever has the answer finds the record complete.
        if PLACEHOLDER in self.kept:
            self.record(self, in_body=True)

    def line(self):
        line = self.reader.readline(64 * 1024)
        if not line.endswith(b"\n"):
            raise Gone("cut short")
        return line.rstrip(b"\r\n")

    def exactly(self, size):
        while size:
            block = self.reader.read1(min(size, 256 * 1024))
            if not block:
                raise Gone("cut short")
            size -= len(block)
            self.kept += block[: max(0, KEPT_BODY - len(self.kept))]
            yield block

    def body(self):
        return b"".join(self.blocks())


class Connection(socketserver.BaseRequestHandler):
    """One connection: requests in turn until one side has had enough."""

    def handle(self):
        self.number = next(self.server.numbers)
        try:
            self.request.settimeout(120)
            self.tls = self.server.tls.wrap_socket(self.request, server_side=True)
            with self.tls, self.tls.makefile("rb", buffering=256 * 1024) as self.reader:
                self.tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while self.exchange():
                    pass
        except (OSError, Gone, ValueError):
            # The client's own affair: what the matrix asserts is what was recorded.
            pass

    def exchange(self):
        """Serves one request; whether another may follow."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.reader.readline(64 * 1024)
            if not line:
                return False
            head += line
        request = Request(head, self.reader, self.tls.sendall, self.record)
        self.record(request)
        return self.serve(request)

    def record(self, request, in_body=False):
        """A line for the request; a second one where the placeholder is in its body."""
        self.server.write(
            {
                "connection": self.number,
                "host": request.field("host"),
                "head": request.raw.decode("latin-1"),
                "placeholder_in_body": in_body,
            }
        )

    def serve(self, request):
        path = request.target.split("?")[0]
        if ".git/" in path:
            return self.git(request, path)
        if path == "/ws":
            return self.websocket(request)
        if path.startswith("/bytes/"):
            return self.download(request, int(path.removeprefix("/bytes/")))
        if request.method == "PUT":
            return self.json(request, {"received": sum(map(len, request.blocks()))})
        body = request.body()
        handler = HANDLERS.get(request.field("host"))
        answered = handler and handler(self, request, path, body)
        if answered is not None:
            return answered
        if path in ("/", "/user"):
            return self.json(request, {"login": "interop-user"})
        return self.json(request, {"error": "nothing here"}, "404 Not Found")

    def head(self, request, status, fields):
        """Sends a head; whether the connection stays open after this answer."""
        stays = request.version == "HTTP/1.1" and request.field("connection").lower() != "close"
        fields = [*fields, ("Connection", "keep-alive" if stays else "close")]
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields), "", ""]
        self.tls.sendall("\r\n".join(lines).encode("latin-1"))
        return stays

    def answer(self, request, body, kind, status="200 OK", fields=()):
        stays = self.head(request, status, [*fields, ("Content-Type", kind), ("Content-Length", len(body))])
        self.tls.sendall(body)
        return stays

    def json(self, request, value, status="200 OK", fields=()):
        return self.answer(request, json.dumps(value).encode() + b"\n", "application/json", status, fields)

    def download(self, request, size):
        fields = [("Content-Type", "application/octet-stream"), ("Content-Length", size)]
        stays = self.head(request, "200 OK", fields)
        while size:
            block = BLOCK[: min(size, len(BLOCK))]
            self.tls.sendall(block)
            size -= len(block)
        return stays

    def stream(self, request, blocks, kind="text/event-stream"):
        """Sends each block as it comes."""
        chunked = request.version == "HTTP/1.1"
        fields = [("Content-Type", kind), ("Cache-Control", "no-store")]
        if chunked:
            fields.append(("Transfer-Encoding", "chunked"))
        stays = self.head(request, "200 OK", fields)
        for block in blocks:
            self.tls.sendall(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
        if chunked:
            self.tls.sendall(b"0\r\n\r\n")
        return stays and chunked

    def websocket(self, request):
        """Echoes each message (RFC 6455); fragments and extensions are not asked of it."""
        key = request.field("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        fields = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
        self.tls.sendall("\r\n".join(["HTTP/1.1 101 Switching Protocols", *fields, "", ""]).encode())
        while True:
            first, second = self.frame_bytes(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self.frame_bytes(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self.frame_bytes(8))
            mask = self.frame_bytes(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.frame_bytes(size)))
            if size < 126:
                length = bytes([size])
            elif size < 1 << 16:
                length = b"\x7e" + struct.pack(">H", size)
            else:
                length = b"\x7f" + struct.pack(">Q", size)
            self.tls.sendall(bytes([first]) + length + data)
            if first & 0x0F == 8:
                return False

    def frame_bytes(self, size):
        data = self.reader.read(size)
        if len(data) < size:
            raise Gone("cut short")
        return data

    def git(self, request, path):
        """Hands the request to `git http-backend`, as CGI, when it carries the right user and token."""
        right = base64.b64encode(f"x-access-token:{self.server.git_token}".encode()).decode()
        if request.field("authorization") != f"Basic {right}":
            request.body()
            fields = [("WWW-Authenticate", 'Basic realm="interop"')]
            return self.json(request, {"error": "who are you"}, "401 Unauthorized", fields)
        body = request.body()
        if request.field("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = subprocess.run(
            ["git", "http-backend"],
            input=body,
            stdout=subprocess.PIPE,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROJECT_ROOT": self.server.git_root,
                "GIT_PROTOCOL": request.field("git-protocol"),
                "HOME": self.server.git_root,
                "CONTENT_LENGTH": str(len(body)),
                "CONTENT_TYPE": request.field("content-type"),
                "PATH_INFO": path,
                "QUERY_STRING": request.target.partition("?")[2],
                "REMOTE_ADDR": "127.0.0.1",
                # That there is a user is what lets git-receive-pack run.
                "REMOTE_USER": "x-access-token",
                "REQUEST_METHOD": request.method,
            },
        ).stdout
        head, _, answered = answer.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if line]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        fields = [(name, value) for name, value in fields if name != "Status"]
        stays = self.head(request, status, [*fields, ("Content-Length", len(answered))])
        self.tls.sendall(answered)
        return stays


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, certificate, key, record, git_root, git_token, address="127.0.0.1", port=0):
        super().__init__((address, int(port)), Connection)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self.git_root = git_root
        self.git_token = git_token
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        self.file = open(record, "a", encoding="utf-8")

    def write(self, line):
        with self.lock:
            print(json.dumps(line), file=self.file, flush=True)


def main():
    with Server(*sys.argv[1:]) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
