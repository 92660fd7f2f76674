# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Other languages' own clients, a browser, and the package managers that bring languages along.

programs+=(
    go:golang-go java:default-jdk-headless ruby php:php-cli perl chromium certutil:libnss3-tools cargo
    /usr/share/doc/php-curl:php-curl
    /usr/share/perl5/LWP.pm:libwww-perl
    /usr/share/perl5/LWP/Protocol/https.pm:liblwp-protocol-https-perl
)
hosts+=(crates.interop.example apt.interop.example)

languages=$cache/languages

# What is compiled is compiled here, since a row has no caches of its own.
languages_install() {
    mkdir -p "$languages"
    GO111MODULE=off GOFLAGS='' GOCACHE=$languages/go go build -o "$languages/use_net_http" "$here/clients/use_net_http.go"
    javac -d "$languages/java" "$here"/clients/*.java
    CARGO_TARGET_DIR=$languages/rust cargo build --quiet --locked --manifest-path "$here/clients/rust/Cargo.toml"
    # Not among the other scripts' packages: they are large.
    if ! [[ -x $languages/node_modules/.bin/deno && -x $languages/node_modules/.bin/bun ]]; then
        npm install --prefix "$languages" --loglevel=error --no-audit --no-fund --no-save deno@2.9.6 bun@1.4.5 >/dev/null
    fi
}

languages_rows() {
    go_rows
    java_rows
    ruby_rows
    php_rows
    perl_rows
    rust_rows
    other_javascript_rows
    chromium_rows
    cargo_rows
    apt_rows
}

# `both NAME VERSION KEY=VALUE... -- COMMAND...`: a row in which the client is told `get` and sends two requests, and one in which it
# prints a stream as it comes.
both() {
    local name=$1 version=$2 keys=()
    shift 2
    while [[ $1 != -- ]]; do
        keys+=("$1")
        shift
    done
    shift
    row "$name" "$version" answer=interop-answer requests=2 "${keys[@]}" -- "$@" get
    streamed "$name" "$version" "${keys[@]}" -- "$@" stream
}

# The second of these alone.
streamed() {
    local name=$1 version=$2 keys=()
    shift 2
    while [[ $1 != -- ]]; do
        keys+=("$1")
        shift
    done
    shift
    # shellcheck disable=SC2016
    row "$name, streaming" "$version" stream=yes "${keys[@]}" -- \
        bash -c 'set -o pipefail; "${@:3}" | "$1" "$2"' bash "$python" "$clients/events.py" "$@"
}

go_rows() {
    both "Go net/http" "$(program_version go version)" -- "$languages/use_net_http"
}

java_rows() {
    local version
    version=$(program_version java -version)
    [[ $version != missing ]] || version=$(program_version java --version)
    both "Java HttpClient" "$version" -- java -cp "$languages/java" UseHttpClient
    both "Java HttpURLConnection" "$version" -- java -cp "$languages/java" UseUrlConnection
    # HttpClient's way is the same, but for the place of the Authenticator.
    run_options=(--proxy-auth)
    row "Java with \`--proxy-auth\`" "$version" fails=proxy reason="it has no option for a proxy's password" -- \
        java -cp "$languages/java" UseUrlConnection get
    row "Java with \`--proxy-auth\`" "$version" answer=interop-answer requests=2 \
        needs='an `Authenticator` that gives it, and `-Djdk.http.auth.tunneling.disabledSchemes=`' -- \
        java -Djdk.http.auth.tunneling.disabledSchemes= -cp "$languages/java" AnswerProxy get
    run_options=()
    # As people try things: compiled by the JDK's compiler, which is a program in Java too.
    row "Java HttpClient, java FILE.java" "$version" answer=interop-answer requests=2 -- java "$clients/UseHttpClient.java" get
}

ruby_rows() {
    local version
    version=$(program_version ruby --version)
    both "Ruby net/http" "$version" -- ruby "$clients/use_net_http.rb"
    row "Ruby open-uri" "$version" answer=interop-model -- ruby "$clients/use_open_uri.rb"
}

php_rows() {
    local version
    version=$(program_version php --version)
    both "PHP curl" "$version" -- php "$clients/use_curl.php"
    # No streaming: they wait for 8 KiB of an answer in chunks, with and without a proxy.
    row "PHP streams" "$version" fails=proxy reason="no variable names a proxy for them" -- php "$clients/use_streams.php" plain
    row "PHP streams" "$version" answer=interop-answer needs='the proxy, in the context: `["http" => ["proxy" => ...]]`' -- \
        php "$clients/use_streams.php" proxy
}

perl_rows() {
    local lwp tiny
    lwp=$(perl -MLWP -e 'print LWP->VERSION' 2>/dev/null || echo missing)
    tiny=$(perl -MHTTP::Tiny -e 'print HTTP::Tiny->VERSION' 2>/dev/null || echo missing)
    both "Perl LWP" "$lwp" -- perl "$clients/use_lwp.pl"
    both "Perl HTTP::Tiny" "$tiny" -- perl "$clients/use_http_tiny.pl"
}

rust_rows() {
    local client=$languages/rust/debug/clients compiled="Mozilla's roots are compiled in, and no others are trusted"
    # authsome ends with its program: it needs a moment to say what it has seen of one that hung up and ended at once.
    local told='"$0" "$1" get; sleep 0.5'
    both "Rust reqwest" "$(crate_version reqwest 0.13)" -- "$client" reqwest
    row "Rust reqwest with webpki-roots" "$(crate_version reqwest 0.12)" fails=ca \
        reason="$compiled; 0.13 trusts the system's" -- sh -c "$told" "$client" reqwest-webpki
    both "Rust ureq with platform-verifier" "$(crate_version ureq)" -- "$client" ureq
    row "Rust ureq with webpki-roots" "$(crate_version ureq)" fails=ca \
        reason="$compiled; \`platform-verifier\` is the way out" -- sh -c "$told" "$client" ureq-webpki
}

# `crate_version NAME [START]`: the version of it in the lock file of the Rust clients that begins so.
crate_version() {
    sed -n "/^name = \"$1\"/{n;s/^version = \"\(${2:-}.*\)\"/\1/p}" "$here/clients/rust/Cargo.lock" | head -1
}

other_javascript_rows() {
    local version
    version=$(program_version "$languages/node_modules/.bin/deno" --version)
    row "Deno fetch" "$version" answer=interop-answer requests=2 -- \
        "$languages/node_modules/.bin/deno" run --quiet --allow-env --allow-net "$clients/use_fetch.mjs" native get
    row "Deno fetch, streaming" "$version" stream=yes -- \
        "$languages/node_modules/.bin/deno" run --quiet --allow-env --allow-net "$clients/use_fetch.mjs" native stream
    version=$(program_version "$languages/node_modules/.bin/bun" --version)
    row "Bun fetch" "$version" answer=interop-answer requests=2 -- "$languages/node_modules/.bin/bun" "$clients/use_fetch.mjs" native get
    row "Bun fetch, streaming" "$version" stream=yes -- "$languages/node_modules/.bin/bun" "$clients/use_fetch.mjs" native stream
}

chromium_rows() {
    local version
    version=$(program_version chromium --version)
    row "Chromium, headless" "$version" fails=ca reason="it trusts what its own database has, and the system's" -- \
        "$clients/use_chromium" plain
    row "Chromium, headless" "$version" answer=interop-model requests=1+ \
        needs='`certutil -d sql:$HOME/.pki/nssdb -A -n authsome -t C,, -i "$NODE_EXTRA_CA_CERTS"`' -- \
        "$clients/use_chromium" trusting
}

cargo_rows() {
    define interopcrates CARGO_REGISTRIES_INTEROP_TOKEN cio <<'JSON'
{"name": "interopcrates", "api_url": "https://crates.interop.example", "api_key": {"header_prefix": null},
 "export": {"CARGO_REGISTRIES_INTEROP_TOKEN": "API_TOKEN"}}
JSON
    # Where Cargo is rustup's, that looks for the real one in a home.
    client_env=(RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}")
    row "cargo, search, add, fetch" "$(program_version cargo --version)" answer=interop-installed requests=4+ \
        host=crates.interop.example credential=field:interopcrates:authorization -- "$clients/use_cargo"
    client_env=()
}

apt_rows() {
    local version
    version=$(program_version apt-get --version)
    define interopapt INTEROP_APT_PASSWORD apt <<'JSON'
{"name": "interopapt", "api_url": "https://apt.interop.example", "api_key": {"in": "basic", "username": "interop"},
 "export": {"INTEROP_APT_PASSWORD": "API_TOKEN"}}
JSON
    row "apt-get, update, download" "$version" answer=interop-installed requests=3+ host=apt.interop.example \
        credential=basic:interopapt:interop -- "$clients/use_apt"
}
