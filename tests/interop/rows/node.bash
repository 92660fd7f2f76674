# shellcheck shell=bash disable=SC2154,SC2034
# Node and its packages, nothing of a proxy in what they are given: the preload of NODE_OPTIONS sends their connections through it. Node
# before 22.21 knows nothing of proxies by itself; since 24.5 and 22.21 NODE_USE_ENV_PROXY counts beside the preload.

hosts+=(api.stripe.com slack.com app.asana.com)
secret stripe STRIPE_API_KEY sk_live_
secret slack SLACK_BOT_TOKEN xoxb-real-
secret asana ASANA_ACCESS_TOKEN 1/real

node_rows() {
    local major node
    for major in 16 18 20 22 24; do
        node=$(node_of "$major")
        node_own "Node $major" "$(program_version "$node" --version)"
    done
    for major in 20 24; do
        node=$(node_of "$major")
        node_packages "(Node $major)"
        node_services "(Node $major)"
    done
    node=$(node_of 20)
    node_runners "(Node 20)"
    node_agents
}

# `node_own NAME VERSION`: what comes with Node.
node_own() {
    local name=$1 version=$2
    row "$name https" "$version" answer=interop-model -- "$node" "$clients/use_https.mjs"
    row "$name https, tls.connect" "$version" answer=interop-model -- "$node" "$clients/use_tls.mjs"
    row "$name https, in a worker" "$version" answer=interop-model -- "$node" "$clients/use_worker.mjs"
    [[ $major != 16 ]] || return 0
    row "$name fetch" "$version" answer=interop-answer requests=2 -- "$node" "$clients/use_fetch.mjs" native get
    row "$name fetch, streaming" "$version" stream=yes -- "$node" "$clients/use_fetch.mjs" native stream
    ((major >= 22)) || return 0
    row "$name WebSocket" "$version" answer=interop-echo -- "$node" "$clients/use_websocket.mjs"
}

# `node_packages WHERE`: clients for HTTP, with the agents that they make.
node_packages() {
    local where=$1 version library
    version=$(module_version undici)
    row "undici $where" "$version" answer=interop-answer requests=2 -- "$node" "$clients/use_fetch.mjs" bare get
    row "undici $where, streaming" "$version" stream=yes -- "$node" "$clients/use_fetch.mjs" bare stream
    for library in axios got node-fetch; do
        version=$(module_version $library)
        row "$library $where" "$version" answer=interop-answer requests=2 -- "$node" "$clients/use_library.mjs" $library plain get
        row "$library $where, streaming" "$version" stream=yes -- "$node" "$clients/use_library.mjs" $library plain stream
    done
    version=$(module_version ws)
    row "ws $where" "$version" answer=interop-echo -- "$node" "$clients/use_ws.mjs" plain
}

# `node_services WHERE`: packages of services whose agents read no variable.
node_services() {
    local where=$1
    row "stripe $where" "$(module_version stripe)" answer=interop-answer host=api.stripe.com credential=bearer:stripe -- \
        "$node" "$clients/use_service.mjs" stripe
    row "@slack/web-api 7 $where" "$(module_version @slack/web-api)" answer=interop-answer host=slack.com credential=bearer:slack -- \
        "$node" "$clients/use_service.mjs" slack
    row "@slack/web-api 6 $where" "$(module_version slack-web-api-6)" answer=interop-answer host=slack.com credential=bearer:slack -- \
        "$node" "$clients/use_service.mjs" slack-6
    row "asana $where" "$(module_version asana)" answer=interop-answer host=app.asana.com credential=bearer:asana -- \
        "$node" "$clients/use_service.mjs" asana
}

# `node_runners WHERE`: what starts a program otherwise: TypeScript's runners, and a command line tool in one file.
node_runners() {
    local where=$1 version
    version=$(module_version tsx)
    row "tsx $where" "$version" answer=interop-model -- "$node" "$modules/tsx/dist/cli.mjs" "$clients/use_https.ts"
    client_env=("NODE_OPTIONS=--import=file://$modules/tsx/dist/loader.mjs")
    row "tsx $where, by NODE_OPTIONS" "$version" answer=interop-model -- "$node" "$clients/use_https.ts"
    client_env=()
    "$modules/.bin/esbuild" "$clients/use_service.mjs" --bundle --platform=node --format=cjs --log-level=error --outfile="$work/bundle.cjs" || true
    row "bundle of esbuild's $where" "$(module_version esbuild)" answer=interop-answer host=api.stripe.com credential=bearer:stripe -- \
        "$node" "$work/bundle.cjs" stripe
}

# Programs that find the proxy themselves aren't led to it twice.
node_agents() {
    local version
    for major in 20 24; do
        node=$(node_of "$major")
        version=$(module_version https-proxy-agent)
        row "https-proxy-agent (Node $major)" "$version" listed=no answer=interop-model requests=2 -- \
            "$node" "$clients/use_https_proxy_agent.mjs"
        row "ws (Node $major), https-proxy-agent" "$version" listed=no answer=interop-echo -- "$node" "$clients/use_ws.mjs" agent
        version=$(module_version undici)
        row "EnvHttpProxyAgent (Node $major)" "$version" listed=no answer=interop-answer requests=2 -- \
            "$node" "$clients/use_fetch.mjs" undici get
        row "EnvHttpProxyAgent in fetch (Node $major)" "$version" listed=no answer=interop-answer requests=2 -- \
            "$node" "$clients/use_fetch.mjs" global get
    done
}
