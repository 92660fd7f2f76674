"""Registries of packages, each with one tiny package that says where it came from; and a folder of Google's."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile

NAME = "interop-package"
MODULE = "interop_package"
WHEEL = f"{MODULE}-1.0.0-py3-none-any.whl"
TARBALL = f"/{NAME}/-/{NAME}-1.0.0.tgz"


def wheel():
    files = {
        f"{MODULE}.py": 'print("interop-installed")\n',
        f"{MODULE}-1.0.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0.0\n",
        f"{MODULE}-1.0.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: interop\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{MODULE}-1.0.0.dist-info/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*files, record])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            # A fixed time: the same bytes each time.
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


def python_index(connection, request, path, body):
    """The simple repository API (PEP 503)."""
    if path == f"/simple/{NAME}/":
        page = f'<!DOCTYPE html><html><body><a href="/files/{WHEEL}">{WHEEL}</a></body></html>'
        return connection.answer(request, page.encode(), "text/html")
    if path == f"/files/{WHEEL}":
        return connection.answer(request, wheel(), "application/octet-stream")
    return None


def python_upload(connection, request, path, body):
    if path == "/legacy/" and request.method == "POST" and WHEEL.encode() in body:
        return connection.json(request, {})
    return None


def tarball():
    files = {
        "package.json": json.dumps({"name": NAME, "version": "1.0.0", "main": "index.js"}),
        "index.js": 'console.log("interop-installed");\n',
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


def npm(connection, request, path, body):
    if path == f"/{NAME}":
        data = tarball()
        dist = {
            "tarball": f"https://registry.interop.example{TARBALL}",
            "shasum": hashlib.sha1(data).hexdigest(),
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode(),
        }
        version = {"name": NAME, "version": "1.0.0", "dist": dist}
        package = {
            "name": NAME,
            "dist-tags": {"latest": "1.0.0"},
            "versions": {"1.0.0": version},
            # Old enough for those that wait before they take what is new.
            "time": {"created": "2020-01-01T00:00:00.000Z", "1.0.0": "2020-01-01T00:00:00.000Z"},
        }
        return connection.json(request, package)
    if path == TARBALL:
        return connection.answer(request, tarball(), "application/octet-stream")
    return None


def drive(connection, request, path, body):
    if path == "/drive/v3/files":
        return connection.json(request, {"files": [{"id": "1", "name": "interop-file"}]})
    return None
