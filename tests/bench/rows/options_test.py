"""Options that do not fit are refused before anything starts, with a message that says what to do."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rows import options  # noqa: E402

ROWS = {"consume": options.Row(None, options.KEYS, anywhere=True), "growth": options.Row(None, anywhere=True),
        "chat": options.Row(None, least=2560)}


def parse(*arguments):
    return options.parse(ROWS, arguments=arguments)


class OptionsTest(unittest.TestCase):
    def assert_refused(self, message, *arguments):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as ended:
            parse(*arguments)
        self.assertEqual(ended.exception.code, 2)
        self.assertIn(message, said.getvalue())

    def test_all_rows_run_on_both_brokers_unless_something_else_is_said(self):
        found = parse()
        self.assertEqual((found.rows, found.kafka, found.keys), (list(ROWS), ["embedded", "apache"], ["distinct", "zipf"]))
        self.assertEqual((found.repeats, parse("--quick").repeats, parse("--repeats", "3").repeats), (5, 1, 3))

    def test_numbers_are_whole_and_above_0(self):
        for option in ("--repeats", "--records", "--loops"):
            for value in ("0", "-1", "1.5", "many", ""):
                self.assert_refused("takes a whole number above 0", f"{option}={value}")

    def test_rows_and_keys_are_known_and_some(self):
        self.assert_refused("--rows takes consume, growth, chat, not ''", "--rows", "")
        self.assert_refused("not 'turns'", "--rows", "consume,turns")
        self.assert_refused("--keys takes distinct, zipf, not 'some'", "--keys", "some")

    def test_a_cluster_has_a_host_and_the_number_of_a_port(self):
        for broker in ("a:b", "a", ":9092", "a:", "a:0", "a:65536", ""):
            self.assert_refused("--kafka takes embedded, apache or HOST:PORT", "--rows", "consume", "--kafka", broker)
        self.assertEqual(parse("--rows", "consume", "--kafka", "[::1]:9092").kafka, ["[::1]:9092"])

    def test_a_given_cluster_is_for_rows_that_make_their_topics(self):
        self.assertEqual(parse("--rows", "consume,growth", "--kafka", "host:9092").rows, ["consume", "growth"])
        self.assert_refused("--rows consume,growth; not chat", "--rows", "consume,chat", "--kafka", "embedded,host:9092")
        self.assert_refused("not chat", "--kafka", "host:9092")

    def test_a_row_has_its_least_number_of_records(self):
        self.assert_refused("--records for chat is at least 2,560", "--rows", "chat", "--records", "2559")
        self.assertEqual(parse("--rows", "chat", "--records", "2560").records, 2560)
        self.assertEqual(parse("--rows", "consume", "--records", "1").records, 1)

    def test_files_can_be_written_and_the_plot_has_its_row(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assert_refused("--tsv cannot write", "--tsv", f"{folder}/none/figures.tsv")
            self.assert_refused("--svg cannot write", "--svg", folder)
            self.assert_refused("--svg draws the row growth", "--rows", "consume", "--svg", f"{folder}/plot.svg")
            kept = pathlib.Path(folder, "figures.tsv")
            kept.write_text("before")
            parse("--tsv", str(kept))
            self.assertEqual(kept.read_text(), "before")

    def test_a_row_of_one_kind_of_broker_takes_a_given_cluster_as_apache_kafka(self):
        self.assertTrue(options.runs_on("apache", "host:9092"))
        self.assertFalse(options.runs_on("embedded", "host:9092"))
        self.assertTrue(options.runs_on(None, "embedded"))


if __name__ == "__main__":
    unittest.main()
