"""boto3: a conversation with a model of Amazon Bedrock, whose key goes as a bearer; or its stream."""

import sys

import boto3
import events

client = boto3.client("bedrock-runtime", region_name="us-east-1")
asked = {"modelId": "interop-model", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
if sys.argv[1] == "stream":
    for event in client.converse_stream(**asked)["stream"]:
        if "contentBlockDelta" in event:
            events.tell_sent(event["contentBlockDelta"]["delta"]["text"])
else:
    print(client.converse(**asked)["output"]["message"]["content"][0]["text"])
