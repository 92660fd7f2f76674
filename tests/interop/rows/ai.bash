# shellcheck shell=bash disable=SC2154
# The packages of AI services.

ai_rows() {
    local node
    row "Python openai" "$(python_version openai)" answer=interop-answer -- "$python" "$clients/use_openai.py" chat
    row "Python openai, streaming" "$(python_version openai)" stream=yes -- "$python" "$clients/use_openai.py" stream
    row "Python openai, async and streaming" "$(python_version openai)" answer=interop-answer requests=2 stream=yes -- \
        "$python" "$clients/use_openai.py" async
    node=$(node_since 20 19)
    row "Node openai with undici" "$(module_version openai)" answer=interop-answer -- \
        "$node" "$clients/use_openai.mjs" undici chat
    row "Node openai with undici, streaming" "$(module_version openai)" stream=yes -- \
        "$node" "$clients/use_openai.mjs" undici stream
    node=$(node_since 24 5)
    row "Node openai" "$(module_version openai)" answer=interop-answer -- "$node" "$clients/use_openai.mjs" plain chat
    row "Node openai, streaming" "$(module_version openai)" stream=yes -- "$node" "$clients/use_openai.mjs" plain stream
}
