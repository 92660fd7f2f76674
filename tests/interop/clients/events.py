"""Tells of server-sent events as they arrive: `EVENT SENT ARRIVED` for each. As a program it reads them from stdin."""

import json
import sys
import time


def tell(line):
    """Takes a line of a stream; says whether it was the last."""
    arrived = time.time()
    if isinstance(line, bytes):
        line = line.decode()
    data = line.strip().removeprefix("data: ")
    if data.startswith("{"):
        tell_sent(json.loads(data)["choices"][0]["delta"]["content"], arrived)
    return data == "[DONE]"


def tell_sent(sent, arrived=None):
    """Takes the content of an event, which is the time at which it was sent."""
    print("EVENT", sent, f"{arrived or time.time():.6f}", flush=True)


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        tell(line)
