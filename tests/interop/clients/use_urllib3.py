"""urllib3: `plain`, with a proxy for a GET and a POST, or a stream."""

import os
import sys

import events
import urllib3

URL = "https://api.openai.com/v1"
HEADERS = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
if sys.argv[1] == "plain":
    pool = urllib3.PoolManager(headers=HEADERS, retries=False)
else:
    pool = urllib3.ProxyManager(os.environ["HTTPS_PROXY"], headers=HEADERS)
if sys.argv[1] == "stream":
    answer = pool.request("POST", f"{URL}/chat/completions", json={"stream": True}, preload_content=False)
    for line in answer:
        events.tell(line)
else:
    print(pool.request("GET", f"{URL}/models").data.decode())
    print(pool.request("POST", f"{URL}/chat/completions", json={"messages": []}).data.decode())
