# shellcheck shell=bash
# Machines that run things by themselves: systemd, cron, a runner of GitHub Actions. cron is the real one; the others' files are checked,
# and what they start is started as they would.

# The program, which also looks for what it should not have: `write_nosy_agent COMMANDS`.
write_nosy_agent() {
    write_program my-agent "id
$1
exec curl -sS --max-time 60 https://api.openai.com/v1/models"
}

# --- systemd --------------------------------------------------------------------------------------------------------------------

useradd --system --no-create-home --home-dir /nonexistent my-agent
mkdir -m 700 /etc/authsome

units=$work/units
mkdir "$units"

# What a unit says: `setting UNIT NAME`, without the name.
setting() { sed -n "s/^$2=//p" "$units/$1"; }

# `lay_credentials UNIT`
lay_credentials() {
    local pair
    mkdir -p "/run/credentials/$1"
    for pair in $(setting "$1" LoadCredential); do
        install -m 400 "${pair#*:}" "/run/credentials/$1/${pair%%:*}"
    done
}

# The command of a unit, as systemd starts it: with its credentials, what it may do, a /tmp of its own and an environment of nothing. systemd
# itself is not started: its units are the machine's.
start_unit() {
    local unit=$1 credentials=/run/credentials/$1 words capabilities
    lay_credentials "$unit"
    words=$(setting "$unit" ExecStart)
    capabilities=$(setting "$unit" CapabilityBoundingSet | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
    # shellcheck disable=SC2086,SC2016
    unshare --mount "$BASH" -euc 'mount -t tmpfs -o mode=1777 tmpfs /var/tmp; cd /; exec env -i "$@"' unit \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin LANG=C.UTF-8 TMPDIR=/var/tmp CREDENTIALS_DIRECTORY="$credentials" \
        setpriv --no-new-privs --inh-caps=-all --bounding-set="-all,$capabilities" ${words//%d/$credentials}
}

is_a_unit() {
    recipe "$1" >"$units/$2"
    # What it starts has to be there.
    write_agent
    systemd-analyze verify "$units/$2"
}

is_confined() {
    local found
    # From 0 to 10, where 10 is a service without any limits.
    found=$(systemd-analyze security --offline=true --no-pager "$units/$1" | sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
    echo "exposure: $found, of 10"
    [[ $found ]] && awk "BEGIN { exit !($found < $2) }"
}

runs_as_a_service() {
    local secret
    secret=$(new_secret)
    install -m 600 <(echo "$secret") /etc/authsome/openai.key
    # shellcheck disable=SC2016
    write_nosy_agent 'cat /etc/authsome/openai.key /run/credentials/*/* "$CREDENTIALS_DIRECTORY/openai"'
    start_unit my-agent.service >"$work/output" 2>&1 </dev/null
    arrived "$secret"
    grep -q '^uid=.*(my-agent)' "$work/output"
    grep -q '/run/credentials/my-agent.service/openai: Permission denied' "$work/output"
}

check "systemd: the unit is one as systemd-analyze wants it" is_a_unit systemd my-agent.service
check "systemd: it may do little" is_confined my-agent.service 4.1
check "systemd: a service with a credential that the program can't read" runs_as_a_service

# The service's socket is opened by systemd's own tool for that, which starts it at the first connection.
runs_by_its_socket() {
    local secret password credentials=/run/credentials/authsome.service address words
    secret=$(new_secret)
    password=$(openssl rand -hex 24)
    install -m 600 <(echo "$secret") /etc/authsome/openai.key
    install -m 600 <(echo "$password") /etc/authsome/password
    lay_credentials authsome.service
    mkdir -p /run/authsome
    address=$(setting authsome.socket ListenStream)
    words=$(setting authsome.service ExecStart)
    # shellcheck disable=SC2086
    env -i PATH="$PATH" systemd-socket-activate --listen="$address" ${words//%d/$credentials} >"$work/serve.log" 2>&1 &
    echo $! >"$work/started"
    wait_for 20 curl -sf "http://$address/healthz"
    SSL_CERT_FILE=/run/authsome/bundle.pem HTTPS_PROXY=http://authsome:$password@$address my-agent >"$work/output" 2>&1
    arrived "$secret"
}

are_units() {
    recipe systemd-socket >"$units/authsome.socket"
    is_a_unit systemd-serve authsome.service
    systemd-analyze verify "$units/authsome.socket"
}

check "systemd: a service and its socket, as systemd-analyze wants them" are_units
check "systemd: it may do little too" is_confined authsome.service 4
check "systemd: a proxy that is started by its socket" runs_by_its_socket

# --- cron -----------------------------------------------------------------------------------------------------------------------

runs_by_cron() {
    local secret
    secret=$(new_secret)
    write_agent
    rm -rf "$HOME/.authsome"
    printf '%s' "$secret" | authsome login openai --stdin
    install -m 600 <(openssl rand -hex 16) /etc/authsome/passphrase
    authsome vault rekey --passphrase-file /etc/authsome/passphrase
    [[ ! -e $HOME/.authsome/master.key ]]
    mkdir -p /var/spool/cron
    mkdir -m 1730 /var/spool/cron/crontabs
    chgrp crontab /var/spool/cron/crontabs
    recipe cron | sed "s|^0 7 \* \* \*\(.*\)|@reboot\1 >$work/output 2>\&1|" >"$work/crontab"
    grep -q '^@reboot authsome run ' "$work/crontab"
    crontab "$work/crontab"
    cron -f >"$work/cron.log" 2>&1 &
    wait_for 30 grep -qs interop-model "$work/output"
    kill $!
    arrived "$secret"
}

check "cron: a job with the vault, sealed with a passphrase" runs_by_cron

# --- GitHub Actions -------------------------------------------------------------------------------------------------------------

is_a_workflow() {
    mkdir -p "$work/checkout/bin"
    recipe actions >"$work/checkout/agent.yml"
    "$tools/check-jsonschema" --builtin-schema vendor.github-workflows "$work/checkout/agent.yml"
}

# The runner's user may do anything by sudo, as on GitHub's machines.
make_runner() {
    useradd --create-home --home-dir "$work/runner" --shell /bin/bash runner
    mount -t tmpfs -o mode=755 tmpfs /srv
    echo 'runner ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/runner
    cp /usr/local/bin/authsome "$work/checkout/bin/authsome"
    install -m 755 <(printf '#!/bin/sh\n%s\n' 'id -un; sudo -n cat /run/openai.key; cat /run/openai.key; cat /proc/[0-9]*/environ 2>/dev/null
exec curl -sS --max-time 60 https://api.openai.com/v1/models') "$work/checkout/my-agent"
    chown -R runner: "$work/checkout"
    rm /usr/local/bin/authsome
}

# The steps that run something, one after the other, each in a shell as the runner starts it.
runs_on_a_runner() {
    local secret
    secret=$(new_secret)
    rm -rf "$HOME/.authsome"
    make_runner
    "$tools/python" - "$work/checkout/agent.yml" "$secret" "$work/checkout" <<'PYTHON' >"$work/output" 2>&1
import os, subprocess, sys, yaml
file, secret, checkout = sys.argv[1:]
for step in yaml.safe_load(open(file))["jobs"]["agent"]["steps"]:
    if "run" in step:
        values = {name: value.replace("${{ secrets.OPENAI_API_KEY }}", secret) for name, value in step.get("env", {}).items()}
        script = os.path.join(checkout, "step.sh")
        with open(script, "w") as out:
            out.write(step["run"])
        os.chmod(script, 0o644)
        words = ["setpriv", "--reuid=runner", "--regid=runner", "--init-groups", "--reset-env"]
        words += ["env", "CI=true", *(f"{name}={value}" for name, value in values.items())]
        subprocess.run([*words, "bash", "--noprofile", "--norc", "-eo", "pipefail", script], check=True, cwd=checkout)
PYTHON
    arrived "$secret"
    grep -qx agent "$work/output"
    grep -q 'cat: /run/openai.key: Permission denied' "$work/output"
    grep -q 'sudo: ' "$work/output"
    [[ ! -e /run/openai.key ]]
}

check "GitHub Actions: the workflow meets its schema" is_a_workflow
check "GitHub Actions: its steps, and a program that gets nothing by sudo" runs_on_a_runner
