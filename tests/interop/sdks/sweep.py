#!/usr/bin/env python3
"""Calls each package of packages.py once, by `authsome run` and against an origin of its own on this machine, and judges what arrived.

    sweep.py MODE AUTHSOME FOLDER PYTHON NODES [NAME...]

MODE is `check`, which fails where SDKS.md says anything else, or `write`, which puts the table there; with names, of packages,
providers or languages, it is neither. NODES are programs with commas between: each package is called by each. FOLDER has ca.pem,
origin.pem and origin.key, calls.mjs and node_modules. Prints a line for each package, and what is wrong below it."""

import base64
import concurrent.futures
import json
import gzip
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import zlib

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent)]

import check
import origin
from packages import PACKAGES
from packages import PROVIDERS
from table import table_of

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE / "SDKS.md"
MARK = "<!-- packages -->\n"
HEAD = ("provider", "language", "package", "version", "arrived, once", "credential", "no placeholder", "needs, or why not")

class Scripted(origin.Connection):
    """A connection that gives every request the same answer, and keeps what came."""

    def serve(self, request):
        body = request.body()
        self.server.kept.append((request, body))
        value = self.server.script
        return self.json(request, value(request, body) if callable(value) else value)


class Origin(origin.Server):
    """An origin for one package's call."""

    def __init__(self, folder, answer):
        super().__init__(folder / "origin.pem", folder / "origin.key", os.devnull, "", "")
        self.RequestHandlerClass = Scripted
        self.kept = []
        self.script = answer

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def plain(body, coding):
    """A body as it was before its coding."""
    if coding == "gzip":
        return gzip.decompress(body)
    if coding == "deflate":
        return zlib.decompress(body)
    return body


def text_of(request, body):
    """Returns the whole text of a request."""
    target = urllib.parse.unquote(request.target)
    said = plain(body, request.field("content-encoding"))
    return "\n".join([request.raw.decode("latin-1"), target, said.decode("latin-1"), urllib.parse.unquote_plus(said.decode("latin-1"))])


def expected(kind, value):
    """The field or the parameter that has the credential, and its whole value."""
    scheme, _, more = kind.partition(":")
    if scheme == "field":
        return more, value
    if scheme == "prefix":
        return "authorization", f"{more} {value}"
    if scheme == "basic":
        return "authorization", "Basic " + base64.b64encode(f"{more}:{value}".encode()).decode()
    if scheme == "query":
        return more, value
    return "authorization", f"Bearer {value}"


def carried(request, kind, name):
    if kind.startswith("query:"):
        return urllib.parse.parse_qs(urllib.parse.urlsplit(request.target).query).get(name, [])
    return [value for field, value in request.fields if field == name]


class Call:
    """One call of one package: as it is, or with the option that it needs."""

    def __init__(self, package, program, paths, option):
        self.package = package
        self.program = program
        self.provider = PROVIDERS[package.provider]
        self.paths = paths
        self.option = option
        self.hosts = (package.host or self.provider.host).split(",")
        self.kind = package.credential or self.provider.credential
        self.key = self.provider.looks.format(secrets.token_hex(32))
        answer = self.provider.answer if package.answer is None else package.answer
        with tempfile.TemporaryDirectory() as home, Origin(paths["folder"], answer) as served:
            self.code, self.output = self.run(home, served.server_address[1])
            self.kept = list(served.kept)

    def run(self, home, port):
        name = self.package.call or self.package.name
        option = ["with"] if self.option else []
        script = HERE / "calls.py" if self.package.language == "Python" else self.paths["folder"] / "calls.mjs"
        command = [self.program, script, name, *option]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "TMPDIR": home,
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NODE_NO_WARNINGS": "1",
            self.provider.variable: self.key,
            **self.provider.more,
        }
        arguments = [self.paths["authsome"], "run", "--verbose", "--upstream-ca", self.paths["folder"] / "ca.pem"]
        for host in self.hosts:
            arguments += ["--connect-to", f"{host}:443:127.0.0.1:{port}"]
        arguments += [*self.provider.options, "--", *command]
        done = subprocess.run(
            ["timeout", "--kill-after=5", str(self.seconds()), *map(str, arguments)],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace")

    def seconds(self):
        """Returns the time limit of a call: some packages retry for minutes when it fails."""
        return 15 if self.package.fails and not self.option else 60

    def cells(self):
        """Whether it arrived once, with the credential, and without placeholder."""
        requests = [request for request, _ in self.kept]
        right = all(self.right(request) for request in requests)
        said = "\n".join(text_of(*pair) for pair in self.kept)
        masked = any(form in said for form in check.forms(check.PLACEHOLDER))
        # Some ask for something else, too: what may not be is that one comes twice.
        once = len({(request.method, request.target) for request in requests}) == len(requests)
        arrived = once and all(request.field("host") in self.hosts for request in requests)
        if not requests:
            return ("NO", "-", "-")
        return tuple("yes" if good else "NO" for good in (arrived, right, not masked))

    def right(self, request):
        """Whether a request has the credential, once; or has none where it is to have none."""
        name, value = expected(self.kind, self.key)
        wanted = [] if request.target.split("?")[0] in self.package.without else [value]
        times = sum(request.raw.decode("latin-1").count(form) for form in check.forms(self.key))
        return carried(request, self.kind, name) == wanted and times == len(wanted)

    def problems(self):
        """What is wrong with a call that is to succeed."""
        cells = self.cells()
        if cells != ("yes", "yes", "yes"):
            yield f"{len(self.kept)} requests came: arrived once, credential, no placeholder: {', '.join(cells)}"
        if self.code:
            yield f"exit code {self.code}"
        if self.key in self.output:
            yield "the program has seen the credential"

    def failure_problems(self):
        """What is wrong with a call that is to fail."""
        if self.kept or not self.code:
            yield f"it was to fail: {len(self.kept)} requests came, exit code {self.code}"
        past, distrusted = "proxy" == self.package.fails, "ca" == self.package.fails
        reach = check.reach(self.output, self.kept)
        if past and reach != ("NO", "-") or distrusted and reach != ("yes", "NO"):
            yield f"it was to fail by the {self.package.fails}: proxy {reach[0]}, CA {reach[1]}"
        if not self.package.reason:
            yield "it fails, and there is no reason"


def tried(package, program, paths):
    """A package's cells, what is wrong, and the last call."""
    call = Call(package, program, paths, option=False)
    if not package.fails:
        return call.cells(), list(call.problems()), call
    problems = list(call.failure_problems())
    if package.needs:
        call = Call(package, program, paths, option=True)
        problems += call.problems()
    return call.cells(), problems, call


def tried_by_all(package, paths):
    """Calls a package by each program that can run it. Returns the first faulty result, else the last."""
    programs = [paths["python"]] if package.language == "Python" else paths["nodes"]
    for program in programs:
        result = tried(package, program, paths)
        if result[1]:
            break
    return result


def versions(paths):
    """The installed version of each package."""
    script = "import importlib.metadata as m, json; print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    found = subprocess.run([paths["python"], "-c", script], stdout=subprocess.PIPE, check=True).stdout
    python = {name.lower().replace("_", "-"): version for name, version in json.loads(found).items()}

    def version_of(package):
        if package.language == "Python":
            return python.get(package.name.lower().replace("_", "-"), "missing")
        manifest = paths["folder"] / "node_modules" / package.name / "package.json"
        return json.loads(manifest.read_text())["version"] if manifest.exists() else "missing"

    return version_of


def note(package):
    if package.needs:
        return f"{package.needs}: {package.reason}"
    return f"can't: {package.reason}" if package.fails else ""


def count_of(lines):
    cannot = sum(1 for line in lines if line[-1].startswith("can't: "))
    needing = sum(1 for line in lines if line[-1]) - cannot
    packages = len({line[1:3] for line in lines})
    providers = len({line[0] for line in lines})
    return (
        f"{packages} packages, {providers} providers, {len(lines)} calls: {len(lines) - needing - cannot} by the package's defaults, "
        f"{needing} with what is in the last column; {cannot} can't."
    )


def without_version(text):
    lines = [line.split(" | ") for line in text.splitlines()]
    return [line[:3] + line[4:] if len(line) == len(HEAD) else line for line in lines]


def table(mode, lines):
    """Compares or writes the table: whether that went well."""
    new = f"{table_of(HEAD, lines)}\n{count_of(lines)}\n"
    before, old, after = TABLE.read_text().split(MARK)
    if mode == "write":
        TABLE.write_text(MARK.join([before, new, after]))
        return True
    said, found = without_version(old), without_version(new)
    if said == found:
        print("ok    SDKS.md says the same")
        return True
    print("FAIL  SDKS.md says something else: look at it, then tests/interop/sdks/run --write")
    for sign, these, those in (("-", said, found), ("+", found, said)):
        for row in these:
            if row not in those:
                print(f"    {sign} {' | '.join(row)}")
    return False


def tell(package, version, cells, problems, call):
    """A line, and below it what is wrong, the end of the program's output and what came."""
    print(f"{'FAIL' if problems else 'ok  '}  {package.language:6} {package.name:34} {version:10} {'  '.join(cells)}  {note(package)}")
    if problems:
        told = [f"    {problem}" for problem in problems]
        told += [f"    | {line[:300]}" for line in call.output.splitlines()[-12:]]
        told += [f"    > {request.method} {request.field('host')}{request.target.split('?')[0]}" for request, _ in call.kept]
        print("\n".join(told))
    sys.stdout.flush()


def main():
    mode, authsome, folder, python, nodes, *names = sys.argv[1:]
    paths = {"authsome": authsome, "folder": pathlib.Path(folder), "python": python, "nodes": nodes.split(",")}
    wanted = [one for one in PACKAGES if not names or {one.name, one.provider, one.language} & set(names)]
    version_of = versions(paths)
    lines = []
    bad = 0
    with concurrent.futures.ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        for package, (cells, problems, call) in zip(wanted, pool.map(lambda one: tried_by_all(one, paths), wanted)):
            version = version_of(package)
            lines.append((package.provider, package.language, f"`{package.name}`", version, *cells, note(package)))
            tell(package, version, cells, problems, call)
            bad += bool(problems)
    print(count_of(lines))
    if not names and not table(mode, sorted(lines)):
        bad += 1
    print(f"{len(wanted) - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
