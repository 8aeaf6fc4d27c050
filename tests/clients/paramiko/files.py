"""SFTP by paramiko's own client."""

import hashlib
import os
import stat

import way


def transfers(sftp):
    data = os.urandom(20_000_000)
    with open(way.path("local"), "wb") as file:
        file.write(data)
    way.expect(sftp.put(way.path("local"), "remote").st_size, len(data))
    # `get` asks for everything ahead, in pieces of 32 KiB.
    sftp.get("remote", way.path("back"))
    with open(way.path("back"), "rb") as file:
        way.expect(hashlib.file_digest(file, "sha256").hexdigest(), hashlib.sha256(data).hexdigest())
    with sftp.open("remote", "rb") as file:
        file.prefetch()
        way.expect(file.read() == data, True, "what was read ahead")
        way.expect(file.readv([(5, 10), (19_999_990, 20)]).__next__(), data[5:15])
    with sftp.open("remote", "r+b") as file:
        file.set_pipelined(True)
        file.seek(1_000_000)
        file.write(b"changed")
        file.seek(0, os.SEEK_END)
        file.write(b"the end")
        file.truncate(20_000_005)
    way.expect(sftp.stat("remote").st_size, 20_000_005)
    with sftp.open("remote", "rb") as file:
        file.seek(999_999)
        way.expect(file.read(9), data[999_999:1_000_000] + b"changed" + data[1_000_007:1_000_008])
    with sftp.open("log", "a") as file:
        file.write("one\n")
    with sftp.open("log", "a") as file:
        file.write("two\n")
    with sftp.open("log") as file:
        way.expect(file.readlines(), ["one\n", "two\n"])
    way.expect(failure(lambda: sftp.open("log", "x")), "OSError")


def names(sftp):
    way.expect(sftp.normalize("."), "/home/space")
    sftp.mkdir("folder", 0o750)
    sftp.chdir("folder")
    sftp.open("first", "w").close()
    sftp.symlink("first", "link")
    way.expect(sftp.readlink("link"), "first")
    way.expect(stat.S_ISLNK(sftp.lstat("link").st_mode), True, "a link")
    way.expect(stat.S_ISREG(sftp.stat("link").st_mode), True, "a file")
    sftp.chmod("first", 0o640)
    sftp.utime("first", (1_000_000_000, 1_111_111_111))
    first = sftp.stat("first")
    way.expect((stat.S_IMODE(first.st_mode), first.st_mtime, first.st_uid), (0o640, 1_111_111_111, 1000))
    way.expect(sorted(sftp.listdir(".")), ["first", "link"])
    way.expect([entry.filename for entry in sftp.listdir_iter(".") if entry.st_size == 0], ["first"])
    sftp.rename("first", "second")
    sftp.open("third", "w").close()
    way.expect(failure(lambda: sftp.rename("second", "third")), "OSError")
    sftp.posix_rename("second", "third")
    way.expect(sorted(sftp.listdir("/home/space/folder")), ["link", "third"])
    way.expect(failure(lambda: sftp.stat("link")), "FileNotFoundError")
    way.expect(failure(lambda: sftp.open("/etc/shadow")), "PermissionError")
    way.expect(failure(lambda: sftp.rmdir("/home/space/folder")), "OSError")
    sftp.remove("link")
    sftp.unlink("third")
    sftp.chdir("..")
    sftp.rmdir("folder")


def many(sftp):
    """A folder that takes several answers to list, and as many files open as a program may have."""
    sftp.mkdir("many")
    for number in range(1000):
        sftp.open(f"many/{number:04}", "w").close()
    way.expect(sorted(sftp.listdir("many")), [f"{number:04}" for number in range(1000)])
    held = [sftp.open(f"many/{number:04}") for number in range(500)]
    for file in held:
        file.close()


def failure(act):
    """What it raises."""
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "nothing"


client = way.connect()
with client.open_sftp() as sftp:
    for part in (transfers, names, many):
        part(sftp)
        print(part.__name__)
client.close()
