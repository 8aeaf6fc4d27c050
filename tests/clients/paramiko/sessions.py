"""Programs, a shell on a terminal, many channels in threads, keepalive, and new keys under load."""

import hashlib
import os
import threading

import way


def programs(client):
    stdin, stdout, stderr = client.exec_command("cat; echo err >&2; exit 3", timeout=20, environment={"LC_TEST": "x"})
    data = os.urandom(3_000_000)
    threading.Thread(target=lambda: (stdin.write(data), stdin.channel.shutdown_write())).start()
    way.expect(stdout.read() == data, True, "what came back")
    way.expect(stderr.read(), b"err\n")
    way.expect(stdout.channel.recv_exit_status(), 3)
    _, stdout, _ = client.exec_command("echo $LC_TEST", environment={"LC_TEST": "passed on"}, timeout=20)
    way.expect(stdout.read(), b"passed on\n")
    _, stdout, _ = client.exec_command("kill -KILL $$", timeout=20)
    way.expect(stdout.channel.recv_exit_status(), -1, "the status of what a signal ended")


def shell(client):
    channel = client.invoke_shell(term="xterm", width=91, height=33)
    channel.settimeout(20)
    channel.sendall(b"stty size; echo $TERM; PS1=; echo here-$((1+1))\n")
    seen = b""
    while b"here-2\r\n" not in seen:
        seen += channel.recv(4096)
    way.expect(b"33 91\r\nxterm\r\n" in seen, True, f"what the terminal is, in {seen!r}")
    channel.resize_pty(width=70, height=20)
    channel.sendall(b"stty size; echo there-$((1+1)); exit 4\n")
    while piece := channel.recv(4096):
        seen += piece
    way.expect(b"20 70\r\nthere-2\r\n" in seen, True, f"the new size, in {seen!r}")
    way.expect(channel.recv_exit_status(), 4)


def threads(client):
    """Fifty at once on one transport, each of which sends and reads two megabytes."""
    failed = []

    def one(number):
        data = hashlib.sha256(b"%d" % number).digest() * 65536
        channel = client.get_transport().open_session(timeout=30)
        channel.settimeout(60)
        channel.exec_command(f"sha256sum; exit {number}")
        channel.sendall(data)
        channel.shutdown_write()
        told = channel.makefile("rb").read().decode().split()[0]
        if (told, channel.recv_exit_status()) != (hashlib.sha256(data).hexdigest(), number):
            failed.append(number)

    running = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    way.expect(failed, [])


def rekeys(client):
    """The client wants new keys while bytes go both ways; between them it asks whether the server is there."""
    transport = client.get_transport()
    transport.set_keepalive(1)
    channel = transport.open_session(timeout=20)
    channel.settimeout(60)
    channel.exec_command("cat")
    data = os.urandom(10_000_000)
    threading.Thread(target=lambda: (channel.sendall(data), channel.shutdown_write())).start()
    back = hashlib.sha256()
    length, rekeyed = 0, 0
    while piece := channel.recv(65536):
        back.update(piece)
        length += len(piece)
        # Never with less to come than paramiko's window, 2 MiB: the rest and the close after it could be under way, and
        # paramiko answers a close on the thread that has to finish the key exchange first.
        if min(length // 1_000_000, 7) > rekeyed:
            rekeyed += 1
            transport.renegotiate_keys()
    way.expect((length, rekeyed), (len(data), 7))
    way.expect(back.hexdigest(), hashlib.sha256(data).hexdigest())
    _, stdout, _ = client.exec_command("sleep 3; echo still there", timeout=20)
    way.expect(stdout.read(), b"still there\n")


client = way.connect()
for name in way.arguments():
    {"programs": programs, "shell": shell, "threads": threads, "rekeys": rekeys}[name](client)
    print(name)
client.close()
