"""Forwards both ways, and a lent agent."""

import socket
import threading

import paramiko
from paramiko.agent import AgentRequestHandler

import way

SERVER = """python3 -uc '
import socket
server = socket.create_server(("127.0.0.1", 7400), backlog=50)
print("ready")
while True:
    connection, _ = server.accept()
    connection.sendall(connection.makefile("rb").read().upper())
    connection.close()
'"""


def direct(client):
    stdin, stdout, _ = client.exec_command(SERVER, timeout=20)
    way.expect(stdout.readline(), "ready\n")
    for number in range(200):
        channel = client.get_transport().open_channel("direct-tcpip", ("localhost", 7400), ("127.0.0.1", 1), timeout=20)
        channel.settimeout(20)
        channel.sendall(b"call %d" % number)
        channel.shutdown_write()
        way.expect(channel.makefile("rb").read(), b"CALL %d" % number)
        channel.close()
    try:
        client.get_transport().open_channel("direct-tcpip", ("localhost", 7401), ("127.0.0.1", 1), timeout=20)
    except paramiko.ChannelException as error:
        way.expect(error.code, 2, "the reason: connect failed")
    else:
        raise SystemExit("a port that nobody listens on was opened")
    stdout.channel.close()


def reverse(client):
    transport = client.get_transport()
    port = transport.request_port_forward("127.0.0.1", 0)
    script = f"""python3 -c '
import socket
for number in range(50):
    s = socket.create_connection(("127.0.0.1", {port})); s.sendall(b"hello %d" % number); s.shutdown(socket.SHUT_WR)
    print(s.makefile().read())
'"""
    _, stdout, _ = client.exec_command(script, timeout=30)
    for number in range(50):
        channel = transport.accept(20)
        channel.settimeout(20)
        channel.sendall(channel.makefile("rb").read()[::-1])
        channel.close()
    lines = stdout.read().decode().splitlines()
    way.expect(lines, [f"hello {number}"[::-1] for number in range(50)])
    transport.cancel_port_forward("127.0.0.1", port)
    _, stdout, _ = client.exec_command(f"sleep 0.2; ss -Hltn 'sport = :{port}' | wc -l", timeout=20)
    way.expect(stdout.read(), b"0\n")


def agent(client):
    """paramiko lends the agent of the machine it runs on: one that the test started."""
    channel = client.get_transport().open_session(timeout=20)
    AgentRequestHandler(channel)
    channel.settimeout(20)
    channel.exec_command("for i in 1 2 3; do ssh-add -l | cut -d' ' -f3-; done")
    way.expect(channel.makefile("rb").read(), b"laptop (ED25519)\n" * 3)


client = way.connect()
for part in (direct, reverse, agent):
    part(client)
    print(part.__name__)
client.close()
