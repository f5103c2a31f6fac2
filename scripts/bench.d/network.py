"""What TCP through a guest's networks costs against the same program between two namespaces of the host."""

import os
import pathlib
import subprocess
import sys

from measure import BOOT_PATIENCE, PROMPT, Failure, NoAnswer, Result, Running, progress

PORT = 7000
PATIENCE = 300.0
# Enough for the window to open; a guest whose kernel is emulated takes seconds for it.
GUEST_BYTES = 2 << 20
HOST_BYTES = 256 << 20
PEER = "two namespaces"
ENTER = ["/usr/bin/nsenter", "--user", "--preserve-credentials", "--net", "--target"]


class Guest:
    """The default guest in a namespace of its own, with the host's network and a tap interface, and a second namespace beside it."""

    def __init__(self, bench, program):
        self.program = program
        self.input, self.keyboard = os.pipe()
        self.helpers = []
        self.running = Running([
            "/usr/bin/unshare", "--map-root-user", "--net", bench.caisson, "run", "--network", "user,host-loopback",
            "--network", "tap=vm", "--disk", f"{program},readonly",
        ], stdin=self.input)

    def __enter__(self):
        try:
            self.prepare()
        except BaseException:
            # Nobody else ends what was started by then.
            self.__exit__()
            raise
        return self

    def prepare(self):
        self.running.wait_for(PROMPT, BOOT_PATIENCE)
        pid = str(self.running.pid)
        other = self.start([*ENTER, pid, "/usr/bin/unshare", "--net", "/bin/sh", "-c", "echo; exec sleep 3600"])
        self.call(
            "ip link set lo up; ip address add 10.8.0.1/24 dev vm; ip link set vm up;"
            f"ip link add near type veth peer name far netns {other.pid};"
            "ip address add 10.9.0.1/24 dev near; ip link set near up")
        self.call("ip address add 10.9.0.2/24 dev far; ip link set far up", other.pid)
        self.other = other.pid
        self.server = self.start([*ENTER, pid, self.program, "serve", str(PORT)])
        self.shell(
            f"dd if=/dev/vda of=/tmp/tcp bs=64k count={-(-os.path.getsize(self.program) >> 16)} 2>/dev/null; chmod +x /tmp/tcp;"
            "ip address add 10.8.0.2/24 dev eth1; ip link set eth1 up; while [ ! -s /etc/resolv.conf ]; do sleep 1; done")

    def __exit__(self, *_):
        for helper in self.helpers:
            helper.kill()
            helper.wait()
            helper.stdout.close()
        self.running.__exit__()
        os.close(self.input)
        os.close(self.keyboard)

    def start(self, command):
        """A process that runs until the end, when it has said its first line."""
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.helpers.append(process)
        if not process.stdout.readline():
            raise NoAnswer(f"{command[-1]} does not start")
        return process

    def call(self, script, namespace=None):
        command = [*ENTER, str(namespace or self.running.pid), "/bin/sh", "-ec", script]
        if subprocess.run(command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}).returncode:
            raise NoAnswer("the namespace's network cannot be set up")

    def shell(self, command):
        # The echo of the command has the quotes.
        os.write(self.keyboard, f"{command}; echo do''ne\n".encode())
        self.running.wait_for(b"done\r\n", self.running.age() + PATIENCE)

    def sample(self, run, count):
        """MiB a second of a stream of `count` bytes that `run` has made."""
        run()
        moved, microseconds = map(int, self.server.stdout.readline().split())
        if moved != count:
            raise NoAnswer(f"a stream of {count} bytes had {moved}")
        return moved / max(1, microseconds) * 1e6 / (1 << 20)


def available():
    test = ["/usr/bin/unshare", "--map-root-user", "--net", "/bin/test", "-w", "/dev/net/tun"]
    return subprocess.run(test, stderr=subprocess.DEVNULL).returncode == 0


def streams(bench, rounds):
    """Yields the throughput of one stream each way, in turns."""
    if not available():
        print("networks do not take part: no network namespace can be made, or no tap interface in it", file=sys.stderr)
        return
    program = str(pathlib.Path(bench.folder.name) / "tcp")
    bench.compile("-static", bench.parts / "tcp.c", "-o", program)
    # A disk has whole blocks.
    os.truncate(program, -(-os.path.getsize(program) // 512) * 512)
    figures = {}
    try:
        with Guest(bench, program) as guest:
            def from_guest(address):
                return lambda way: guest.sample(
                    lambda: guest.shell(f"/tmp/tcp {way} {address} {PORT} {GUEST_BYTES}"), GUEST_BYTES)

            subjects = {
                "the user network": from_guest("10.0.2.2"),
                "a tap interface": from_guest("10.8.0.1"),
                PEER: lambda way: guest.sample(
                    lambda: guest.call(f"{program} {way} 10.9.0.1 {PORT} {HOST_BYTES}", guest.other), HOST_BYTES),
            }
            for number in range(rounds):
                for way in ("send", "receive"):
                    for name, measure in subjects.items():
                        progress(f"networks {number + 1} of {rounds}: {name}, {way}")
                        figures.setdefault((way, name), []).append(measure(way))
    except NoAnswer as reason:
        raise Failure(f"networks: {reason}") from None
    for (way, name), samples in figures.items():
        if name != PEER:
            figure = f"TCP {'to' if way == 'send' else 'from'} the host, {name}"
            yield Result(figure, "caisson", "MiB/s", samples)
            yield Result(figure, PEER, "MiB/s", figures[way, PEER])
