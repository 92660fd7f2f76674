"""The streams of the origin: 20 events, each of which says when it was sent, so that the client can tell how long it was on its way."""

import json
import time

EVENTS = 20
GAP = 0.04  # seconds between two events: enough to tell a stream from one delivery at its end
ANSWER = "interop-answer"
# Who asks for these words gets them in place of the times: programs that print but the whole answer.
WORDS = b"say interop-answer"


def texts(body):
    """The texts that a stream's events carry, with the pauses between them."""
    if WORDS in body:
        yield ANSWER
        return
    for number in range(EVENTS):
        if number:
            time.sleep(GAP)
        yield f"{time.time():.6f}"


def event(value, name=None):
    """A server-sent event."""
    data = value if isinstance(value, str) else json.dumps(value)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data}\n\n".encode()
