# shellcheck shell=bash
# What the scripts of this folder share: how they install what they need, and how they say what they found. To be sourced.

interop=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/authsome-interop
python=$cache/venv/bin/python
modules=$cache/node/node_modules

# --- What is installed ----------------------------------------------------------------------------------------------------------

has() { command -v "$1" >/dev/null; }

as_root() {
    if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# The package of Debian's that has a program, where it is called otherwise.
package_of() {
    case $1 in
    dbus-run-session) echo dbus-daemon ;;
    gnome-keyring-daemon) echo gnome-keyring ;;
    gpg) echo gnupg ;;
    ip) echo iproute2 ;;
    node) echo nodejs ;;
    secret-tool) echo libsecret-tools ;;
    setpriv | unshare) echo util-linux ;;
    systemd-analyze) echo systemd ;;
    *) echo "$1" ;;
    esac
}

# Programs by apt-get, where there is one: `install_programs PROGRAM...`, each a name, or NAME:PACKAGE (NAME may be a file's path, too).
# What stays missing fails what needs it.
install_programs() {
    local missing=()
    for program in "$@"; do
        case $program in
        python3-venv) { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; } || missing+=(python3-venv) ;;
        /*) [[ -e ${program%%:*} ]] || missing+=("${program#*:}") ;;
        *:*) has "${program%%:*}" || missing+=("${program#*:}") ;;
        *) has "$program" || missing+=("$(package_of "$program")") ;;
        esac
    done
    if ((${#missing[@]})) && has apt-get; then
        echo "installing ${missing[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# Packages are installed again only when their list has changed. Where that fails, so does what needs them, and nothing else.

# `install_python_packages [LIST FOLDER]`: those of a list of this folder, into a folder of the cache.
install_python_packages() {
    local list=$interop/${1:-requirements.txt} venv=$cache/${2:-venv}
    cmp -s "$list" "$venv/installed" && "$venv/bin/python" -c '' 2>/dev/null && return
    echo "installing Python packages"
    rm -rf "$venv"
    python3 -m venv "$venv"
    # By uv where the first list's folder has it: pip takes ten times as long for a long list.
    if "$cache/venv/bin/uv" pip install --quiet --python "$venv/bin/python" -r "$list" 2>/dev/null ||
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list"; then
        cp "$list" "$venv/installed"
    fi
}

install_node_packages() { install_npm_list package.json node; }

# `install_npm_list LIST FOLDER`: what a list of this folder names, into a folder of the cache.
install_npm_list() {
    local list=$interop/$1 folder=$cache/$2
    cmp -s "$list" "$folder/installed" && return
    echo "installing Node packages of $1"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$list" "$folder/package.json"
    # The peers of openai are for services that are not used here.
    if (cd "$folder" && npm install --loglevel=error --no-audit --no-fund --no-package-lock --legacy-peer-deps >/dev/null); then
        cp "$list" "$folder/installed"
    fi
}

# The machine's Node if it is this new, else that of the package: `node_since MAJOR MINOR`.
node_since() {
    local candidate
    for candidate in "$(command -v node || true)" "$modules"/node-linux-*/bin/node; do
        if [[ -x $candidate ]] && "$candidate" -e '
            const [major, minor] = process.versions.node.split(".").map(Number);
            const [, wantedMajor, wantedMinor] = process.argv.map(Number);
            process.exit(major > wantedMajor || (major === wantedMajor && minor >= wantedMinor) ? 0 : 1)' "$1" "$2"; then
            echo "$candidate"
            return
        fi
    done
    echo node-is-missing
}

# The last Node that knows nothing of proxies by itself.
node_20() { node_of 20; }

# The Node of this major version: that of the package for it, else the machine's or the package's newest if they are that old.
node_of() {
    local candidate
    for candidate in "$modules/node-$1"-linux-*/bin/node "$(command -v node || true)" "$modules"/node-linux-*/bin/node; do
        if [[ -x $candidate && $("$candidate" --version) == "v$1."* ]]; then
            echo "$candidate"
            return
        fi
    done
    echo node-is-missing
}

# --- Certificates of an origin --------------------------------------------------------------------------------------------------

# `certify FOLDER HOSTS`: there ca.pem, and origin.pem and origin.key for hosts with blanks between them.
certify() {
    local work=$1 names
    # shellcheck disable=SC2086
    names=$(printf ',DNS:%s' $2)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=interop test CA" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
        -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=interop origin" \
        -keyout "$work/origin.key" -out "$work/origin.csr" 2>/dev/null
    openssl x509 -req -in "$work/origin.csr" -days 2 -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
        -extfile <(printf '%s\n' "subjectAltName=${names#,}" basicConstraints=CA:FALSE extendedKeyUsage=serverAuth \
            subjectKeyIdentifier=hash authorityKeyIdentifier=keyid) \
        -out "$work/origin.pem" 2>/dev/null
}

# --- What is said ---------------------------------------------------------------------------------------------------------------

passed=0
failed=0
skipped=0

# What helps to understand a check that failed, and what is done after each: scripts say it anew where they know something.
around() { :; }
after_check() { :; }

# Runs a check, which is a function, and says how it went. Each stops at the first thing that is wrong.
check() {
    local name=$1 why code=0
    shift
    why=$(mktemp)
    # In a process of its own, and not as a condition: there `set -e` would be off.
    set +e
    (set -e; "$@") >"$why" 2>&1
    code=$?
    set -e
    if ((code == 0)); then
        passed=$((passed + 1))
        echo "ok    $name"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        sed 's/^/    | /' "$why"
        around | sed 's/^/    | /'
    fi
    rm "$why"
    after_check
}

# What can't be looked at here.
skip() {
    skipped=$((skipped + 1))
    echo "skip  $1"
}

# The last line, and whether all is well.
closing_line() {
    if ((skipped)); then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    ((failed == 0))
}
