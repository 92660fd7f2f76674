# shellcheck shell=bash disable=SC2154
# Tools of the command line.

programs+=(curl wget gh)

tools_rows() {
    curl_rows
    wget_rows
    git_rows
    row "gh, api user" "$(program_version gh --version)" answer=interop-user host=api.github.com credential=bearer:github -- \
        gh api user
}

curl_rows() {
    local version json='Content-Type: application/json'
    version=$(program_version curl --version)
    row "curl, GET" "$version" answer=interop-model -- curl -sS "$models"
    # The shell is the child's: it is there that the variable is the placeholder.
    # shellcheck disable=SC2016
    row "curl, POST with the client's own key" "$version" answer=interop-answer -- \
        sh -c 'curl -sS -H "Authorization: Bearer $OPENAI_API_KEY" -H "$1" -d "{}" "$2"' sh "$json" "$chat"
    row "curl, HTTP/1.0" "$version" answer=interop-model -- curl -sS -0 "$models"
    # What the second request says is the proof that it went over the first one's connection.
    row "curl, keep-alive, two URLs" "$version" answer=connects=0 requests=2 -- \
        curl -sS --http1.1 -w 'connects=%{num_connects}\n' "$models" "$models?again"
    # shellcheck disable=SC2016
    row "curl, -N, streaming" "$version" stream=yes -- \
        sh -c 'curl -sSN -H "$1" -d "{\"stream\": true}" "$2" | "$3" "$4"' sh "$json" "$chat" "$python" "$clients/events.py"
    row "curl, api.github.com" "$version" answer=interop-user host=api.github.com credential=bearer:github -- \
        curl -sS https://api.github.com/user
}

wget_rows() {
    local version
    version=$(program_version wget --version)
    row "wget" "$version" answer=interop-model -- wget -q -O - "$models"
}

git_rows() {
    row "git, clone, push, clone" "$(program_version git --version)" answer=interop-pushed requests=6+ host=github.com \
        credential=basic:github -- "$clients/use_git"
}
