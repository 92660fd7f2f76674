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

# `contain FILE CONTAINER`: a container of a compose file or a manifest, as its engine starts it. That the origin's certificate is good is
# known to this machine; an image has trust of its own.
contain() {
    mkdir -p "$world/configs/trust"
    unshare --mount --pid --fork --kill-child "$tools/python" "$here/recipes.d/container.py" "$world" "$1" "$2" "${facts[@]}"
}
facts=()

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

manifest_is_valid() {
    recipe "$1" >"$work/manifest.yaml"
    "$tools/kubernetes-validate" --strict "$work/manifest.yaml"
}

runs_in_kubernetes() {
    local secret
    secret=$(new_secret)
    recipe kubernetes >"$work/manifest.yaml"
    rm -rf "$world/secrets/authsome"
    mkdir "$world/secrets/authsome"
    printf '%s' "$secret" >"$world/secrets/authsome/openai"
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
    printf '%s' "$old" >"$world/secrets/authsome/openai"
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
