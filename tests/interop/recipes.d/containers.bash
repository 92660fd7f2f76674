# shellcheck shell=bash
# Containers: images, compose files and manifests are checked for what they are, and their containers are run by container.py.

world=$work/world
mkdir -p "$world/files" "$world/secrets" "$world/configs" "$world/volumes" "$world/roots"
cp /usr/local/bin/authsome "$world/files/authsome"

# The images of the recipes.
for image in authsome my-agent; do
    mkdir -p "$world/images/$image"
    recipe "image-$image" >"$world/images/$image/Dockerfile"
done

# `contain FILE CONTAINER [WORD...]`: a container of a compose file or a manifest, as its engine starts it, or a command in it.
engine=(unshare --mount --pid --fork --kill-child "$tools/python" "$here/recipes.d/container.py" "$world")
contain() { "${engine[@]}" "$@"; }

# --- Images -----------------------------------------------------------------------------------------------------------------------

is_a_dockerfile() { "$tools/hadolint" "$world/images/$1/Dockerfile"; }

# The folder of the image has what COPY took, and nothing else that a program could use.
runs_alone() {
    printf 'services: {authsome: {image: authsome, command: [version]}}\n' >"$work/compose.yaml"
    contain "$work/compose.yaml" authsome >"$work/output" 2>&1
    grep -qx "$(authsome version)" "$work/output"
}

check "Docker: the image of authsome is a Dockerfile as hadolint wants it" is_a_dockerfile authsome
check "Docker: the image of a program too" is_a_dockerfile my-agent
check "Docker: authsome from scratch runs" runs_alone

# --- A program in a container ---------------------------------------------------------------------------------------------------

# It asks, and looks for what it should not have.
write_curious_agent() {
    write_program my-agent 'id; cat /run/secrets/*; cat /proc/1/environ; kill -CONT 1
curl -sS --max-time 60 https://api.openai.com/v1/models'
}

compose_is_valid() {
    recipe "$1" >"$work/compose.yaml"
    "$tools/check-jsonschema" --builtin-schema vendor.compose-spec "$work/compose.yaml"
}

runs_in_compose() {
    local secret
    secret=$(new_secret)
    recipe compose >"$work/compose.yaml"
    install -m 600 <(printf '%s\n' "$secret") "$world/secrets/openai"
    write_curious_agent
    contain "$work/compose.yaml" my-agent >"$work/output" 2>&1
    arrived "$secret"
    grep -q '^uid=10001 gid=10001 groups=10001$' "$work/output"
    grep -q '/run/secrets/openai: Permission denied' "$work/output"
}

# A Secret as somebody makes it, of which no pod knows yet.
make_secret() {
    rm -rf "$world"/{secrets,configs}/{,.}authsome*
    mkdir "$world/secrets/authsome"
    printf '%s' "$1" >"$world/secrets/authsome/openai"
    openssl rand -hex 24 | tr -d '\n' >"$world/secrets/authsome/password"
}

manifest_is_valid() {
    recipe "$1" >"$work/manifest.yaml"
    "$tools/kubernetes-validate" --strict "$work/manifest.yaml"
}

runs_in_kubernetes() {
    local secret
    secret=$(new_secret)
    recipe kubernetes >"$work/manifest.yaml"
    make_secret "$secret"
    write_curious_agent
    contain "$work/manifest.yaml" my-agent >"$work/output" 2>&1
    arrived "$secret"
    grep -q '^uid=10001 gid=10001 groups=10001$' "$work/output"
    grep -q '/run/secrets/openai: Permission denied' "$work/output"
}

# The kubelet lays new files beside the old ones and turns one link.
follows_the_secret() {
    local old new
    old=$(new_secret)
    new=$(new_secret)
    recipe kubernetes >"$work/manifest.yaml"
    make_secret "$old"
    mkdir -p "$world/volumes/tmp"
    write_asking_agent "$world/volumes/tmp/ask" /tmp/ask
    contain "$work/manifest.yaml" my-agent >"$work/output" 2>&1 &
    exec 9<>"$world/volumes/tmp/ask"
    asks_with "$old"
    mkdir "$world/secrets/.authsome/..second"
    install -m 400 <(printf '%s' "$new") "$world/secrets/.authsome/..second/openai"
    ln -sfn ..second "$world/secrets/.authsome/..data"
    asks_with "$new"
    stop_asking
    hidden "$old"
    hidden "$new"
}

check "Docker: the compose file meets its schema" compose_is_valid compose
check "Docker: a program with a secret that it can't read" runs_in_compose
check "Kubernetes: the manifest meets its schema" manifest_is_valid kubernetes
check "Kubernetes: a program with a secret that it can't read" runs_in_kubernetes
check "Kubernetes: a new value of the Secret is used" follows_the_secret

# --- A proxy beside a program ---------------------------------------------------------------------------------------------------

# What compose and the cluster call authsome is this machine.
echo "127.0.0.1 authsome" >>/etc/hosts

# Starts the proxy of a file, asks what its probe asks until that is well, and hands on how the program fares.
serves() {
    local file=$1
    shift
    # No function: the process is to be this one.
    "${engine[@]}" "$file" authsome >"$work/serve.log" 2>&1 &
    echo $! >"$work/started"
    wait_for 20 "$@" >/dev/null 2>&1 || {
        cat "$work/serve.log"
        return 1
    }
}

probe_of_compose() { read_words "$work/compose.yaml" 'found["services"]["authsome"]["healthcheck"]["test"][1:]'; }
probe_of_sidecar() { read_words "$work/manifest.yaml" 'found["spec"]["initContainers"][0]["startupProbe"]["exec"]["command"]'; }

# `read_words FILE EXPRESSION`: words of a YAML file.
read_words() {
    "$tools/python" -c 'import sys, yaml; found = yaml.safe_load(open(sys.argv[1])); print(*eval(sys.argv[2]))' "$@"
}

passes_by_compose() {
    local secret
    secret=$(new_secret)
    recipe compose-serve >"$work/compose.yaml"
    install -m 600 <(echo "$secret") "$world/secrets/openai"
    PROXY_PASSWORD=$(openssl rand -hex 24)
    export PROXY_PASSWORD
    printf '%s' "$PROXY_PASSWORD" >"$world/secrets/password"
    write_program my-agent 'cat /run/secrets/*; env; curl -sS --max-time 60 https://api.openai.com/v1/models'
    # shellcheck disable=SC2046
    serves "$work/compose.yaml" contain "$work/compose.yaml" authsome $(probe_of_compose)
    contain "$work/compose.yaml" my-agent >"$work/output" 2>&1
    arrived "$secret"
    "$@"
}

# The container of a devcontainer is that of the compose file; its command is run there by a shell.
as_a_devcontainer() {
    local command before
    recipe devcontainer >"$work/devcontainer.json"
    [[ $(read_words "$work/devcontainer.json" '[found["dockerComposeFile"], found["service"]]') == "compose.yaml my-agent" ]]
    command=$(read_words "$work/devcontainer.json" '[found["postStartCommand"]]')
    before=$(requests)
    contain "$work/compose.yaml" my-agent /bin/sh -c "$command" >"$work/output" 2>&1
    grep -q interop-model "$work/output"
    [[ $(requests) == $((before + 1)) ]]
}

# The password is what lets it through.
without_its_password() {
    export PROXY_PASSWORD=wrong
    local before
    before=$(requests)
    contain "$work/compose.yaml" my-agent >"$work/output" 2>&1 || true
    grep -q 407 "$work/output"
    [[ $(requests) == "$before" ]]
}

passes_by_sidecar() {
    local secret
    secret=$(new_secret)
    recipe kubernetes-sidecar >"$work/manifest.yaml"
    rm -rf "$world/volumes/ca"
    make_secret "$secret"
    write_program my-agent 'id; cat /run/secrets/*; env; curl -sS --max-time 60 https://api.openai.com/v1/models'
    # shellcheck disable=SC2046
    serves "$work/manifest.yaml" contain "$work/manifest.yaml" authsome $(probe_of_sidecar)
    contain "$work/manifest.yaml" my-agent >"$work/output" 2>&1
    arrived "$secret"
    grep -q '^uid=10001 ' "$work/output"
}

# What kubectl would send to a cluster is laid where container.py looks for it.
write_kubectl() {
    write_program kubectl "
case \$2 in configmap) kind=configs; name=\$3; shift 3 ;; secret) kind=secrets; name=\$4; shift 4 ;; esac
mkdir $world/\$kind/\$name
for file in \"\$@\"; do
    file=\${file#--from-file=}
    cp \"\${file#*=}\" \"$world/\$kind/\$name/\$(basename \"\${file%%=*}\")\"
done"
}

# The pod of the program is described only, as the sidecar's without the sidecar.
other_pod() {
    recipe kubernetes-sidecar | sed '/^  initContainers:/,/^  containers:/{/^  containers:/!d}
        s/@127.0.0.1:8080/@authsome:8080/; s/^metadata:.*/metadata: {name: my-agent, labels: {app: my-agent}}/
        s/name: ca, emptyDir: {}/name: ca, configMap: {name: authsome-ca}/'
}

passes_by_gateway() {
    local secret
    secret=$(new_secret)
    write_kubectl
    rm -rf "$world"/{secrets,configs}/{,.}authsome*
    mkdir "$HOME/cluster"
    cd "$HOME/cluster" || return
    echo "$secret" >openai.key
    recipe kubernetes-ca >"$work/pasted"
    bash -eu "$work/pasted"
    recipe kubernetes-gateway >"$work/gateway.yaml"
    other_pod >"$work/manifest.yaml"
    "$tools/kubernetes-validate" --strict "$work/manifest.yaml"
    write_program my-agent 'env; curl -sS --max-time 60 https://api.openai.com/v1/models
curl -sS --max-time 60 https://example.com/'
    serves "$work/gateway.yaml" curl -sf http://127.0.0.1:8080/healthz
    contain "$work/manifest.yaml" my-agent >"$work/output" 2>&1 || true
    arrived "$secret"
    # The rest is refused.
    grep -q 'CONNECT tunnel failed, response 403' "$work/output"
}

check "Docker: the compose file with a proxy meets its schema" compose_is_valid compose-serve
check "Docker: a program with a proxy beside it" passes_by_compose true
check "Docker: the same with a wrong password" passes_by_compose without_its_password
check "devcontainer: its service has the proxy, its command runs there" passes_by_compose as_a_devcontainer
check "Kubernetes: the manifest with a sidecar meets its schema" manifest_is_valid kubernetes-sidecar
check "Kubernetes: a program with a sidecar" passes_by_sidecar
check "Kubernetes: the manifests of two pods meet their schemas" manifest_is_valid kubernetes-gateway
check "Kubernetes: a program with a proxy in another pod, and a CA that stays" passes_by_gateway
