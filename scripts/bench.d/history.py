"""What was measured before: a line of JSON a run, outside of the clone."""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess

# Of a figure's medians, in percent: below, two runs are called alike.
NOISE = 5


def path():
    state = os.environ.get("XDG_STATE_HOME", "")
    # A relative one is to be ignored, says the XDG Base Directory Specification.
    base = pathlib.Path(state) if state.startswith("/") else pathlib.Path.home() / ".local/state"
    return base / "caisson" / "bench.jsonl"


def processor():
    name = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return name[1] if name else platform.machine()


def virtualization(bench):
    """`hardware` or `software`, as `caisson doctor` finds it by trying."""
    doctor = subprocess.run([bench.caisson, "doctor", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        return json.loads(doctor.stdout)["verdict"]
    except (ValueError, KeyError):
        return "unknown"


def commit(root):
    """The commit that was measured, with a plus where the sources were changed since."""
    def git(*words):
        return subprocess.run(["git", *words], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")


def record(bench, results, quick):
    """A run as it is stored."""
    figures = {}
    for result in results:
        figures.setdefault(result.figure, {"unit": result.unit, "subjects": {}})["subjects"][result.subject] = {
            "median": result.median, "samples": len(result.samples), "spread": _spread(result)}
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(bench.root),
        "host": {
            "cpu": processor(), "processors": os.cpu_count(), "kernel": platform.release(), "kvm": virtualization(bench),
        },
        "quick": quick,
        "load": os.getloadavg()[0],
        "figures": figures,
    }


def _spread(result):
    """Half of the distance between the quartiles, in percent of the median."""
    if len(result.samples) < 2 or not result.median:
        return None
    first, _, third = statistics.quantiles(result.samples, n=4, method="inclusive")
    return round(100 * (third - first) / 2 / result.median, 2)


def kind(run):
    """What two runs have in common that can be compared; the kernel's version may be what changed."""
    return run["host"]["cpu"], run["host"]["processors"], run["host"]["kvm"], run["quick"]


def load():
    """All runs, the oldest first; lines that are none, such as one that a full disk cut off, are passed over."""
    try:
        lines = path().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    runs = []
    for line in lines:
        try:
            run = json.loads(line)
            kind(run)
            runs.append(run)
        except (ValueError, KeyError, TypeError):
            continue
    return runs


def append(run):
    """Stores a run, in one write, so that two at once do not mix. Raises OSError."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, (json.dumps(run, ensure_ascii=False) + "\n").encode())
    finally:
        os.close(descriptor)


def previous(run, runs):
    """The last of `runs` that can be compared with `run`, or None."""
    return next((other for other in reversed(runs) if kind(other) == kind(run)), None)


def compare(old, new, stream):
    """Shows what changed of Caisson's own figures. A ratio to a peer of the same run changes less with the host's load."""
    print(f"{old['date']} at {old['commit']} against {new['date']} at {new['commit']}", file=stream)
    if old["host"]["kernel"] != new["host"]["kernel"]:
        print(f"  the host's kernel: {old['host']['kernel']}, then {new['host']['kernel']}", file=stream)
    print(f"  {'':58}{'before':>10}{'now':>10}  change", file=stream)
    for name, figure in new["figures"].items():
        before = old["figures"].get(name)
        if not before:
            print(f"  {name + ', ' + figure['unit']:58}{'':>10}{_median(figure):>10}  new", file=stream)
            continue
        for subject, result in figure["subjects"].items():
            if subject not in before["subjects"]:
                continue
            then = before["subjects"][subject]
            label = f"{name}, {figure['unit']}" if subject == "caisson" else f"  {subject}"
            print(f"  {label:58}{then['median']:10.4g}{result['median']:10.4g}  {_change(then, result)}", file=stream)
    for name in old["figures"].keys() - new["figures"].keys():
        print(f"  {name}: not measured now", file=stream)


def _median(figure):
    subjects = figure["subjects"]
    return f"{(subjects.get('caisson') or next(iter(subjects.values())))['median']:.4g}"


def _change(old, new):
    if not old["median"]:
        return ""
    percent = 100 * (new["median"] / old["median"] - 1)
    noise = max(NOISE, old["spread"] or 0, new["spread"] or 0)
    return f"{percent:+.0f} %" if abs(percent) > noise else f"alike ({percent:+.0f} %)"
