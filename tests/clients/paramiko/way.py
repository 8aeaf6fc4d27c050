"""The way to the server, which every script is given: port, login name, key file, known hosts."""

import os
import sys

import paramiko


def connect(**options):
    """An authenticated client that trusts the pinned host key alone."""
    port, login, key, known_hosts = sys.argv[1:5]
    client = paramiko.SSHClient()
    client.load_host_keys(known_hosts)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        "127.0.0.1",
        port=int(port),
        username=login,
        key_filename=key,
        allow_agent=False,
        look_for_keys=False,
        timeout=20,
        **options,
    )
    return client


def expect(seen, wanted, what="it"):
    """Fails with both when they differ."""
    if seen != wanted:
        raise SystemExit(f"{what} is {seen!r}, not {wanted!r}")


def arguments():
    """What a script was given beside the way."""
    return sys.argv[5:]


def path(name):
    """A file in the folder of the client's side."""
    return os.path.join(os.getcwd(), name)
