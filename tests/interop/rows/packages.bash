# shellcheck shell=bash disable=SC2154
# Package managers, each of which installs a package that only the origin has.

hosts+=(index.interop.example upload.pypi.org registry.interop.example)
secret pypi PYPI_TOKEN pypi-real

packages_rows() {
    python_installers
    node_installers
}

python_installers() {
    define index INTEROP_INDEX_TOKEN index-real <<'JSON'
{
  "name": "index",
  "api_url": "https://index.interop.example",
  "api_key": {"in": "basic", "username": "__token__"},
  "export": {"INTEROP_INDEX_TOKEN": "API_TOKEN"}
}
JSON
    local kind=(answer=interop-installed host=index.interop.example credential=basic:index:__token__ requests=2+)
    local uv=$cache/venv/bin/uv
    row "pip, install" "$(python_version pip)" "${kind[@]}" -- "$clients/use_pip" "$python" "$python" -m pip install
    row "uv, install" "$(python_version uv)" "${kind[@]}" -- "$clients/use_pip" "$python" "$uv" pip install --python "$python"
    row "twine, upload" "$(python_version twine)" answer=pypi.org/project/interop-package host=upload.pypi.org \
        credential=basic:pypi:__token__ -- "$clients/use_twine" "$python"
}

node_installers() {
    define registry INTEROP_REGISTRY_TOKEN registry-real <<'JSON'
{
  "name": "registry",
  "api_url": "https://registry.interop.example",
  "export": {"INTEROP_REGISTRY_TOKEN": "API_TOKEN"}
}
JSON
    local kind=(answer=interop-installed host=registry.interop.example credential=bearer:registry requests=2+) node
    node=$(node_since 20 19)
    row "npm, install" "$(program_version npm --version)" "${kind[@]}" -- "$clients/use_npm" "$node" npm install
    row "pnpm, install" "$(module_version pnpm)" "${kind[@]}" -- "$clients/use_npm" "$node" "$modules/.bin/pnpm" add
    row "yarn 1, install" "$(module_version yarn)" "${kind[@]}" -- \
        "$clients/use_npm" "$node" "$node" "$modules/yarn/bin/yarn.js" add
    row "yarn 4, install" "$(module_version @yarnpkg/cli-dist)" "${kind[@]}" -- \
        "$clients/use_npm" "$node" "$node" "$modules/@yarnpkg/cli-dist/bin/yarn.js" add
}
