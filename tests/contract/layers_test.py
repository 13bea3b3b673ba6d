"""Who may know whom: data flows one way through the folders, and a worker knows of another at most its events."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def included(folder):
    """Pairs of a source of that folder and what it includes of ours, as `common/kafka/admin.cpp`, `json/encode.hpp`."""
    for file in sorted((ROOT / folder).rglob("*.[ch]pp")):
        for name in re.findall(r'^#include "([^"]+)"', file.read_text(), re.M):
            yield file.relative_to(ROOT), name


class LayersTest(unittest.TestCase):
    def setUp(self):
        listed = re.search(r"foreach\(part ([a-z ]+)\)", (ROOT / "CMakeLists.txt").read_text())
        self.order = listed.group(1).split()

    def test_a_folder_of_common_includes_only_what_is_lower_in_the_list(self):
        self.assertEqual(set(self.order), {each.name for each in (ROOT / "common").iterdir() if each.is_dir()})
        seen = 0
        for place, part in enumerate(self.order):
            for file, name in included(f"common/{part}"):
                self.assertFalse(name.startswith(("workers/", "tests/")), f"{file} includes {name}")
                other = name.split("/")[0]
                if "/" in name and other in self.order:
                    seen += 1
                    self.assertLessEqual(self.order.index(other), place, f"{file} includes {name}, which is higher")
        self.assertGreater(seen, 100)

    def test_no_worker_includes_anything_of_another_but_its_events(self):
        workers = [each.name for each in (ROOT / "workers").iterdir() if each.is_dir()]
        self.assertGreater(len(workers), 3)
        for worker in workers:
            for file, name in included(f"workers/{worker}"):
                self.assertFalse(name.startswith("tests/"), f"{file} includes {name}")
                if name.startswith("workers/") and not re.fullmatch(r"workers/\w+/events\.hpp", name):
                    self.assertIn(name.split("/")[1], {worker}, f"{file} includes {name}")

    def test_no_handler_includes_the_engine(self):
        for file, name in included("workers"):
            if file.name != "main.cpp" and file.parts[1] != "cli":  # a main function joins the two, the tool looks inside
                self.assertFalse(name.startswith("engine/"), f"{file} includes {name}")

    def test_the_list_of_workers_names_every_worker_and_nothing_else(self):
        listed = (ROOT / "workers/list.txt").read_text().splitlines()
        programs = {each.parent.name for each in (ROOT / "workers").glob("*/main.cpp")} - {"cli"}
        self.assertEqual(sorted(listed), sorted(programs))

    def test_the_list_of_contributing_is_that_of_the_build(self):
        told = re.search(r"stands before it here:\s+([a-z\s]+?)\nworkers/", (ROOT / "CONTRIBUTING.md").read_text())
        self.assertEqual(told.group(1).split(), self.order)


if __name__ == "__main__":
    unittest.main()
