"""aiohttp: a GET and a POST in a session, a stream, or WebSocket: `plain`, or told to take the proxy from the environment (`trusting`)."""

import asyncio
import os
import sys

import aiohttp
import events

URL = "https://api.openai.com/v1"


async def main(how, what):
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    async with aiohttp.ClientSession(trust_env=how == "trusting", headers=headers) as session:
        if what == "stream":
            async with session.post(f"{URL}/chat/completions", json={"stream": True}) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    events.tell(line)
        elif what == "websocket":
            # For wss its trust_env asks for WSS_PROXY.
            async with session.ws_connect("wss://api.openai.com/ws") as socket:
                await socket.send_str("interop-echo")
                print(await socket.receive_str())
        else:
            async with session.get(f"{URL}/models") as answer:
                print(await answer.text())
            async with session.post(f"{URL}/chat/completions", json={"messages": []}) as answer:
                print(await answer.text())


asyncio.run(main(*sys.argv[1:]))
