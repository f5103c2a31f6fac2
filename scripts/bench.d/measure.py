"""Runs the subjects in turns and takes their figures."""

import dataclasses
import os
import pathlib
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

GUEST_MEMORY_MIB = 128
# Accesses to a port between the guest's two bytes.
EXITS = 20_000
PATIENCE = 20.0
BOOT_PATIENCE = 120.0
PROMPT = b"# "


class Failure(Exception):
    """Why nothing can be measured, as a line for people."""


class NoAnswer(Exception):
    """A subject that did not do its part."""


@dataclasses.dataclass
class Result:
    """Samples of one figure of one subject."""

    figure: str
    subject: str
    unit: str
    samples: list
    goals: dict = dataclasses.field(default_factory=dict)

    @property
    def median(self):
        return statistics.median(self.samples)


@dataclasses.dataclass
class Subject:
    name: str
    command: list


class Running:
    """A subject's process, from its spawn to its end."""

    def __init__(self, command, stdin=None):
        reader, writer = os.pipe()
        self.output = reader
        quiet = os.open(os.devnull, os.O_RDWR)
        actions = [
            (os.POSIX_SPAWN_DUP2, quiet if stdin is None else stdin, 0),
            (os.POSIX_SPAWN_DUP2, writer, 1),
            (os.POSIX_SPAWN_DUP2, quiet, 2),
        ]
        self.begin = time.monotonic()
        self.pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        os.close(writer)
        os.close(quiet)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.output)

    def wait_for(self, wanted, patience=PATIENCE):
        """The seconds from the spawn until `wanted` came."""
        seen = b""
        end = self.begin + patience
        while wanted not in seen:
            if not select.select([self.output], [], [], max(0, end - time.monotonic()))[0]:
                raise NoAnswer(f"no answer within {patience:.0f} s")
            data = os.read(self.output, 4096)
            if not data:
                raise NoAnswer("ended without an answer")
            seen = (seen + data)[-4096:]
        return time.monotonic() - self.begin

    def age(self):
        """Seconds since the spawn."""
        return time.monotonic() - self.begin

    def memory_beside_guest(self):
        """Proportional set size in KiB of all mappings but the guest's memory."""
        total, size = 0, 0
        for line in pathlib.Path(f"/proc/{self.pid}/smaps").read_text().splitlines():
            if bounds := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
                size = int(bounds[2], 16) - int(bounds[1], 16)
            elif line.startswith("Pss:") and size < GUEST_MEMORY_MIB << 20:
                total += int(line.split()[1])
        return total

    def memory(self):
        """Proportional set size in KiB of all mappings."""
        return int(re.search(r"^Pss: +(\d+)", pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text(), re.M)[1])

    def processor_times(self):
        """User and system time in ticks."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]), int(fields[12])


@dataclasses.dataclass
class Ending:
    """What became of a command and what it took, its children that it waited for included."""

    status: int
    seconds: float
    user: float
    system: float


def run_to_end(command, patience=PATIENCE):
    """Runs a command, whose output nobody reads, from its spawn to its end."""
    quiet = os.open(os.devnull, os.O_RDWR)
    begin = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, quiet, n) for n in range(3)])
    os.close(quiet)
    watch = os.pidfd_open(pid)
    try:
        in_time = select.select([watch], [], [], patience)[0]
        seconds = time.monotonic() - begin
    except BaseException:
        in_time = False
        raise
    finally:
        os.close(watch)
        if not in_time:
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
    return Ending(os.waitstatus_to_exitcode(status), seconds, usage.ru_utime, usage.ru_stime)


class Bench:
    """The subjects' programs in a temporary folder, and what is measured with them."""

    def __init__(self, root, rounds):
        self.root = root
        self.rounds = rounds
        self.parts = root / "scripts" / "bench.d"
        self.caisson = str(root / ".build/release/caisson")

    def __enter__(self):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise Failure("/dev/kvm cannot be used; `caisson doctor` tells why")
        self.folder = tempfile.TemporaryDirectory(prefix="caisson-bench.")
        work = pathlib.Path(self.folder.name)
        self.hello, self.monitor = str(work / "hello"), str(work / "vmm")
        self.compile("-static", self.parts / "hello.c", "-o", self.hello)
        self.compile("-static", self.parts / "vmm.c", "-o", self.monitor)
        self.quiet = self._guest(work / "quiet", exits=0)
        self.busy = self._guest(work / "busy", exits=EXITS)
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def compile(self, *arguments):
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", *map(str, arguments)]
        if subprocess.run(command).returncode:
            raise Failure("gcc failed")

    def _guest(self, path, exits):
        """The guest's program as an ELF file and as a flat one."""
        elf, flat = f"{path}.elf", f"{path}.bin"
        self.compile(
            "-m32", "-nostdlib", "-static", f"-DEXITS={exits}", self.parts / "guest.S", "-o", elf,
            "-Wl,--build-id=none,-N,--no-warn-rwx-segments,-Ttext=0x100000,--section-start=.note.pvh=0x101000",
        )
        if subprocess.run(["objcopy", "-O", "binary", "-j", ".text", elf, flat]).returncode:
            raise Failure("objcopy failed")
        return elf, flat

    def _run_caisson(self, kernel):
        return Subject("caisson", [self.caisson, "run", "--memory", f"{GUEST_MEMORY_MIB}M", "--kernel", kernel[0]])

    def _run_monitor(self, kernel):
        return Subject("minimal C VMM", [self.monitor, kernel[1]])

    def _peers(self):
        if qemu := shutil.which("qemu-system-x86_64"):
            yield Subject("QEMU microvm", [
                qemu, "-accel", "kvm", "-cpu", "host", "-m", str(GUEST_MEMORY_MIB), "-nodefaults", "-no-user-config",
                "-M", "microvm,x-option-roms=off,isa-serial=on,pit=off,pic=off,rtc=off",
                "-display", "none", "-serial", "stdio", "-kernel", self.quiet[0],
            ])
        if lkvm := shutil.which("lkvm"):
            yield Subject("kvmtool", [
                lkvm, "run", "--mem", str(GUEST_MEMORY_MIB), "--cpus", "1", "--network", "mode=none",
                "--console", "serial", "--kernel", self.quiet[0],
            ])

    def run(self):
        yield from self._starts()
        yield from self._exits()

    def _starts(self):
        subjects = [Subject("plain process", [self.hello]), self._run_monitor(self.quiet), self._run_caisson(self.quiet)]
        subjects += self._peers()
        times = {subject.name: [] for subject in subjects}
        memory = {subject.name: [] for subject in subjects}
        for number in range(self.rounds):
            for subject in list(subjects):
                progress(f"start {number + 1} of {self.rounds}: {subject.name}")
                try:
                    with Running(subject.command) as process:
                        times[subject.name].append(process.wait_for(b"A") * 1e3)
                        if len(memory[subject.name]) < 5:
                            # What a start leaves to be done is done by then.
                            time.sleep(0.2)
                            memory[subject.name].append(process.memory_beside_guest() / 1024)
                except NoAnswer as reason:
                    if subject.name in ("caisson", "minimal C VMM"):
                        raise Failure(f"{subject.name}: {reason}") from None
                    self.drop(subject, subjects, reason)
        goals = {"minimal C VMM": 2.0, "QEMU microvm": 0.1, "kvmtool": 0.5}
        for subject in subjects:
            yield Result("spawn to first byte", subject.name, "ms", times[subject.name], goals)
        for subject in subjects:
            yield Result("memory beside the guest's", subject.name, "MiB", memory[subject.name])

    def drop(self, subject, subjects, reason):
        """Goes on without a subject, and says so."""
        progress(None)
        print(f"{subject.name} does not take part: {reason}", file=sys.stderr)
        subjects.remove(subject)

    def _exits(self):
        subjects = [self._run_monitor(self.busy), self._run_caisson(self.busy)]
        costs = {subject.name: [] for subject in subjects}
        for number in range(self.rounds):
            # Who comes first changes from round to round.
            for subject in subjects if number % 2 else reversed(subjects):
                progress(f"exits {number + 1} of {self.rounds}: {subject.name}")
                try:
                    with Running(subject.command) as process:
                        begin = process.wait_for(b"A")
                        costs[subject.name].append((process.wait_for(b"B") - begin) / EXITS * 1e6)
                except NoAnswer as reason:
                    raise Failure(f"{subject.name}: {reason}") from None
        for subject in subjects:
            yield Result("an exit", subject.name, "µs", costs[subject.name], {"minimal C VMM": 1.02})


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K" + (text or ""))
        sys.stderr.flush()
