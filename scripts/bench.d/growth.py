"""What a machine's disks cost against system calls on the host, and how machines and disks add up."""

import pathlib
import time

from measure import NoAnswer, Failure, Result, Running, Subject, progress

# Each at most 64 at once: a third of the guest's queue.
REQUESTS = 64


class Pattern:
    """Reads that a guest and a plain process make alike: batches of REQUESTS each, in order or not."""

    def __init__(self, name, size, batches, in_order=True, disks=1):
        self.name, self.size, self.batches, self.disks = name, size, batches, disks
        self.count = REQUESTS * batches * disks
        self.defines = [
            f"-DREQUESTS={REQUESTS}", f"-DBYTES={size}", f"-DSPACING={size}", f"-DBATCHES={batches}",
            f"-DSTRIDE={1 if in_order else 37}", f"-DDISKS={disks}",
        ]

    def build(self, bench, work):
        folder = work / f"{self.size}-{self.disks}-{self.batches}"
        folder.mkdir()
        guest, host = folder / "guest", folder / "host"
        bench.compile(
            "-m32", "-ffreestanding", "-fno-pie", "-fno-stack-protector", "-nostdlib", "-static", *self.defines,
            bench.parts / "disk_entry.S", bench.parts / "disk.c", "-o", guest,
            "-Wl,--build-id=none,-N,--no-warn-rwx-segments,-Ttext=0x100000",
        )
        bench.compile("-pthread", *self.defines, bench.parts / "disk_host.c", "-o", host)
        images = []
        for number in range(self.disks):
            image = folder / f"disk{number}"
            # In the page cache, whole.
            image.write_bytes(bytes(range(256)) * (self.size * REQUESTS // 256))
            images.append(str(image))
        disks = [word for image in images for word in ("--disk", f"{image},readonly")]
        return (
            Subject("host's pread", [str(host), *images]),
            Subject("caisson", [
                bench.caisson, "run", "--memory", "128M", "--network", "none", "--kernel", str(guest), *disks]),
        )


def thread_times(pid):
    """The CPU time of each of a process's threads, in seconds."""
    times = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        times[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return times


def disks(bench, rounds):
    """Yields what requests take, in turns with the host's."""
    work = pathlib.Path(bench.folder.name)
    patterns = [
        Pattern("a read of 256 KiB, in order", 256 << 10, 40),
        Pattern("a read of 4 KiB, in disorder", 4 << 10, 600, in_order=False),
    ]
    patterns += [Pattern(f"a read of 4 KiB, {n} disks", 4 << 10, 600, in_order=False, disks=n) for n in (2, 4, 8)]
    for pattern in patterns:
        subjects = pattern.build(bench, work)
        costs = {subject.name: [] for subject in subjects}
        monitor = []
        for number in range(rounds):
            for subject in subjects:
                progress(f"disks {number + 1} of {rounds}: {pattern.name}, {subject.name}")
                try:
                    with Running(subject.command) as process:
                        begin = process.wait_for(b"A")
                        before = thread_times(process.pid)
                        costs[subject.name].append((process.wait_for(b"B") - begin) / pattern.count * 1e6)
                        after = thread_times(process.pid)
                except NoAnswer as reason:
                    raise Failure(f"{subject.name}: {reason}") from None
                if subject.name == "caisson":
                    used = sorted(after[task] - before.get(task, 0) for task in after)
                    # The busiest thread is the guest's processor, which waits for its requests by looking again and again.
                    monitor.append(sum(used[:-1]) / pattern.count * 1e6)
        goals = {"host's pread": 1.11} if pattern.size == 256 << 10 else {}
        for subject in subjects:
            yield Result(pattern.name, subject.name, "µs", costs[subject.name], goals)
        yield Result(f"monitor's CPU time of {pattern.name}", "caisson", "µs", monitor)


def machines(bench, rounds, counts=(1, 2, 4, 8, 16)):
    """Yields how long machines that start together take, and what memory each has beside its guest's."""
    command = [
        bench.caisson, "run", "--memory", "128M", "--network", "none", "--kernel", bench.quiet[0]]
    for count in counts:
        times, memory = [], []
        for number in range(rounds):
            progress(f"{count} machines at once, {number + 1} of {rounds}")
            running = []
            try:
                begin = time.monotonic()
                for _ in range(count):
                    running.append(Running(command).__enter__())
                for process in running:
                    process.wait_for(b"A")
                times.append((time.monotonic() - begin) / count * 1e3)
                time.sleep(0.2)
                memory += [process.memory_beside_guest() / 1024 for process in running]
            except NoAnswer as reason:
                raise Failure(f"{count} machines at once: {reason}") from None
            finally:
                for process in running:
                    process.__exit__()
        yield Result(f"start of each of {count} machines at once", "caisson", "ms", times)
        yield Result(f"memory beside the guest's of {count} machines at once", "caisson", "MiB", memory)
