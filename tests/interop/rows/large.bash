# shellcheck shell=bash disable=SC2154
# A gibibyte each way. The child reads the peak of its parent, which is authsome, when it is done.

# The most memory that authsome may ever have held after a gibibyte went through it.
max_rss_kib=$((32 * 1024))

large_rows() {
    local version size=$((1 << 30))
    version=$(program_version curl --version)
    truncate -s "$size" "$work/large"
    # shellcheck disable=SC2016
    local report='grep VmHWM /proc/$PPID/status'
    # shellcheck disable=SC2016
    row "curl, download of 1 GiB" "$version" answer="bytes=$size" -- \
        sh -c 'curl -sS -o /dev/null -w "bytes=%{size_download} seconds=%{time_total}\n" "$1" && '"$report" sh \
        "https://api.openai.com/bytes/$size"
    memory "authsome's peak memory, download of 1 GiB"
    # shellcheck disable=SC2016
    row "curl, upload of 1 GiB" "$version" answer="{\"received\": $size}" -- \
        sh -c 'curl -sS -T "$2" -w "seconds=%{time_total}\n" "$1" && '"$report" sh "https://api.openai.com/upload" "$work/large"
    memory "authsome's peak memory, upload of 1 GiB"
    rm "$work/large"
}

# Judges the VmHWM that the row before has printed.
memory() {
    local peak seconds
    peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' "$work/output")
    seconds=$(sed -n 's/.*seconds=\([0-9.]*\)$/\1/p' "$work/output")
    judge "$1" "${peak:-unknown} KiB of $max_rss_kib, in ${seconds:-unknown} s" \
        test "${peak:-$max_rss_kib}" -lt "$max_rss_kib"
}
