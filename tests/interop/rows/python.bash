# shellcheck shell=bash disable=SC2154
# Python and its packages.

python_rows() {
    row "Python urllib, strict X.509" "$(program_version "$python" --version)" answer=interop-model -- \
        "$python" "$clients/use_urllib.py"
    for package in requests httpx aiohttp; do
        row "Python $package" "$(python_version $package)" answer=interop-answer requests=2 -- \
            "$python" "$clients/use_$package.py" get
        row "Python $package, streaming" "$(python_version $package)" stream=yes -- \
            "$python" "$clients/use_$package.py" stream
    done
    row "Python aiohttp, WebSocket" "$(python_version aiohttp)" answer=interop-echo \
        needs="for \`wss:\` the proxy, as \`proxy=\`" -- "$python" "$clients/use_aiohttp.py" websocket
}
