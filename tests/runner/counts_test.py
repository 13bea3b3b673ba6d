"""Tests of counts.py."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from counts import Counts, counts, outcome  # noqa: E402

DOCTEST = """\x1b[0;36m[doctest] \x1b[0mdoctest version is "2.4.9"
[doctest] test cases:  7 |  \x1b[0;32m4 passed\x1b[0m | 1 failed | 2 skipped
[doctest] assertions: 10 | 10 passed | 0 failed |
[doctest] Status: SUCCESS!
"""


class CountsTest(unittest.TestCase):
    def test_doctest_is_read_through_its_colours(self):
        self.assertEqual(counts(DOCTEST), Counts(4, 1, 2))

    def test_unittest_counts_what_passed(self):
        self.assertEqual(counts("....\nRan 4 tests in 0.1s\n\nOK\n"), Counts(4, 0, 0))
        self.assertEqual(counts("Ran 1 test in 0.1s\n\nOK (skipped=1)\n"), Counts(0, 0, 1))

    def test_unittest_failures_and_errors_are_failures(self):
        self.assertEqual(counts("Ran 9 tests in 1.0s\n\nFAILED (failures=1, errors=2, skipped=1)\n"), Counts(5, 3, 1))

    def test_expected_failures_of_unittest_pass(self):
        self.assertEqual(counts("Ran 3 tests in 1.0s\n\nOK (expected failures=1)\n"), Counts(3, 0, 0))

    def test_a_line_of_a_test_that_only_looks_like_a_summary_is_none(self):
        self.assertIsNone(counts("OK\nit said: Ran 3 tests in 1 s\nOK\n"))

    def test_no_summary_is_a_failure(self):
        self.assertEqual(outcome(-11, "Segmentation fault")[0], Counts(failed=1))

    def test_a_bad_end_after_tests_that_passed_is_a_failure(self):
        found, remark = outcome(1, "Ran 4 tests in 0.1s\n\nOK\n")
        self.assertEqual(found, Counts(4, 1, 0))
        self.assertIn("a leak", remark)

    def test_no_test_case_is_a_failure(self):
        self.assertEqual(outcome(0, "Ran 0 tests in 0.0s\n\nOK\n"), (Counts(failed=1), "no test case ran"))

    def test_a_check_is_one_case_whatever_it_says(self):
        self.assertEqual(outcome(0, "Ran 4 tests in 0.1s\n\nOK\n", one_case=True)[0], Counts(passed=1))
        self.assertEqual(outcome(2, "", one_case=True)[0], Counts(failed=1))

    def test_a_check_that_cannot_run_here_is_skipped(self):
        self.assertEqual(outcome(77, "", one_case=True)[0], Counts(skipped=1))


if __name__ == "__main__":
    unittest.main()
