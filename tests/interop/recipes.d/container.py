#!/usr/bin/env python3
"""Runs a container of a compose file or of a Kubernetes manifest, as far as namespaces, mounts and capabilities go: no engine is needed.

    container.py WORLD FILE NAME [WORD...]

FILE has the service or the container NAME. WORLD is a folder with what a host or a cluster would bring:

    images/NAME/Dockerfile   the image's instructions, for the image of this name (whatever registry and tag it has)
    files/NAME               what COPY takes from the build's folder, by its last name
    secrets/NAME[/KEY]       a secret of compose (a file), or one of Kubernetes (a folder)
    configs/NAME/KEY         a ConfigMap
    volumes/NAME             a volume that containers share; made when it isn't there

It is to be started as process 1 of a PID namespace, in a mount namespace that may be changed, and becomes the container's process. With
words, the container runs these, as for a probe or `exec`. What this machine trusts is in every image, and so are the names that it knows.
"""

import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

PR_SET_NO_NEW_PRIVS = 38
PR_CAPBSET_DROP = 24
CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "KILL": 5, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10, "SYS_CHROOT": 18}
LAST_CAPABILITY = int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text())
# What engines leave a container where nothing is said, of what matters here.
USUAL = {"CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID", "NET_BIND_SERVICE", "SYS_CHROOT"}
SYSTEM = ["bin", "etc", "lib", "lib64", "sbin", "usr"]

libc = ctypes.CDLL(None, use_errno=True)


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


class Container:
    """What is known of it, whatever it was read from."""

    def __init__(self, world, image):
        self.world = world
        self.name = image.rsplit("/", 1)[-1].split(":")[0]
        self.command = None  # in the place of the image's entry point
        self.arguments = None
        self.environment = {}
        self.binds = []  # (what, where, whether it is read-only)
        self.temporary = []  # (where, mode)
        self.capabilities = set(USUAL)
        self.read_only = False
        self.no_new_privileges = False
        self.user = None

    def volume(self, name, mode):
        folder = self.world / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        return folder

    def drop(self, drop, add):
        if "ALL" in drop:
            self.capabilities = set()
        self.capabilities |= set(add)

    # --- The image --------------------------------------------------------------------------------------------------------------

    def build(self, root):
        """Lays the image's files out, and says what it starts."""
        folder = self.world / "images" / self.name
        if not folder.exists():
            self.lay_system(root)
            return [], []
        text = (folder / "Dockerfile").read_text().replace("\\\n", " ")
        lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
        stages = [rest.split()[0] for word, rest in lines if word == "FROM"]
        if stages[-1] != "scratch":
            self.lay_system(root)
        start = {"ENTRYPOINT": [], "CMD": []}
        for word, rest in lines:
            if word in start:
                start[word] = json.loads(rest)
            elif word == "COPY":
                *_, source, target = rest.split()
                self.copy(source, root / target.lstrip("/"))
            elif word not in ("FROM", "USER"):
                raise SystemExit(f"container.py knows no {word}")
        return start["ENTRYPOINT"], start["CMD"]

    @staticmethod
    def lay_system(root):
        """Every image of others is this machine's system."""
        for name in SYSTEM:
            (root / name).mkdir()
            mount("--rbind", pathlib.Path("/", name), root / name)

    def copy(self, source, target):
        found = self.world / "files" / pathlib.Path(source).name
        # Where the whole of /usr is this machine's, what is to be there is there.
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, target)
            self.copy_libraries(found, target)

    @staticmethod
    def copy_libraries(program, target):
        """What a program that isn't static needs besides."""
        root = target.parent
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)

    # --- Its start --------------------------------------------------------------------------------------------------------------

    def run(self, instead):
        root = self.world / "roots" / f"{self.name}-{os.urandom(4).hex()}"
        root.mkdir(parents=True)
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
        entry, command = self.build(root)
        for name in ("proc", "dev", "etc"):
            (root / name).mkdir(exist_ok=True)
        mount("-t", "proc", "proc", root / "proc")
        # Engines give each container one.
        (root / "dev" / "shm").mkdir(exist_ok=True)
        mount("-t", "tmpfs", "-o", "mode=1777", "shm", root / "dev" / "shm")
        for name in ("null", "zero", "urandom"):
            self.bind(pathlib.Path("/dev", name), root / "dev" / name, False)
        for name in ("hosts", "ssl/certs/ca-certificates.crt"):
            if not (root / "etc" / name).exists():
                (root / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(f"/etc/{name}", root / "etc" / name)
        for where, mode in self.temporary:
            place = root / where.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            mount("-t", "tmpfs", "-o", f"mode={mode:o}", "tmpfs", place)
        for what, where, read_only in self.binds:
            self.bind(what, root / where.lstrip("/"), read_only)
        if self.read_only:
            mount("-o", "remount,ro", root)
        os.chroot(root)
        os.chdir("/")
        for number in range(LAST_CAPABILITY + 1):
            if number not in {CAPABILITIES[name] for name in self.capabilities}:
                libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
        if self.user is not None:
            os.setgroups([])
            os.setresgid(self.user, self.user, self.user)
            os.setresuid(self.user, self.user, self.user)
        if self.no_new_privileges:
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        words = instead or (self.command or entry) + (command if self.arguments is None else self.arguments)
        usual = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        environment = usual | self.environment
        program = words[0] if "/" in words[0] else shutil.which(words[0], path=environment["PATH"])
        os.execve(program, words, environment)

    @staticmethod
    def bind(what, where, read_only):
        if what.is_dir():
            where.mkdir(parents=True, exist_ok=True)
        else:
            where.parent.mkdir(parents=True, exist_ok=True)
            where.touch()
        mount("--bind", what, where)
        if read_only:
            mount("-o", "remount,bind,ro", where)


def of_compose(world, document, name):
    service = document["services"][name]
    container = Container(world, service["image"])
    container.arguments = service.get("command")
    container.environment = {key: os.path.expandvars(str(value)) for key, value in service.get("environment", {}).items()}
    for secret in service.get("secrets", []):
        # Files of the host, as they are there.
        container.binds.append((world / "secrets" / secret, f"/run/secrets/{secret}", True))
    for volume in service.get("volumes", []):
        what, where, *options = volume.split(":")
        # A new one has the mode of the folder that the image has there: none, so root's.
        container.binds.append((container.volume(what, 0o755), where, options == ["ro"]))
    container.temporary = [(where, 0o1777) for where in service.get("tmpfs", [])]
    container.drop(service.get("cap_drop", []), service.get("cap_add", []))
    container.read_only = service.get("read_only", False)
    container.no_new_privileges = "no-new-privileges:true" in service.get("security_opt", [])
    return container


def of_kubernetes(world, documents, name):
    """The container of this name in any of the manifests."""
    specs = [item.get("spec", {}) for item in documents]
    pods = [spec.get("template", {}).get("spec", spec) for spec in specs]
    pod, found = next(
        (pod, found)
        for pod in pods
        for found in pod.get("initContainers", []) + pod.get("containers", [])
        if found["name"] == name
    )
    container = Container(world, found["image"])
    container.command = found.get("command")
    container.arguments = found.get("args", [] if container.command else None)
    container.environment = environment_of(world, found.get("env", []))
    context = {**pod.get("securityContext", {}), **found.get("securityContext", {})}
    group = context.get("fsGroup")
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    for place in found.get("volumeMounts", []):
        volume = volumes[place["name"]]
        if "emptyDir" in volume:
            what = container.volume(volume["name"], 0o777)
        elif "configMap" in volume:
            what = as_mounted(world / "configs" / volume["configMap"]["name"], 0o644, group)
        else:
            secret = volume["secret"]
            what = as_mounted(world / "secrets" / secret["secretName"], secret.get("defaultMode", 0o644), group)
        if "subPath" in place:
            what = (what / place["subPath"]).resolve()
        read_only = place.get("readOnly", False) or "emptyDir" not in volume
        container.binds.append((what, place["mountPath"], read_only))
    capabilities = context.get("capabilities", {})
    container.drop(capabilities.get("drop", []), capabilities.get("add", []))
    container.read_only = context.get("readOnlyRootFilesystem", False)
    container.no_new_privileges = not context.get("allowPrivilegeEscalation", True)
    container.user = context.get("runAsUser")
    return container


def environment_of(world, entries):
    """The variables, with those that are written into others."""
    environment = {}
    for entry in entries:
        value = entry.get("value")
        if value is None:
            of = entry["valueFrom"]["secretKeyRef"]
            value = (world / "secrets" / of["name"] / of["key"]).read_text()
        environment[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], value)
    return environment


def as_mounted(source, mode, group):
    """A folder as the kubelet lays it: open to all, sticky, links to links to files, with the group that the pod asks for."""
    place = source.parent / f".{source.name}"
    # All containers of a pod see the same.
    if place.exists():
        return place
    (place / "..first").mkdir(parents=True)
    (place / "..data").symlink_to("..first")
    for file in source.iterdir():
        laid = place / "..first" / file.name
        shutil.copy(file, laid)
        laid.chmod(mode if group is None else mode | 0o440)
        if group is not None:
            os.chown(laid, 0, group)
        (place / file.name).symlink_to(f"..data/{file.name}")
    place.chmod(0o1777)
    return place


def main():
    world, file, name, *instead = sys.argv[1:]
    documents = list(yaml.safe_load_all(pathlib.Path(file).read_text()))
    if "services" in documents[0]:
        container = of_compose(pathlib.Path(world), documents[0], name)
    else:
        container = of_kubernetes(pathlib.Path(world), documents, name)
    container.run(instead)


if __name__ == "__main__":
    main()
