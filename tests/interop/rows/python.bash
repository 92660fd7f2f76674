# shellcheck shell=bash disable=SC2154
# Python and its packages.

hosts+=(bedrock-runtime.us-east-1.amazonaws.com www.googleapis.com)
secret bedrock AWS_BEARER_TOKEN_BEDROCK bedrock-real
secret google GOOGLE_ACCESS_TOKEN ya29.real

aiohttp_rows() {
    local version needs="\`ClientSession(trust_env=True)\`"
    version=$(python_version aiohttp)
    row "Python aiohttp" "$version" fails=proxy reason="its sessions read variables only when they are told to" -- \
        "$python" "$clients/use_aiohttp.py" plain get
    row "Python aiohttp" "$version" answer=interop-answer requests=2 needs="$needs" -- \
        "$python" "$clients/use_aiohttp.py" trusting get
    row "Python aiohttp, streaming" "$version" stream=yes needs="$needs" -- "$python" "$clients/use_aiohttp.py" trusting stream
    row "Python aiohttp, WebSocket" "$version" answer=interop-echo needs="$needs" -- \
        "$python" "$clients/use_aiohttp.py" trusting websocket
}

python_rows() {
    row "Python urllib, strict X.509" "$(program_version "$python" --version)" answer=interop-model -- \
        "$python" "$clients/use_urllib.py"
    for package in requests httpx; do
        row "Python $package" "$(python_version $package)" answer=interop-answer requests=2 -- \
            "$python" "$clients/use_$package.py" get
        row "Python $package, streaming" "$(python_version $package)" stream=yes -- \
            "$python" "$clients/use_$package.py" stream
    done
    aiohttp_rows
    row "Python urllib3" "$(python_version urllib3)" fails=proxy reason="\`PoolManager\` reads no variables" -- \
        "$python" "$clients/use_urllib3.py" plain
    row "Python urllib3" "$(python_version urllib3)" answer=interop-answer requests=2 \
        needs="\`ProxyManager(os.environ[\"HTTPS_PROXY\"])\`" -- "$python" "$clients/use_urllib3.py" get
    row "Python urllib3, streaming" "$(python_version urllib3)" stream=yes \
        needs="\`ProxyManager(os.environ[\"HTTPS_PROXY\"])\`" -- "$python" "$clients/use_urllib3.py" stream
    local bedrock=(host=bedrock-runtime.us-east-1.amazonaws.com credential=bearer:bedrock)
    row "Python boto3" "$(python_version boto3)" answer=interop-answer "${bedrock[@]}" -- "$python" "$clients/use_boto3.py" get
    row "Python boto3, streaming" "$(python_version boto3)" stream=yes "${bedrock[@]}" -- "$python" "$clients/use_boto3.py" stream
    row "Python google-auth" "$(python_version google-auth)" answer=interop-file host=www.googleapis.com \
        credential=bearer:google -- "$python" "$clients/use_google.py" session
    row "Python google-api-python-client" "$(python_version google-api-python-client)" fails=proxy \
        reason="its httplib2 knows of proxies only beside the package \`pysocks\`" -- "$python" "$clients/use_google.py" plain
    row "Python google-api-python-client" "$(python_version google-api-python-client)" answer=interop-file \
        host=www.googleapis.com credential=bearer:google needs="\`pip install pysocks\`" -- "$python" "$clients/use_google.py" client
}
