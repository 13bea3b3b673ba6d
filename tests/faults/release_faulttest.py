"""What a release is made of: nothing that a test may break it with."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import RELEASE, declared  # noqa: E402
from harness import binary  # noqa: E402


class ReleaseTest(unittest.TestCase):
    def test_a_release_has_no_failpoints_and_no_mutations(self):
        if not (RELEASE / "omnibus-chat").exists():
            self.skipTest(f"no release build in {RELEASE}")
        # Names that are ordinary words elsewhere say nothing; those of two words do.
        names = [name for macro in ("OMNIBUS_FAILPOINT", "OMNIBUS_MUTATED") for name in declared(macro) if "." in name]
        traces = [b"OMNIBUS_FAILPOINT", b"OMNIBUS_MUTATE", *(name.encode() + b"\0" for name in names)]
        test_build = pathlib.Path(binary("omnibus-chat")).read_bytes() + pathlib.Path(binary("omnibus-relay")).read_bytes()
        self.assertEqual([trace for trace in traces if trace not in test_build], [], "not even the test build has these")
        for program in RELEASE.glob("omnibus*"):
            code = program.read_bytes()
            self.assertEqual([trace for trace in traces if trace in code], [], program)


if __name__ == "__main__":
    unittest.main(verbosity=2)
