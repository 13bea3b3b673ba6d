"""A row that fails or is interrupted takes nothing away from the others."""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import sys
import tempfile
import types
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rows.measure import Failed, Result  # noqa: E402
from rows.options import Row  # noqa: E402

loader = importlib.machinery.SourceFileLoader("bench_run", str(pathlib.Path(__file__).resolve().parents[1] / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
loader.exec_module(run)


def good(*_):
    yield Result("good", "embedded", "distinct", "events/s", [], [1])


def ending_with(error):
    """A row that has a figure before it ends so."""
    def row(*_):
        yield from good()
        raise error
    return row


class FakeStage:
    """Has nothing to stand on."""
    stopped = 0

    def __init__(self, options):
        self.options = options

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def prepare(self):
        pass

    def stop_workers(self):
        FakeStage.stopped += 1


class RunTest(unittest.TestCase):
    def run_rows(self, **rows):
        """The exit status of a run of these rows, what it printed, and its TSV."""
        said, told = io.StringIO(), io.StringIO()
        with tempfile.TemporaryDirectory() as folder:
            tsv = pathlib.Path(folder, "figures.tsv")
            options = types.SimpleNamespace(rows=list(rows), kafka=["embedded"], keys=["distinct"], repeats=1, tsv=str(tsv), svg=None)
            with mock.patch.multiple(run, ROWS={name: Row(each) for name, each in rows.items()}, Stage=FakeStage,
                                     parse=lambda *_: options), mock.patch("signal.signal"), \
                    contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
                status = run.main()
            return status, said.getvalue(), told.getvalue(), tsv.read_text(encoding="utf-8")

    def test_rows_after_one_that_fails_are_run_and_its_workers_are_stopped(self):
        FakeStage.stopped = 0
        status, said, told, tsv = self.run_rows(wrong=ending_with(Failed("it did not work")), broken=ending_with(TypeError("a bug")),
                                                right=good)
        self.assertEqual((status, FakeStage.stopped), (1, 2))
        self.assertIn("3 figures, 0 targets missed, 2 rows failed", said)
        self.assertEqual(tsv.count("good"), 3)
        self.assertIn("FAILED: it did not work", told)
        self.assertEqual(told.count("Traceback"), 1)

    def test_what_is_interrupted_has_its_figures_printed_and_written(self):
        status, said, told, tsv = self.run_rows(first=ending_with(KeyboardInterrupt()), second=good)
        self.assertEqual(status, 130)
        self.assertIn("1 figures, 0 targets missed, 0 rows failed", said)
        self.assertEqual(tsv.count("good"), 1)
        self.assertIn("interrupted", told)

    def test_missed_targets_do_not_change_the_exit_status(self):
        status, said, *_ = self.run_rows(slow=lambda *_: [Result("slow", "embedded", "distinct", "events/s", [], [1], "≥ 2", 2)])
        self.assertEqual(status, 0)
        self.assertIn("1 targets missed", said)


if __name__ == "__main__":
    unittest.main()
