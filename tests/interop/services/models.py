"""The wire formats of model services: an answer in whole, or as a stream of events."""

import json

from services.ticks import ANSWER
from services.ticks import EVENTS
from services.ticks import event
from services.ticks import texts

MODEL = "interop-model"


def openai(connection, request, path, body):
    if path == "/v1/models":
        # The name is one that no client could make up: it shows that the answer came from here.
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "interop"}
        return connection.json(request, {"object": "list", "data": [model]})
    if path == "/v1/chat/completions":
        if json.loads(body).get("stream"):
            return connection.stream(request, chat_events(body))
        message = {"role": "assistant", "content": ANSWER}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return connection.json(request, completion("chat.completion", choice))
    if path == "/v1/responses" and request.method == "GET":
        # Some try a WebSocket there first: so that they go on to HTTP at once.
        return connection.json(request, {"error": "no WebSocket"}, "426 Upgrade Required")
    if path == "/v1/responses":
        if json.loads(body).get("stream"):
            return connection.stream(request, response_events(body))
        return connection.json(request, response("completed", ANSWER))
    return None


def chat_events(body):
    for number, text in enumerate(texts(body), 1):
        finish = "stop" if number == EVENTS or text == ANSWER else None
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
        yield event(completion("chat.completion.chunk", choice))
    yield event("[DONE]")


def completion(kind, choice):
    """An answer of /v1/chat/completions, as the clients' own types want it."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    answer = {"id": "interop", "object": kind, "created": 0, "model": MODEL, "choices": [choice]}
    return answer if kind.endswith("chunk") else {**answer, "usage": usage}


def response(status, text=None):
    """An answer of /v1/responses."""
    usage = {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2,
    }
    return {
        "id": "resp_interop",
        "object": "response",
        "created_at": 0,
        "status": status,
        "model": MODEL,
        "output": [] if text is None else [response_message(text)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage if status == "completed" else None,
    }


def response_message(text):
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_interop", "role": "assistant", "status": "completed", "content": [part]}


def response_events(body):
    number = 0

    def numbered(kind, **more):
        nonlocal number
        number += 1
        return event({"type": kind, "sequence_number": number, **more}, kind)

    place = {"item_id": "msg_interop", "output_index": 0, "content_index": 0}
    item = {**response_message(""), "status": "in_progress", "content": []}
    said = ""
    yield numbered("response.created", response=response("in_progress"))
    yield numbered("response.output_item.added", output_index=0, item=item)
    yield numbered("response.content_part.added", **place, part={"type": "output_text", "text": "", "annotations": []})
    for text in texts(body):
        said += text
        yield numbered("response.output_text.delta", **place, delta=text, logprobs=[])
    yield numbered("response.output_text.done", **place, text=said, logprobs=[])
    yield numbered("response.output_item.done", output_index=0, item=response_message(said))
    yield numbered("response.completed", response=response("completed", said))


def anthropic(connection, request, path, body):
    if path != "/v1/messages":
        return None
    if json.loads(body).get("stream"):
        return connection.stream(request, message_events(body))
    return connection.json(request, message([{"type": "text", "text": ANSWER}], "end_turn"))


def message(content, stop_reason):
    """An answer of /v1/messages."""
    return {
        "id": "msg_interop",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def message_events(body):
    def typed(kind, **more):
        return event({"type": kind, **more}, kind)

    yield typed("message_start", message=message([], None))
    yield typed("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for text in texts(body):
        yield typed("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
    yield typed("content_block_stop", index=0)
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield typed("message_delta", delta=delta, usage={"output_tokens": 1})
    yield typed("message_stop")


def gemini(connection, request, path, body):
    if path.endswith(":generateContent"):
        return connection.json(request, candidates(ANSWER, "STOP"))
    if path.endswith(":streamGenerateContent"):
        return connection.stream(request, candidate_events(body))
    if path.endswith(":countTokens"):
        return connection.json(request, {"totalTokens": 1})
    return None


def candidates(text, finish=None):
    """An answer of generateContent."""
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL}


def candidate_events(body):
    for text in texts(body):
        yield event(candidates(text))
    yield event(candidates("", "STOP"))
