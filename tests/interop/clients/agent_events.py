"""Tells of a model's texts as a coding agent prints them, a line of JSON each: `agent_events.py KEY` for the key that has the text."""

import json
import re
import sys

import events


def texts(value, key):
    """What stands under the key, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key and isinstance(inner, str):
                yield inner
            else:
                yield from texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, key)


for line in sys.stdin:
    if line.startswith("{"):
        for text in texts(json.loads(line), sys.argv[1]):
            # The whole of the message comes once more at the end: that is many times in one.
            if re.fullmatch(r"[0-9]+[.][0-9]{6}", text):
                events.tell_sent(text)
    else:
        print(line, end="")
