"""What Linux in a machine takes: its boot, its idling, and commands in throwaway machines and in running ones."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time

from measure import BOOT_PATIENCE, PROMPT, Failure, NoAnswer, Result, Running, Subject, progress, run_to_end

# What a guest does after its prompt, such as links for its commands, is done by then.
SETTLING = 5.0
IDLING = 3.0
PEERS_A_ROUND = 5


def emulations(statistics):
    """Millions of guest instructions that the kernel emulated, by a file of --stats-json; None where it does not count."""
    for line in reversed(pathlib.Path(statistics).read_text().splitlines()):
        kernel = [processor["kernel"] for processor in json.loads(line)["processors"]]
        if all(kernel):
            return sum(counters["emulations"] for counters in kernel) / 1e6
    return None


class SilentInput:
    """Standard input that never comes and never ends."""

    def __enter__(self):
        self.reader, self.writer = os.pipe()
        return self.reader

    def __exit__(self, *_):
        os.close(self.reader)
        os.close(self.writer)


def boots(bench, rounds):
    """Yields the default guest's boot, of several machines in turns, and what the first of them takes afterwards."""
    machines = {
        "caisson": [],
        "2 processors": ["--cpus", "2"],
        "without ACPI": ["--hardware", "cmdline"],
        "512 MiB": ["--memory", "512M"],
    }
    statistics = str(pathlib.Path(bench.folder.name) / "boot.json")
    times = {name: [] for name in machines}
    shares, instructions, memory, idling = [], [], [], []
    for number in range(rounds):
        for name, options in machines.items():
            progress(f"boot {number + 1} of {rounds}: {name}")
            try:
                with SilentInput() as silence, Running(
                    [bench.caisson, "run", *options, "--stats-json", statistics], stdin=silence) as process:
                    times[name].append(process.wait_for(PROMPT, BOOT_PATIENCE))
                    if name != "caisson":
                        continue
                    user, system = process.processor_times()
                    shares.append(100 * user / max(1, user + system))
                    instructions.append(emulations(statistics))
                    time.sleep(SETTLING)
                    memory.append(process.memory() / 1024)
                    before = sum(process.processor_times())
                    time.sleep(IDLING)
                    ticks = sum(process.processor_times()) - before
                    idling.append(100 * ticks / os.sysconf("SC_CLK_TCK") / IDLING)
            except NoAnswer as reason:
                raise Failure(f"the default guest, {name}: {reason}") from None
    for name in machines:
        yield Result("Linux to its prompt", name, "s", times[name])
    yield Result("user time's share of the boot", "caisson", "%", shares)
    # To the last look before the prompt, at most a second before it.
    if None not in instructions:
        yield Result("instructions emulated in the boot", "caisson", "million", instructions)
    yield Result("memory of an idle Linux machine, all of it", "caisson", "MiB", memory)
    yield Result("CPU time of an idle Linux machine", "caisson", "%", idling)


def root_file_system(bench):
    """The workloads' small system, as a directory and as an image of EROFS."""
    build = subprocess.run(["guest-images/workloads/build", "--print-dir"], cwd=bench.root, stdout=subprocess.PIPE, text=True)
    if build.returncode:
        raise Failure("guest-images/workloads/build failed")
    directory = f"{build.stdout.strip()}/root"
    image = f"{bench.folder.name}/root.erofs"
    if subprocess.run(["mkfs.erofs", "--all-root", image, directory], stdout=subprocess.DEVNULL).returncode:
        raise Failure("mkfs.erofs failed")
    return directory, image


def containers(bench, directory):
    """What runs a command in the same directory. `caisson bench` has more of them."""
    yield Subject("plain process", [f"{directory}/bin/busybox", "true"])
    if bwrap := shutil.which("bwrap"):
        yield Subject("bubblewrap", [
            bwrap, "--unshare-all", "--ro-bind", directory, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"])


def commands(bench, rounds):
    """Yields what the run of a command that does nothing takes, from its spawn to its end."""
    directory, image = root_file_system(bench)
    statistics = f"{bench.folder.name}/command.json"
    ours = Subject("caisson", [bench.caisson, "run", "--root", image, "--stats-json", statistics, "--", "true"])
    peers = list(containers(bench, directory))
    times = {subject.name: [] for subject in [ours, *peers]}
    user, system, instructions = [], [], []
    for number in range(rounds):
        progress(f"command {number + 1} of {rounds}")
        end = run_to_end(ours.command, BOOT_PATIENCE)
        if end.status:
            raise Failure(f"caisson run --root {image} -- true: exit status {end.status}")
        times["caisson"].append(end.seconds * 1e3)
        user.append(end.user * 1e3)
        system.append(end.system * 1e3)
        instructions.append(emulations(statistics))
        for subject in list(peers):
            for _ in range(PEERS_A_ROUND):
                end = run_to_end(subject.command)
                if end.status:
                    bench.drop(subject, peers, f"exit status {end.status}")
                    break
                times[subject.name].append(end.seconds * 1e3)
    for subject in [ours, *peers]:
        yield Result("the run of `true`", subject.name, "ms", times[subject.name])
    yield Result("user time of the run of `true`", "caisson", "ms", user)
    yield Result("system time of the run of `true`", "caisson", "ms", system)
    if None not in instructions:
        yield Result("instructions emulated in the run of `true`", "caisson", "million", instructions)
    yield from _in_running_machine(bench, image, 2 * rounds)
    yield from _without_machine(bench, 5 * rounds)


def throwaways(bench, rounds, counts=(1, 4, 16)):
    """Yields how long after its spawn each of several throwaway machines' commands says its first word, and the memory of each."""
    _, image = root_file_system(bench)
    command = [
        bench.caisson, "run", "-m", "96M", "--root", image, "--disk", "size=1M", "--", "sh", "-c", "echo up; exec sleep 3600"]
    for count in counts:
        times, memory = [], []
        for number in range(rounds):
            progress(f"{count} throwaway machines at once, {number + 1} of {rounds}")
            with SilentInput() as silence, contextlib.ExitStack() as stack:
                machines = [stack.enter_context(Running(command, stdin=silence)) for _ in range(count)]
                waiting = {machine.output: machine for machine in machines}
                while waiting:
                    said = select.select(list(waiting), [], [], count * BOOT_PATIENCE)[0]
                    for output in said:
                        machine = waiting.pop(output)
                        if os.read(output, 16) != b"up\n":
                            raise Failure(f"one of {count} throwaway machines at once ended")
                        times.append(machine.age())
                    if not said:
                        raise Failure(f"of {count} throwaway machines at once {len(waiting)} do not start")
                memory += [machine.memory() / 1024 for machine in machines]
        yield Result(f"first word from each of {count} throwaway machines at once", "caisson", "s", times)
        yield Result(f"memory of each of {count} throwaway machines at once, all of it", "caisson", "MiB", memory)


def _in_running_machine(bench, image, rounds):
    times = []
    with SilentInput() as silence, Running(
        [bench.caisson, "run", "--root", image, "--", "sh", "-c", "echo up; exec sleep 3600"],
        stdin=silence) as process:
        # What a machine is called that was given no name.
        name = f"machine-{process.pid}"
        try:
            process.wait_for(b"up\n", BOOT_PATIENCE)
        except NoAnswer as reason:
            raise Failure(f"a machine for commands: {reason}") from None
        # The first one finds nothing in the guest's memory.
        for number in range(rounds + 1):
            progress(f"exec {number} of {rounds}")
            end = run_to_end([bench.caisson, "exec", name, "--", "true"], BOOT_PATIENCE)
            if end.status:
                raise Failure(f"caisson exec {name} -- true: exit status {end.status}")
            times.append(end.seconds * 1e3)
        os.kill(process.pid, signal.SIGTERM)
    yield Result("the run of `true` in a running machine", "caisson", "ms", times[1:])


def _without_machine(bench, rounds):
    """What the command line's own program takes."""
    subjects = [Subject("plain process", ["/bin/true"]), Subject("caisson", [bench.caisson, "--version"])]
    times = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        for subject in subjects:
            progress(f"version {number + 1} of {rounds}: {subject.name}")
            end = run_to_end(subject.command)
            if end.status:
                raise Failure(f"{subject.command}: exit status {end.status}")
            times[subject.name].append(end.seconds * 1e3)
    for subject in subjects:
        yield Result("caisson --version", subject.name, "ms", times[subject.name])
