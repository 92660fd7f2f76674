# shellcheck shell=bash disable=SC2154
# Node and its packages.

node_rows() {
    local node version
    # As old as undici takes it: what follows has to do without a Node that knows of proxies.
    node=$(node_since 20 19)
    row "Node https with https-proxy-agent" "$(module_version https-proxy-agent)" answer=interop-model requests=2 -- \
        "$node" "$clients/use_https_proxy_agent.mjs"
    row "Node fetch with undici's EnvHttpProxyAgent" "$(module_version undici)" answer=interop-answer requests=2 -- \
        "$node" "$clients/use_fetch.mjs" undici get
    row "Node fetch with undici's EnvHttpProxyAgent, streaming" "$(module_version undici)" stream=yes -- \
        "$node" "$clients/use_fetch.mjs" undici stream
    row "Node ws with https-proxy-agent" "$(module_version ws)" answer=interop-echo -- "$node" "$clients/use_ws.mjs"

    # NODE_USE_ENV_PROXY counts from 24.0 for fetch, and from 24.5 for https (both also from 22.21).
    node=$(node_since 24 5)
    version=$(program_version "$node" --version)
    row "Node fetch" "$version" answer=interop-answer requests=2 -- "$node" "$clients/use_fetch.mjs" native get
    row "Node fetch, streaming" "$version" stream=yes -- "$node" "$clients/use_fetch.mjs" native stream
    row "Node https" "$version" answer=interop-model -- "$node" "$clients/use_https.mjs"
    row "Node WebSocket" "$version" answer=interop-echo -- "$node" "$clients/use_websocket.mjs"
}
