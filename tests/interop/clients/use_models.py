"""The packages of model services as their documentation shows them, nothing of a proxy in it: an answer in whole, and one as a
stream."""

import asyncio
import sys

import events

PROMPT = "hello"
MESSAGES = [{"role": "user", "content": PROMPT}]


def anthropic_(streams):
    import anthropic

    client = anthropic.Anthropic()
    asked = {"model": "interop-model", "max_tokens": 99, "messages": MESSAGES}
    if streams:
        with client.messages.stream(**asked) as stream:
            yield from stream.text_stream
    else:
        yield client.messages.create(**asked).content[0].text


async def anthropic_async(streams):
    import anthropic

    async with anthropic.AsyncAnthropic() as client:
        asked = {"model": "interop-model", "max_tokens": 99, "messages": MESSAGES}
        if streams:
            async with client.messages.stream(**asked) as stream:
                async for text in stream.text_stream:
                    yield text
        else:
            yield (await client.messages.create(**asked)).content[0].text


def genai(streams):
    from google import genai as google

    client = google.Client()
    if streams:
        for chunk in client.models.generate_content_stream(model="interop-model", contents=PROMPT):
            yield chunk.text
    else:
        yield client.models.generate_content(model="interop-model", contents=PROMPT).text


async def genai_async(streams):
    from google import genai as google

    models = google.Client().aio.models
    if streams:
        async for chunk in await models.generate_content_stream(model="interop-model", contents=PROMPT):
            yield chunk.text
    else:
        yield (await models.generate_content(model="interop-model", contents=PROMPT)).text


def litellm_(streams, model):
    import litellm

    answer = litellm.completion(model=model, messages=MESSAGES, stream=streams)
    if streams:
        for chunk in answer:
            yield chunk.choices[0].delta.content
    else:
        yield answer.choices[0].message.content


def litellm_openai(streams):
    return litellm_(streams, "openai/interop-model")


def litellm_anthropic(streams):
    return litellm_(streams, "anthropic/interop-model")


def litellm_gemini(streams):
    return litellm_(streams, "gemini/interop-model")


async def litellm_async(streams):
    import litellm

    answer = await litellm.acompletion(model="openai/interop-model", messages=MESSAGES, stream=streams)
    if streams:
        async for chunk in answer:
            yield chunk.choices[0].delta.content
    else:
        yield answer.choices[0].message.content


def langchain(streams):
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="interop-model")
    if streams:
        for chunk in model.stream(PROMPT):
            yield chunk.content
    else:
        yield model.invoke(PROMPT).content


def tell(text, streams):
    # Some have more events than there are texts.
    if streams and text:
        events.tell_sent(text)
    elif text:
        print(text)


async def tell_all(package):
    for streams in (False, True):
        async for text in package(streams):
            tell(text, streams)


def main(package):
    if package.__name__.endswith("_async"):
        asyncio.run(tell_all(package))
    else:
        for streams in (False, True):
            for text in package(streams):
                tell(text, streams)


main(globals()[sys.argv[1]])
