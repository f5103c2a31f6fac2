"""What making an image takes."""

import io
import os
import pathlib
import random
import shutil
import tarfile

from measure import Failure, Result, Subject, progress, run_to_end

FILES = 8000
# Of all files: 160 MiB, as a small Debian has them.
BYTES = 160 << 20
# Longer than any import takes.
PATIENCE = 600.0


def make_archive(path, files=FILES, size=BYTES):
    """An archive of files of all sizes, the same each time."""
    numbers = random.Random(1)
    content = numbers.randbytes(1 << 20)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        shares = [numbers.expovariate(1) for _ in range(files)]
        total = sum(shares)
        for number, share in enumerate(shares):
            entry = tarfile.TarInfo(f"usr/share/{number % 200}/{number}")
            entry.size = min(int(share * size / total), len(content))
            offset = numbers.randrange(len(content) - entry.size + 1)
            archive.addfile(entry, io.BytesIO(content[offset:offset + entry.size]))


def imports(bench, rounds):
    """Yields the processor time of an import, and of the programs that make such file systems otherwise."""
    work = pathlib.Path(bench.folder.name) / "images"
    work.mkdir()
    archive = str(work / "files.tar")
    make_archive(archive)
    image = str(work / "image")
    subjects = [Subject("caisson", [
        "/usr/bin/env", f"XDG_DATA_HOME={work}/store", bench.caisson, "image", "import", "--progress", "none", "bench", archive])]
    if shutil.which("mkfs.erofs"):
        script = 'mkdir "$1.d" && tar -C "$1.d" -xf "$2" && mkfs.erofs --quiet --all-root "$1" "$1.d" && rm -r "$1" "$1.d"'
        subjects.append(Subject("tar, mkfs.erofs", ["/bin/sh", "-c", script, "-", image, archive]))
    if shutil.which("sqfstar"):
        script = 'sqfstar -quiet -no-progress -noI -noD -noF -noX -processors 1 "$1" <"$2" && rm "$1"'
        subjects.append(Subject("sqfstar, plain", ["/bin/sh", "-c", script, "-", image, archive]))
    times = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        for subject in list(subjects):
            progress(f"image {number + 1} of {rounds}: {subject.name}")
            end = run_to_end(subject.command, PATIENCE)
            if end.status and subject.name == "caisson":
                raise Failure(f"caisson image import: exit status {end.status}")
            if end.status:
                bench.drop(subject, subjects, f"exit status {end.status}")
                continue
            times[subject.name].append(end.user + end.system)
            shutil.rmtree(work / "store", ignore_errors=True)
    os.unlink(archive)
    for subject in subjects:
        yield Result("processor time of the import of 160 MiB in 8,000 files", subject.name, "s", times[subject.name])
