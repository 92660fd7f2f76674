# shellcheck shell=bash
# Secret managers: the real tools, asked by a source command. For each there are `put_NAME SECRET` and `break_NAME`, after which its tool
# has nothing to give, and a recipe of that name.

# --- pass -----------------------------------------------------------------------------------------------------------------------

start_pass() {
    export GNUPGHOME=$HOME/.gnupg PASSWORD_STORE_DIR=$HOME/.password-store
    mkdir -m 700 "$GNUPGHOME"
    gpg --batch --quiet --passphrase '' --quick-generate-key recipes@example.com default default never 2>/dev/null
    pass init recipes@example.com >/dev/null
}
put_pass() { printf '%s\n' "$1" | pass insert --echo --force openai >/dev/null; }
break_pass() { pass rm --force openai >/dev/null; }

# --- The keyring ----------------------------------------------------------------------------------------------------------------

# A session as a desktop starts it, whose bus and keyring last until the end.
start_keyring() {
    local session
    session=$(dbus-daemon --session --fork --print-address)
    export DBUS_SESSION_BUS_ADDRESS=$session
    printf 'login password' | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
}
put_keyring() { printf '%s' "$1" | secret-tool store --label OpenAI service openai; }
break_keyring() { secret-tool clear service openai; }

# --- AWS ------------------------------------------------------------------------------------------------------------------------

# The service's part is moto's server.
start_aws() {
    export PATH=$PATH:$tools AWS_ACCESS_KEY_ID=recipes AWS_SECRET_ACCESS_KEY=recipes AWS_DEFAULT_REGION=eu-central-1
    export AWS_ENDPOINT_URL=http://127.0.0.1:5000
    moto_server -H 127.0.0.1 -p 5000 >"$work/moto.log" 2>&1 &
    wait_for 60 curl -so /dev/null "$AWS_ENDPOINT_URL"
}
put_aws() {
    aws secretsmanager put-secret-value --secret-id openai --secret-string "$1" >/dev/null 2>&1 ||
        aws secretsmanager create-secret --name openai --secret-string "$1" >/dev/null
}
break_aws() { aws secretsmanager delete-secret --secret-id openai --force-delete-without-recovery >/dev/null; }

# --- What each has to show ------------------------------------------------------------------------------------------------------

# The program that asks, in a run of this recipe whose answers are used for so long.
start_asking() {
    write_asking_agent "$work/ask" "$work/ask"
    rm -rf "$HOME/.authsome"
    recipe "$1" | sed "s/--from /--ttl $2 &/; s/--credential /--credential-ttl $2 &/" >"$work/pasted"
    grep -q -e "ttl $2 " "$work/pasted"
    bash -eu "$work/pasted" >"$work/output" 2>&1 </dev/null &
    # For reading too: that waits for nobody.
    exec 9<>"$work/ask"
}

arrives() {
    local secret
    secret=$(new_secret)
    write_agent
    "put_$1" "$secret"
    follow "$1"
    arrived "$secret"
}

fails() {
    local secret before
    secret=$(new_secret)
    before=$(requests)
    write_agent
    "put_$1" "$secret"
    # Between the login, where there is one, and the run.
    rm -rf "$HOME/.authsome"
    recipe "$1" >"$work/pasted"
    bash -eu <(grep -v "^authsome run" "$work/pasted") >/dev/null 2>&1
    "break_$1"
    bash -eu <(grep "^authsome run" "$work/pasted") >"$work/output" 2>&1 </dev/null
    grep -q '"error":"no credential for openai: the command .* failed: exit status' "$work/output"
    grep -q '"hint":"mend the credential' "$work/output"
    hidden "$secret"
    [[ $(requests) == "$before" ]]
}

rotates() {
    local old new
    old=$(new_secret)
    new=$(new_secret)
    "put_$1" "$old"
    start_asking "$1" 1
    asks_with "$old"
    "put_$1" "$new"
    wait_for 30 asks_with "$new"
    stop_asking
    hidden "$old"
    hidden "$new"
}

stays() {
    local old
    old=$(new_secret)
    "put_$1" "$old"
    start_asking "$1" 3600
    asks_with "$old"
    "put_$1" "$(new_secret)"
    asks_with "$old"
    stop_asking
}

for manager in pass keyring aws; do
    if ! "start_$manager" >"$work/start" 2>&1; then
        sed 's/^/    | /' "$work/start"
    fi
    check "$manager: the secret arrives, and the program never has it" arrives "$manager"
    check "$manager: a tool that fails is a 502 with a hint" fails "$manager"
    check "$manager: a new secret is used after --credential-ttl" rotates "$manager"
    check "$manager: and not before" stays "$manager"
done
