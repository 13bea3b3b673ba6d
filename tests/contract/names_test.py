"""One word, one thing: no two types at namespace scope share a name, not even in anonymous namespaces."""
import collections
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("common", "workers", "compose")

# Namespaces are not indented, so what begins a line is at namespace scope. Specialisations (`Reader<int>`), members
# defined outside of their class (`Server::Impl`) and forward declarations are no further types.
DEFINITION = re.compile(r"^(?:class|struct|union|enum|enum class) (?:\[\[\w+\]\] )?(\w+)(?: final)?(?: :(?!:)|\s*\{)", re.M)


def definitions(text):
    """The names of the types that a source defines at namespace scope."""
    return DEFINITION.findall(text)


class NamesTest(unittest.TestCase):
    def test_what_is_a_definition(self):
        source = """
class Engine;
class Engine final : public Base {
  struct Impl;
};
struct Engine::Impl {
};
template <class T>
struct Reader {
};
template <>
struct Reader<int> {
};
enum class Mood : int { calm };
struct [[nodiscard]] Wide
{
};
struct pg_conn* raw;
"""
        self.assertEqual(definitions(source), ["Engine", "Reader", "Mood", "Wide"])

    def test_no_two_types_have_one_name(self):
        where = collections.defaultdict(list)
        for folder in FOLDERS:
            for file in sorted((ROOT / folder).rglob("*.[ch]pp")):
                for name in definitions(file.read_text()):
                    where[name].append(str(file.relative_to(ROOT)))
        self.assertGreater(len(where), 300)
        twice = {name: files for name, files in where.items() if len(files) > 1}
        self.assertEqual(twice, {}, "give each type a name that says what is particular about it, or share one type")


if __name__ == "__main__":
    unittest.main()
