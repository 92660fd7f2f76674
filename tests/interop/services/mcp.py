"""A server of the Model Context Protocol with one tool: streamable HTTP at /mcp, the older pair of HTTP and SSE at /sse and /messages.

The tool tells of its progress 20 times, each time when that was; then it answers.
"""

import json
import queue
import time

from services.ticks import ANSWER
from services.ticks import GAP
from services.ticks import event
from services.ticks import texts

# What the stream of a session at /sse is to say; there is one session at a time.
_said = {}


def serve(connection, request, path, body):
    if path == "/mcp":
        return streamable(connection, request, body)
    if path == "/sse":
        return connection.stream(request, session(connection))
    if path == "/messages":
        number = int(request.target.rpartition("=")[2])
        for message in answers(json.loads(body)):
            _said[number].put(message)
        return connection.answer(request, b"Accepted", "text/plain", "202 Accepted")
    return None


def streamable(connection, request, body):
    if request.method != "POST":
        # No stream of the server's own; and sessions end by themselves.
        return connection.json(request, {"error": "not here"}, "405 Method Not Allowed")
    asked = json.loads(body)
    if "id" not in asked:
        return connection.answer(request, b"", "application/json", "202 Accepted")
    if asked["method"] == "tools/call":
        return connection.stream(request, (event(message, "message") for message in answers(asked)))
    return connection.json(request, next(answers(asked)))


def session(connection):
    number = connection.number
    said = _said[number] = queue.Queue()
    yield event(f"/messages?session={number}", "endpoint")
    while True:
        yield event(said.get(timeout=60), "message")


def answers(asked):
    """The messages that a message leads to."""
    if "id" not in asked:
        return
    if asked["method"] == "tools/call":
        token = asked["params"].get("_meta", {}).get("progressToken")
        for number, text in enumerate(texts(b""), 1):
            if token is not None:
                progress = {"progressToken": token, "progress": number, "message": text}
                yield {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}
        # Clients tell of progress in tasks of their own, and of none once they have read the answer.
        time.sleep(10 * GAP)
        result = {"content": [{"type": "text", "text": ANSWER}], "isError": False}
    elif asked["method"] == "initialize":
        result = {
            "protocolVersion": asked["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "interop", "version": "1.0.0"},
        }
    elif asked["method"] == "tools/list":
        tool = {"name": "tell", "description": "Tells", "inputSchema": {"type": "object"}}
        result = {"tools": [tool]}
    elif asked["method"] == "ping":
        result = {}
    else:
        error = {"code": -32601, "message": "Method not found"}
        yield {"jsonrpc": "2.0", "id": asked["id"], "error": error}
        return
    yield {"jsonrpc": "2.0", "id": asked["id"], "result": result}
