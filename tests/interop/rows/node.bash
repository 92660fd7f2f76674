# shellcheck shell=bash disable=SC2154
# Node and its packages: on Node 20, which knows nothing of proxies, and on one that honours NODE_USE_ENV_PROXY. That counts from 24.0
# for fetch, and from 24.5 for https (both also from 22.21).

node_rows() {
    node_20_rows
    node_24_rows
}

node_20_rows() {
    local node version agent="the package \`https-proxy-agent\`" undici="the package \`undici\`: \`setGlobalDispatcher(new EnvHttpProxyAgent())\`"
    local why="Node before 22.21 reads no variable for a proxy"
    node=$(node_20)
    version=$(program_version "$node" --version)
    row "Node 20 https" "$version" fails=proxy reason="$why" -- \
        "$node" "$clients/use_https.mjs"
    row "Node 20 https" "$version" answer=interop-model requests=2 needs="$agent" -- \
        "$node" "$clients/use_https_proxy_agent.mjs"
    row "Node 20 fetch" "$version" fails=proxy reason="$why" -- \
        "$node" "$clients/use_fetch.mjs" native get
    row "Node 20 fetch" "$version" answer=interop-answer requests=2 needs="$undici" -- \
        "$node" "$clients/use_fetch.mjs" global get
    row "Node 20 fetch, streaming" "$version" stream=yes needs="$undici" -- \
        "$node" "$clients/use_fetch.mjs" global stream
    version=$(module_version undici)
    row "undici (Node 20)" "$version" fails=proxy reason="$why" -- "$node" "$clients/use_fetch.mjs" bare get
    row "undici (Node 20)" "$version" answer=interop-answer requests=2 needs="$undici" -- \
        "$node" "$clients/use_fetch.mjs" undici get
    row "undici (Node 20), streaming" "$version" stream=yes needs="$undici" -- \
        "$node" "$clients/use_fetch.mjs" undici stream
    version=$(module_version axios)
    row "axios (Node 20)" "$version" answer=interop-answer requests=2 -- "$node" "$clients/use_library.mjs" axios plain get
    row "axios (Node 20), streaming" "$version" stream=yes -- "$node" "$clients/use_library.mjs" axios plain stream
    for library in got node-fetch; do
        version=$(module_version $library)
        row "$library (Node 20)" "$version" fails=proxy reason="$why" -- "$node" "$clients/use_library.mjs" $library plain get
        row "$library (Node 20)" "$version" answer=interop-answer requests=2 needs="$agent" -- \
            "$node" "$clients/use_library.mjs" $library agent get
        row "$library (Node 20), streaming" "$version" stream=yes needs="$agent" -- \
            "$node" "$clients/use_library.mjs" $library agent stream
    done
    version=$(module_version ws)
    row "ws (Node 20)" "$version" fails=proxy reason="$why" -- "$node" "$clients/use_ws.mjs" plain
    row "ws (Node 20)" "$version" answer=interop-echo needs="$agent" -- "$node" "$clients/use_ws.mjs" agent
}

node_24_rows() {
    local node version
    node=$(node_since 24 5)
    version=$(program_version "$node" --version)
    row "Node 24 https" "$version" answer=interop-model -- "$node" "$clients/use_https.mjs"
    row "Node 24 fetch" "$version" answer=interop-answer requests=2 -- "$node" "$clients/use_fetch.mjs" native get
    row "Node 24 fetch, streaming" "$version" stream=yes -- "$node" "$clients/use_fetch.mjs" native stream
    row "Node 24 WebSocket" "$version" answer=interop-echo -- "$node" "$clients/use_websocket.mjs"
    version=$(module_version undici)
    row "undici (Node 24)" "$version" answer=interop-answer requests=2 -- "$node" "$clients/use_fetch.mjs" bare get
    row "undici (Node 24), streaming" "$version" stream=yes -- "$node" "$clients/use_fetch.mjs" bare stream
    for library in axios got node-fetch; do
        version=$(module_version $library)
        row "$library (Node 24)" "$version" answer=interop-answer requests=2 -- "$node" "$clients/use_library.mjs" $library plain get
        row "$library (Node 24), streaming" "$version" stream=yes -- "$node" "$clients/use_library.mjs" $library plain stream
    done
    version=$(module_version ws)
    row "ws (Node 24)" "$version" fails=proxy reason="it makes its connections past Node's agents" -- \
        "$node" "$clients/use_ws.mjs" plain
    row "ws (Node 24)" "$version" answer=interop-echo needs="the package \`https-proxy-agent\`" -- \
        "$node" "$clients/use_ws.mjs" agent
}
