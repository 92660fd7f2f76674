#!/usr/bin/env python3
"""Reads a vault by what the documentation of src/vault/format.rs says of its bytes, and by nothing else: a second opinion on both.

    vault-reader.py VAULT KEYFILE                    names, one a line
    vault-reader.py VAULT --passphrase FILE          the same, with the passphrase in the file's first line
    vault-reader.py VAULT KEYFILE --secret NAME      writes this entry's secret, as it is

KEYFILE holds the master key as authsome keeps it: base64 of 32 bytes, or 64 hexadecimal digits.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FIRST_LINE = b"authsome-vault 1\n"


def derived(master, purpose, length):
    """The key for a purpose: HKDF-SHA256 without a salt."""
    info = b"authsome-vault 1 " + purpose
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=info).derive(master)


def opened(key, sealed, associated):
    """What was sealed: nonce, ciphertext and tag."""
    return ChaCha20Poly1305(key).decrypt(sealed[:12], sealed[12:], associated)


def master_key(text):
    """The 32 bytes that a key's file holds."""
    text = text.strip()
    key = bytes.fromhex(text.decode()) if len(text) == 64 else base64.b64decode(text, validate=True)
    if len(key) != 32:
        raise ValueError("a master key has 32 bytes")
    return key


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vault", type=pathlib.Path)
    parser.add_argument("keyfile", type=pathlib.Path, nargs="?")
    parser.add_argument("--passphrase", type=pathlib.Path)
    parser.add_argument("--secret")
    args = parser.parse_args()

    file = args.vault.read_bytes()
    if not file.startswith(FIRST_LINE):
        raise ValueError("this is no vault of version 1")
    end = file.index(b"\n", len(FIRST_LINE)) + 1
    head, body = file[:end], file[end:]
    about = json.loads(head[len(FIRST_LINE) :])
    if about["cipher"] != "ChaCha20-Poly1305":
        raise ValueError("another cipher")

    if args.passphrase:
        kdf = about["passphrase"]
        if kdf["kdf"] != "PBKDF2-HMAC-SHA256":
            raise ValueError("another key derivation")
        passphrase = args.passphrase.read_bytes().split(b"\n")[0]
        master = hashlib.pbkdf2_hmac("sha256", passphrase, bytes.fromhex(kdf["salt"]), kdf["rounds"], 32)
    else:
        master = master_key(args.keyfile.read_bytes())
    if derived(master, b"key id", 16).hex() != about["key_id"]:
        raise ValueError("this is another vault's key")

    entries = json.loads(opened(derived(master, b"contents", 32), body, head))["entries"]
    if args.secret is None:
        print("\n".join(sorted(entries)))
        return
    sealed = base64.b64decode(entries[args.secret]["secret"], validate=True)
    place = FIRST_LINE + args.secret.encode()
    sys.stdout.buffer.write(opened(derived(master, b"secret", 32), sealed, place))


main()
