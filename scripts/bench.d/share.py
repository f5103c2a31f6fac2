"""What files that came from the host cost a guest: shared and copied in, against a raw disk in the same guest and the same
program in the same directory on the host."""

import os
import pathlib
import random
import re
import subprocess

from linux import root_file_system
from measure import BOOT_PATIENCE, Failure, NoAnswer, Result, Running, progress

PATIENCE = 300.0
RAW = "a raw disk"
HOST = "the host's directory"
MEBIBYTES = 8
FILES = 100
HOST_FACTOR = 20


class Guest:
    """A machine with a directory shared and copied in, the program in it, and a disk as large as its stream."""

    def __init__(self, bench, folder):
        _, image = root_file_system(bench)
        self.folder = folder
        self.input, self.keyboard = os.pipe()
        self.running = Running([
            bench.caisson, "run", "--root", image, "--share", f"{folder}:/share", "--copy-in", f"{folder}:/copy",
            "--disk", f"size={MEBIBYTES}M,serial=raw", "-i", "--", "/bin/sh"], stdin=self.input)

    def __enter__(self):
        try:
            self.run("grep -lx raw /sys/block/*/serial", BOOT_PATIENCE)
            self.disk = "/dev/" + (self.folder / "said").read_text().split("/")[3]
        except BaseException as error:
            # Nobody else ends what was started by then.
            self.__exit__()
            if isinstance(error, IndexError):
                raise NoAnswer("the guest has no disk") from None
            raise
        return self

    def __exit__(self, *_):
        self.running.__exit__()
        os.close(self.input)
        os.close(self.keyboard)

    def run(self, command, patience=PATIENCE):
        age = self.running.age()
        os.write(self.keyboard, f"{command} >/share/said; echo done\n".encode())
        self.running.wait_for(b"done\n", age + patience)

    def work(self, what, path, count):
        """Seconds that the program took, with nothing of the files in the guest's caches."""
        self.run(f"echo 3 >/proc/sys/vm/drop_caches; /share/files {what} {path} {count}")
        return seconds((self.folder / "said").read_text())


def seconds(text):
    took = re.search(r"took (\d+)", text)
    if not took:
        raise NoAnswer(f"the program said {text.strip()!r}")
    return max(1, int(took[1])) / 1e6


def on_host(program, path, what, count):
    return seconds(subprocess.run([program, what, str(path), str(count)], capture_output=True, text=True).stdout)


def directories(bench, rounds):
    """Yields streams and small files, in turns."""
    folder = pathlib.Path(bench.folder.name) / "share"
    for name in ("guest", "host"):
        (folder / name).mkdir(parents=True)
    (folder / "copied").write_bytes(random.Random(1).randbytes(MEBIBYTES << 20))
    program = str(folder / "files")
    bench.compile("-static", bench.parts / "files.c", "-o", program)
    figures = {}

    def add(what, subject, count, took):
        figures.setdefault((what, subject), []).append(count / took)

    try:
        with Guest(bench, folder) as guest:
            for number in range(rounds):
                for what in ("write", "read"):
                    progress(f"files {number + 1} of {rounds}: {what}")
                    paths = {"shared": "/share/guest/stream", RAW: guest.disk}
                    if what == "read":
                        paths["copied in"] = "/copy/copied"
                    for subject, path in paths.items():
                        add(what, subject, MEBIBYTES, guest.work(what, path, MEBIBYTES))
                    count = MEBIBYTES * HOST_FACTOR
                    add(what, HOST, count, on_host(program, folder / "host" / "stream", what, count))
                for what in ("create", "stat", "open", "remove"):
                    progress(f"files {number + 1} of {rounds}: {what}")
                    add(what, "shared", FILES, guest.work(what, "/share/guest", FILES))
                    count = FILES * HOST_FACTOR
                    add(what, HOST, count, on_host(program, folder / "host", what, count))
    except NoAnswer as reason:
        raise Failure(f"files in a guest: {reason}") from None
    for (what, subject), samples in figures.items():
        if subject in (RAW, HOST):
            continue
        figure, unit = f"files {subject}, {what}", "MiB/s" if what in ("write", "read") else "files/s"
        yield Result(figure, "caisson", unit, samples)
        for peer in (RAW, HOST):
            if (what, peer) in figures:
                yield Result(figure, peer, unit, figures[what, peer])
