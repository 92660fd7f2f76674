"""httpx: a GET and a POST in a client, or a stream."""

import os
import sys

import events
import httpx

URL = "https://api.openai.com/v1"
with httpx.Client(headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}) as client:
    if sys.argv[1] == "stream":
        with client.stream("POST", f"{URL}/chat/completions", json={"stream": True}) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                events.tell(line)
    else:
        print(client.get(f"{URL}/models").text)
        print(client.post(f"{URL}/chat/completions", json={"messages": []}).text)
