"""What files in a shared directory cost a guest against the same program in the same directory on the host."""

import os
import pathlib
import re
import subprocess

from measure import BOOT_PATIENCE, PROMPT, Failure, NoAnswer, Result, Running, progress

PATIENCE = 300.0
HOST = "the host's directory"
MEBIBYTES = 8
FILES = 100
HOST_FACTOR = 20


class Guest:
    """The default guest with a directory that has the program in it."""

    def __init__(self, bench, folder):
        self.folder = folder
        self.input, self.keyboard = os.pipe()
        self.running = Running([bench.caisson, "run", "--share", f"{folder}:/work"], stdin=self.input)

    def __enter__(self):
        try:
            self.running.wait_for(PROMPT, BOOT_PATIENCE)
        except BaseException:
            # Nobody else ends what was started by then.
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.running.__exit__()
        os.close(self.input)
        os.close(self.keyboard)

    def work(self, what, count):
        """Seconds that the program took, with nothing of the share in the guest's caches."""
        command = f"echo 3 >/proc/sys/vm/drop_caches; /work/files {what} /work/d {count} >/work/took; echo do''ne\n"
        # The echo of the command has the quotes.
        os.write(self.keyboard, command.encode())
        self.running.wait_for(b"done\r\n", self.running.age() + PATIENCE)
        return seconds((self.folder / "took").read_text())


def seconds(text):
    took = re.search(r"took (\d+)", text)
    if not took:
        raise NoAnswer(f"the program said {text.strip()!r}")
    return max(1, int(took[1])) / 1e6


def on_host(program, folder, what, count):
    command = [program, what, str(folder / "h"), str(count)]
    return seconds(subprocess.run(command, capture_output=True, text=True).stdout)


def directories(bench, rounds):
    """Yields streams and small files, in turns."""
    folder = pathlib.Path(bench.folder.name) / "share"
    for name in ("d", "h"):
        (folder / name).mkdir(parents=True)
    program = str(folder / "files")
    bench.compile("-static", bench.parts / "files.c", "-o", program)
    figures = {}
    try:
        with Guest(bench, folder) as guest:
            for number in range(rounds):
                for what in ("write", "read", "create", "stat", "open", "remove"):
                    progress(f"shared directory {number + 1} of {rounds}: {what}")
                    count = MEBIBYTES if what in ("write", "read") else FILES
                    figures.setdefault((what, "caisson"), []).append(count / guest.work(what, count))
                    count *= HOST_FACTOR
                    figures.setdefault((what, HOST), []).append(count / on_host(program, folder, what, count))
    except NoAnswer as reason:
        raise Failure(f"shared directory: {reason}") from None
    for (what, subject), samples in figures.items():
        unit = "MiB/s" if what in ("write", "read") else "files/s"
        yield Result(f"shared directory, {what}", subject, unit, samples)
