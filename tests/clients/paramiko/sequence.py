"""Holds as many sessions on one connection as each line of its input says, eight at a time."""

import sys
from concurrent.futures import ThreadPoolExecutor

import way

client = way.connect()


def session(number):
    channel = client.get_transport().open_session(timeout=20)
    if number % 10 == 0:
        channel.get_pty()
    channel.exec_command("exit 3")
    way.expect(channel.recv_exit_status(), 3)
    channel.close()


with ThreadPoolExecutor(8) as pool:
    for line in sys.stdin:
        list(pool.map(session, range(int(line))))
        print("done", flush=True)
