"""Registries of languages and of Debian, each with one tiny package."""

import functools
import gzip
import hashlib
import io
import json
import tarfile

NAME = "interop-package"
DEB = f"{NAME}_1.0_all.deb"


def archive(files):
    """A tar file, compressed, the same bytes each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


@functools.cache
def crate():
    manifest = f'[package]\nname = "{NAME}"\nversion = "1.0.0"\nedition = "2021"\n'
    return archive(
        {
            f"{NAME}-1.0.0/Cargo.toml": manifest,
            f"{NAME}-1.0.0/src/lib.rs": 'pub const ANSWER: &str = "interop-installed";\n',
        }
    )


def crates(connection, request, path, body):
    """A sparse registry of Cargo's, which asks for a token."""
    root = "https://crates.interop.example"
    if path == "/index/config.json":
        return connection.json(request, {"dl": f"{root}/files", "api": root, "auth-required": True})
    if path == f"/index/in/te/{NAME}":
        line = {"name": NAME, "vers": "1.0.0", "deps": [], "features": {}, "yanked": False}
        line["cksum"] = hashlib.sha256(crate()).hexdigest()
        return connection.json(request, line)
    if path == f"/files/{NAME}/1.0.0/download":
        return connection.answer(request, crate(), "application/octet-stream")
    if path == "/api/v1/crates":
        found = {"name": NAME, "max_version": "1.0.0", "description": "interop-found"}
        return connection.json(request, {"crates": [found], "meta": {"total": 1}})
    return None


@functools.cache
def deb():
    """A package of Debian's: an ar archive of three files."""
    fields = f"Package: {NAME}\nVersion: 1.0\nArchitecture: all\nMaintainer: interop <interop@interop.example>\nDescription: interop\n"
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": archive({"./control": fields}),
        "data.tar.gz": archive({"./usr/share/interop": "interop-installed\n"}),
    }
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    return out


def apt(connection, request, path, body):
    """A flat repository, which its user has to declare trusted: nothing is signed."""
    package = (
        f"Package: {NAME}\nVersion: 1.0\nArchitecture: all\nMaintainer: interop <interop@interop.example>\n"
        f"Filename: ./{DEB}\nSize: {len(deb())}\nSHA256: {hashlib.sha256(deb()).hexdigest()}\nDescription: interop\n"
    ).encode()
    digest = hashlib.sha256(package).hexdigest()
    release = f"Suite: ./\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {digest} {len(package)} Packages\n".encode()
    # apt asks for what the list calls ./NAME in just these words.
    path = path.replace("/./", "/")
    files = {"/Release": release, "/Packages": package, f"/{DEB}": deb()}
    if path in files:
        return connection.answer(request, files[path], "application/octet-stream")
    return None
