# shellcheck shell=bash disable=SC2154
# Signals, job control and process 1: the lines of tests/interop/terminal are `ok`, `FAIL` and `skip`.

programs+=(tmux)

terminal_rows() {
    local report=$work/terminal code=0
    "$here/terminal" "$authsome" | tee "$report" || code=$?
    local good bad
    good=$(grep -c '^ok ' "$report" || true)
    bad=$(grep -c '^FAIL ' "$report" || true)
    if ((code != 0 && bad == 0)) || ((good + bad == 0)); then
        echo "FAIL  tests/interop/terminal ended with code $code"
        bad=$((bad + 1))
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + $(grep -c '^skip ' "$report" || true)))
}
