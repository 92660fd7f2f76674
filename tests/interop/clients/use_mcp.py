"""The MCP SDK: a call of a tool, over streamable HTTP (`http`) or the older SSE (`sse`), which tells of its progress meanwhile."""

import asyncio
import contextlib
import os
import sys

import events
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

HEADERS = {"Authorization": f"Bearer {os.environ['INTEROP_MCP_TOKEN']}"}


@contextlib.asynccontextmanager
async def connected(how):
    if how == "sse":
        async with sse_client("https://mcp.interop.example/sse", headers=HEADERS) as streams:
            yield streams
    else:
        async with create_mcp_http_client(headers=HEADERS) as client:
            async with streamable_http_client("https://mcp.interop.example/mcp", http_client=client) as streams:
                yield streams


async def progressed(_progress, _total, message):
    events.tell_sent(message)


async def main(how):
    async with connected(how) as (reader, writer), ClientSession(reader, writer) as session:
        await session.initialize()
        result = await session.call_tool("tell", {}, progress_callback=progressed)
        print(result.content[0].text)


asyncio.run(main(sys.argv[1]))
