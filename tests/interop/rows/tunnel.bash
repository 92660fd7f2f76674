# shellcheck shell=bash disable=SC2154,SC2034
# What passes authsome unread: no route can match example.com, so its TLS has to reach the client untouched, and it is the client
# that has to trust the test's CA.

tunnel_rows() {
    client_env=(SSL_CERT_FILE="$work/ca.pem")
    row "curl, blind tunnel" "$(program_version curl --version)" answer="issuer: CN=interop test CA" host=example.com \
        credential=none listed=no -- curl -sSv https://example.com/
    row "Python, blind tunnel" "$(program_version "$python" --version)" answer="issuer interop test CA" host=example.com \
        credential=none listed=no -- "$python" "$clients/peer.py" example.com
    # The counterpart: that the same client does meet the run's own root at a host with a route.
    row "Python, intercepted" "$(program_version "$python" --version)" answer="issuer authsome run" listed=no -- \
        "$python" "$clients/peer.py" api.openai.com
    client_env=()
}
