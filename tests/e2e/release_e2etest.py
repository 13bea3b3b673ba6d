"""What a release is made of: nothing that a test may break it with."""
import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("e2e", "faults")]
from fault_case import ROOT, declared  # noqa: E402
from harness import binary  # noqa: E402

PROGRAMS = "omnibus-chat", "omnibus-gdpr", "omnibus-notify", "omnibus-relay", "omnibus-scheduler"


class ReleaseTest(unittest.TestCase):
    # Names that are ordinary words elsewhere say nothing; those of two words do.
    traces = [b"OMNIBUS_FAILPOINT", b"OMNIBUS_MUTATE",
              *(name.encode() + b"\0" for macro in ("OMNIBUS_FAILPOINT", "OMNIBUS_MUTATED") for name in declared(macro) if "." in name)]

    def found_in(self, code):
        return [trace for trace in self.traces if trace in code]

    def test_a_release_has_no_failpoints_and_no_mutations(self):
        programs = [pathlib.Path(path) for path in pathlib.Path(binary("omnibus")).parent.glob("omnibus*")]
        self.assertGreater(len(programs), len(PROGRAMS))
        for program in programs:
            self.assertEqual(self.found_in(program.read_bytes()), [], program)

    def test_a_build_for_the_fault_suite_has_them_all(self):
        programs = [ROOT / "build/dev/bin" / program for program in PROGRAMS]
        if not all(program.exists() for program in programs):
            self.skipTest("no build in build/dev")
        self.assertEqual(self.found_in(b"".join(program.read_bytes() for program in programs)), self.traces)


if __name__ == "__main__":
    unittest.main(verbosity=2)
