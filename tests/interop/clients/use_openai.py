"""The openai package as its documentation shows it: nothing of a proxy in it."""

import asyncio
import sys

import events
import openai

ASKED = {"model": "interop-model", "messages": [{"role": "user", "content": "hello"}]}


def chat():
    print(openai.OpenAI().chat.completions.create(**ASKED).choices[0].message.content)


def stream():
    for chunk in openai.OpenAI().chat.completions.create(**ASKED, stream=True):
        events.tell_sent(chunk.choices[0].delta.content)


async def chat_async():
    async with openai.AsyncOpenAI() as client:
        answer = await client.chat.completions.create(**ASKED)
        print(answer.choices[0].message.content)
        async for chunk in await client.chat.completions.create(**ASKED, stream=True):
            events.tell_sent(chunk.choices[0].delta.content)


if sys.argv[1] == "async":
    asyncio.run(chat_async())
elif sys.argv[1] == "stream":
    stream()
else:
    chat()
