"""Amazon Bedrock's Converse: its answers, and its own binary frames for a stream (application/vnd.amazon.eventstream)."""

import json
import struct
import zlib

from services.ticks import ANSWER
from services.ticks import texts


def serve(connection, request, path, body):
    if path.endswith("/converse"):
        answer = {
            "output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 1},
        }
        return connection.json(request, answer)
    if path.endswith("/converse-stream"):
        return connection.stream(request, frames(body), "application/vnd.amazon.eventstream")
    return None


def frames(body):
    yield frame("messageStart", {"role": "assistant"})
    for text in texts(body):
        yield frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
    yield frame("contentBlockStop", {"contentBlockIndex": 0})
    yield frame("messageStop", {"stopReason": "end_turn"})


def frame(kind, value):
    """Two lengths and their checksum, fields with their lengths, the value, and the checksum of it all."""
    fields = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    head = b""
    for name, text in fields.items():
        head += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
    data = json.dumps(value).encode()
    start = struct.pack(">II", len(head) + len(data) + 16, len(head))
    start += struct.pack(">I", zlib.crc32(start))
    whole = start + head + data
    return whole + struct.pack(">I", zlib.crc32(whole))
