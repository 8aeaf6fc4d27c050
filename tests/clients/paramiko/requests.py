"""Requests on a channel, as RFC 4254 and RFC 4335 have them, and what is answered: one line each, to be compared."""

import time

import paramiko
from paramiko.common import MSG_CHANNEL_FAILURE, cMSG_CHANNEL_REQUEST

import way

# Those that sshd sends on. A Space takes all that RFC 4254 names.
SIGNALS = "HUP INT KILL QUIT TERM USR1 USR2".split()


def refused(channel, _message):
    """A refusal is an answer. paramiko's own reading of it closes the channel."""
    channel.event.set()


paramiko.Transport._channel_handler_table[MSG_CHANNEL_FAILURE] = refused


def ask(channel, name, *fields):
    """Sends a request that wants an answer; gives it."""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string(name)
    message.add_boolean(True)
    for field in fields:
        (message.add_int if isinstance(field, int) else message.add_string)(field)
    channel._event_pending()
    channel.transport._send_user_message(message)
    try:
        channel._wait_for_event()
        return "success"
    except paramiko.SSHException:
        return "failure"


def opened(client, *, terminal=False, command=None):
    channel = client.get_transport().open_session(timeout=20)
    channel.settimeout(20)
    if terminal:
        channel.get_pty()
    if command:
        channel.exec_command(command)
    return channel


def read_until(channel, end):
    read = b""
    while not read.endswith(end):
        piece = channel.recv(1)
        if not piece:
            raise SystemExit(f"it ended after {read!r}")
        read += piece
    return read


def ended(channel):
    """What a program wrote, and what became of it: 128 and more is paramiko's -1, for a signal."""
    out, err = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
    return out, err, channel.recv_exit_status()


def signals(client):
    for name in SIGNALS:
        trap = f"exec 2>/dev/null; trap 'echo got {name}; exit 3' {name}; echo ready; while :; do sleep 0.05; done"
        channel = opened(client, command=trap)
        read_until(channel, b"ready\n")
        print(name, ask(channel, "signal", name), *ended(channel))
    # The whole group, whether or not it has a terminal.
    for terminal in (False, True):
        channel = opened(client, terminal=terminal, command="sleep 1000 & echo ready; wait; echo not reached")
        read_until(channel, b"\n")
        print("group", terminal, ask(channel, "signal", "TERM"), *ended(channel))


def refusals(client):
    channel = opened(client)
    print("before:", ask(channel, "signal", "TERM"), ask(channel, "break", 100), ask(channel, "nonsense"))
    print("env:", ask(channel, "env", "LANG", "C"), ask(channel, "env", "LD_PRELOAD", "/x"))
    print("subsystem:", ask(channel, "subsystem", "nonsense"))
    channel = opened(client, command="echo ready; read line; exit 4")
    read_until(channel, b"ready\n")
    for request in [("signal", "WINCH"), ("signal", "SIGTERM"), ("signal", ""), ("break", 500), ("nonsense",)]:
        print(request, ask(channel, *request))
    print("second:", ask(channel, "exec", "true"), ask(channel, "shell"))
    channel.sendall(b"\n")
    print(*ended(channel))


def breaks(client):
    """On a pseudo-terminal of Linux a break does nothing that a program could see."""
    channel = opened(client, terminal=True)
    print("break before:", ask(channel, "break", 0))
    channel.exec_command("stty -echo brkint; echo ready; trap 'echo int' INT; read line; echo $line; exit 5")
    read_until(channel, b"ready\r\n")
    print("break:", ask(channel, "break", 0), ask(channel, "break", 1000))
    channel.sendall(b"a line\n")
    print(*ended(channel))


def streams(client):
    channel = opened(client, command="cat; echo ended; sleep 0.2; echo late >&2; exit 6")
    channel.sendall(b"some input, ")
    channel.shutdown_write()
    print(*ended(channel))
    # Nothing comes after the status but the end, and nothing that was written is missing.
    channel = opened(client, command="head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 7")
    out, err = 0, 0
    while not (channel.exit_status_ready() and channel.eof_received):
        out += len(channel.recv(65536)) if channel.recv_ready() else 0
        err += len(channel.recv_stderr(65536)) if channel.recv_stderr_ready() else 0
        time.sleep(0.001)
    while channel.recv_ready() or channel.recv_stderr_ready():
        out += len(channel.recv(65536)) if channel.recv_ready() else 0
        err += len(channel.recv_stderr(65536)) if channel.recv_stderr_ready() else 0
    print(out, err, channel.recv_exit_status())


client = way.connect()
for part in (signals, refusals, breaks, streams):
    part(client)
client.close()
