"""requests: a GET and a POST in a session, or a stream."""

import os
import sys

import events
import requests

URL = "https://api.openai.com/v1"
with requests.Session() as session:
    session.headers["Authorization"] = f"Bearer {os.environ['OPENAI_API_KEY']}"
    if sys.argv[1] == "stream":
        with session.post(f"{URL}/chat/completions", json={"stream": True}, stream=True) as answer:
            answer.raise_for_status()
            # Its own way of streaming: larger chunks than one byte would wait for more.
            for line in answer.iter_lines(chunk_size=1):
                events.tell(line)
    else:
        print(session.get(f"{URL}/models").text)
        print(session.post(f"{URL}/chat/completions", json={"messages": []}).text)
