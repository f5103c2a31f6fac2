"""Tests of the bench's own arithmetic and of what it keeps. Nothing is measured."""

import io
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import history  # noqa: E402
import images  # noqa: E402
import linux  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402


def run(medians, cpu="A", quick=False, spread=1.0, kvm="hardware"):
    figures = {
        name: {"unit": "ms", "subjects": {"caisson": {"median": median, "samples": 5, "spread": spread}}}
        for name, median in medians.items()
    }
    host = {"cpu": cpu, "processors": 2, "kernel": "6.1", "kvm": kvm}
    return {"date": "2026-01-01T00:00:00+00:00", "commit": "abc", "host": host, "quick": quick, "load": 0.0, "figures": figures}


class HistoryTests(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="caisson-bench-tests.")
        self.addCleanup(self.folder.cleanup)
        before = os.environ.get("XDG_STATE_HOME")
        self.addCleanup(lambda: os.environ.pop("XDG_STATE_HOME") if before is None else os.environ.update(XDG_STATE_HOME=before))
        os.environ["XDG_STATE_HOME"] = self.folder.name

    def test_what_is_stored_comes_back_in_its_order(self):
        self.assertEqual(history.load(), [])
        runs = [run({"start": number}) for number in (1, 2, 3)]
        for each in runs:
            history.append(each)
        self.assertEqual(history.load(), runs)
        self.assertEqual(history.path(), pathlib.Path(self.folder.name) / "caisson" / "bench.jsonl")

    def test_lines_that_are_no_runs_are_passed_over(self):
        history.append(run({"start": 1}))
        with open(history.path(), "a", encoding="utf-8") as file:
            file.write('{"date": "2026\n[]\n{"host": {}}\n7\n')
        history.append(run({"start": 2}))
        self.assertEqual(history.load(), [run({"start": 1}), run({"start": 2})])

    def test_only_runs_of_one_kind_are_compared(self):
        new = run({"start": 5})
        others = [run({}, cpu="B"), run({}, quick=True), run({}, kvm="software")]
        self.assertIsNone(history.previous(new, others))
        self.assertEqual(history.previous(new, [run({"start": 1}), run({"start": 2}), *others]), run({"start": 2}))

    def test_a_relative_state_directory_is_ignored(self):
        os.environ["XDG_STATE_HOME"] = "state"
        self.assertEqual(history.path(), pathlib.Path.home() / ".local/state/caisson/bench.jsonl")

    def compare(self, old, new):
        text = io.StringIO()
        history.compare(old, new, text)
        return text.getvalue()

    def test_a_change_is_one_beyond_noise_and_spread(self):
        text = self.compare(run({"a": 100, "b": 100, "gone": 1}), run({"a": 150, "b": 103, "new": 7}))
        self.assertRegex(text, r"a, ms +100 +150  \+50 %")
        self.assertRegex(text, r"b, ms +100 +103  alike \(\+3 %\)")
        self.assertRegex(text, r"new, ms +7  new")
        self.assertIn("gone: not measured now", text)
        self.assertRegex(self.compare(run({"a": 100}, spread=60), run({"a": 150})), r"alike \(\+50 %\)")
        self.assertRegex(self.compare(run({"a": 0}), run({"a": 150})), r"a, ms +0 +150")

    def test_a_record_tells_medians_and_spreads_and_is_json(self):
        root = pathlib.Path(__file__).resolve().parent.parent.parent
        bench = type("Bench", (), {"caisson": "/bin/false", "root": root})
        results = [measure.Result("start", "caisson", "ms", [1, 2, 3, 4, 5]), measure.Result("start", "peer", "ms", [7])]
        record = json.loads(json.dumps(history.record(bench, results, quick=True)))
        self.assertEqual(record["figures"]["start"]["subjects"]["caisson"], {"median": 3, "samples": 5, "spread": 33.33})
        self.assertEqual(record["figures"]["start"]["subjects"]["peer"], {"median": 7, "samples": 1, "spread": None})
        self.assertEqual(record["host"]["kvm"], "unknown")
        self.assertTrue(history.processor())


class MeasureTests(unittest.TestCase):
    def test_a_command_tells_its_end_and_what_it_took(self):
        end = measure.run_to_end(["/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; exit 3"])
        self.assertEqual(end.status, 3)
        self.assertGreater(end.user, 0)
        self.assertGreaterEqual(end.seconds, end.user / os.cpu_count())

    def test_a_command_without_an_end_is_killed(self):
        end = measure.run_to_end(["/bin/sleep", "1000"], patience=0.05)
        self.assertEqual(end.status, -9)
        self.assertLess(end.seconds, 100)

    def test_memory_is_that_of_the_process(self):
        # One program from the beginning: while it becomes another one, a process has no memory to be told of.
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("up\n")
            file.flush()
            with measure.Running(["/usr/bin/tail", "-n", "+1", "-f", file.name]) as process:
                process.wait_for(b"up\n")
                self.assertGreater(process.memory(), 10)

    def test_emulated_instructions_are_those_of_all_processors(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            counted = {"processors": [{"kernel": {"emulations": 1_000_000}}, {"kernel": {"emulations": 500_000}}]}
            file.write(json.dumps({"processors": [{"kernel": None}]}) + "\n")
            file.flush()
            self.assertIsNone(linux.emulations(file.name))
            file.write(json.dumps(counted) + "\n")
            file.flush()
            self.assertEqual(linux.emulations(file.name), 1.5)

    def test_the_archive_is_the_same_each_time(self):
        with tempfile.TemporaryDirectory(prefix="caisson-bench-tests.") as folder:
            first, second = pathlib.Path(folder, "a"), pathlib.Path(folder, "b")
            for path in (first, second):
                images.make_archive(str(path), files=50, size=1 << 20)
            self.assertEqual(first.read_bytes(), second.read_bytes())
            self.assertGreater(first.stat().st_size, 900_000)

    def test_ratios_are_of_medians_against_caisson(self):
        group = [measure.Result("f", "peer", "ms", [1, 2, 9]), measure.Result("f", "caisson", "ms", [3, 4, 5])]
        self.assertEqual(report.ratios(group), {"peer": 2})


if __name__ == "__main__":
    unittest.main()
