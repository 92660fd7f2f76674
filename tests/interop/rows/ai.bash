# shellcheck shell=bash disable=SC2154,SC2034
# The packages of AI services, of MCP, and coding agents.

hosts+=(api.anthropic.com generativelanguage.googleapis.com mcp.interop.example)
secret anthropic ANTHROPIC_API_KEY sk-ant-real
secret gemini GEMINI_API_KEY gemini-real

anthropic=(host=api.anthropic.com credential=field:anthropic:x-api-key)
gemini=(host=generativelanguage.googleapis.com credential=field:gemini:x-goog-api-key)
mcp=(host=mcp.interop.example credential=bearer:mcp)

ai_rows() {
    define mcp INTEROP_MCP_TOKEN mcp-real <<'JSON'
{"name": "mcp", "api_url": "https://mcp.interop.example", "export": {"INTEROP_MCP_TOKEN": "API_TOKEN"}}
JSON
    python_models
    node_models
    agents
}

ai_install() { install_npm_list agents.json agents; }

python_models() {
    local version
    version=$(python_version openai)
    row "Python openai" "$version" answer=interop-answer -- "$python" "$clients/use_openai.py" chat
    row "Python openai, streaming" "$version" stream=yes -- "$python" "$clients/use_openai.py" stream
    row "Python openai, async and streaming" "$version" answer=interop-answer requests=2 stream=yes -- \
        "$python" "$clients/use_openai.py" async
    python_model anthropic anthropic_ "${anthropic[@]}"
    python_model "anthropic, async" anthropic_async "${anthropic[@]}"
    python_model google-genai genai "${gemini[@]}"
    python_model "google-genai, async" genai_async "${gemini[@]}"
    # Its list of prices is elsewhere, and it tries for long to fetch it.
    client_env=(LITELLM_LOCAL_MODEL_COST_MAP=True)
    python_model "litellm, OpenAI" litellm_openai
    python_model "litellm, Anthropic" litellm_anthropic "${anthropic[@]}"
    python_model "litellm, Gemini" litellm_gemini "${gemini[@]}"
    python_model "litellm, async" litellm_async
    client_env=()
    python_model langchain-openai langchain
    version=$(python_version mcp)
    row "Python mcp, streamable HTTP" "$version" answer=interop-answer stream=yes requests=3+ "${mcp[@]}" -- \
        "$python" "$clients/use_mcp.py" http
    row "Python mcp, SSE" "$version" answer=interop-answer stream=yes requests=4+ "${mcp[@]}" -- \
        "$python" "$clients/use_mcp.py" sse
}

# `python_model NAME FUNCTION [KEY=VALUE...]`
python_model() {
    local name=$1 function=$2
    shift 2
    row "Python $name" "$(python_version "${name%%,*}")" answer=interop-answer stream=yes requests=2 "$@" -- \
        "$python" "$clients/use_models.py" "$function"
}

node_models() {
    local major node version
    version=$(module_version openai)
    for major in 20 24; do
        node=$(node_of "$major")
        row "openai (Node $major)" "$version" answer=interop-answer -- "$node" "$clients/use_openai.mjs" plain chat
        row "openai (Node $major), streaming" "$version" stream=yes -- "$node" "$clients/use_openai.mjs" plain stream
        node_model "@anthropic-ai/sdk" "" anthropic requests=2 "${anthropic[@]}"
        node_model "@google/genai" "" genai requests=2 "${gemini[@]}"
        node_model "@modelcontextprotocol/sdk" ", streamable HTTP" mcp requests=6+ "${mcp[@]}"
        node_model "@modelcontextprotocol/sdk" ", SSE" mcp-sse requests=8+ "${mcp[@]}"
    done
    # A dispatcher of the program's own is not led to the proxy twice.
    row "openai (Node 20), EnvHttpProxyAgent" "$version" listed=no answer=interop-answer -- \
        "$(node_of 20)" "$clients/use_openai.mjs" undici chat
}

# `node_model PACKAGE MORE NAME [KEY=VALUE...]`
node_model() {
    local package=$1 more=$2 name=$3
    shift 3
    row "$package (Node $major)$more" "$(module_version "$package")" answer=interop-answer stream=yes "$@" -- \
        "$node" "$clients/use_models.mjs" "$name"
}

# Coding agents: one answer of the model. Their streams are not judged: on a busy machine they show in one piece what came in many.
agents() {
    local folder=$cache/agents/node_modules ask="say interop-answer" version
    version=$(module_version @anthropic-ai/claude-code "$folder")
    row "Claude Code" "$version" answer=interop-answer requests=1+ "${anthropic[@]}" -- "$folder/.bin/claude" -p "$ask"
    # It looks for its plugins at GitHub.
    row "Codex CLI" "$(module_version @openai/codex "$folder")" answer=interop-answer requests=1+ \
        beside=api.github.com/bearer:github,github.com/basic:github -- "$folder/.bin/codex" exec --skip-git-repo-check "$ask"
    version=$(module_version @google/gemini-cli "$folder")
    client_env=(GEMINI_CLI_TRUST_WORKSPACE=true)
    row "Gemini CLI" "$version" answer=interop-answer requests=1+ "${gemini[@]}" -- \
        "$folder/.bin/gemini" -m interop-model -p "$ask"
    client_env=()
}
