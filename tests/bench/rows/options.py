"""What `tests/bench/run` is asked for. All of it is checked before anything starts."""
import argparse
import typing

BROKERS = "embedded", "apache"
KEYS = "distinct", "zipf"


class Row(typing.NamedTuple):
    run: typing.Callable
    keys: tuple = ("distinct",)  # the kinds of keys it is run with
    only: str = None             # the kind of broker, where not both
    anywhere: bool = False       # whether it may run on a given cluster: it makes topics of its own, or has none
    least: int = 1               # events


def positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"takes a whole number above 0, not {text!r}")
    return int(text)


def is_address(text):
    host, colon, port = text.rpartition(":")
    return bool(host and colon) and port.isdecimal() and 0 < int(port) < 65536


def is_writable(path):
    """Whether the file can be written. It is made if it is not there."""
    try:
        with open(path, "a", encoding="utf-8"):
            return True
    except OSError:
        return False


def runs_on(only, broker):
    """Whether a row for one kind of broker runs on this one; a cluster given by its address is like Apache Kafka."""
    return only is None or (only == "embedded") == (broker == "embedded")


def parser_of(rows, description):
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="Exit status: 0 if every row ran, also if targets are missed; 1 if a row failed; 2 for wrong"
                                            " options; 130 if interrupted,\nwith the figures so far.")
    parser.add_argument("--rows", metavar="A,B", help=f"only these of: {', '.join(rows)}")
    parser.add_argument("--kafka", default="embedded,apache", metavar="A,B",
                        help="embedded, apache or HOST:PORT, separated by commas (default: %(default)s); HOST:PORT only for"
                             f" {', '.join(on_a_cluster(rows))}")
    parser.add_argument("--keys", default="distinct,zipf", metavar="A,B", help="distinct, zipf or both (default: %(default)s)")
    parser.add_argument("--repeats", type=positive, metavar="N", help="of each program (default: 5, with --quick 1)")
    parser.add_argument("--records", type=positive, metavar="N", help="events of a run, instead of each row's own number")
    parser.add_argument("--loops", type=positive, default=1, metavar="N",
                        help="turns: beside the engine with one event loop also one with N (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="once and small: whether all of it works, not how fast it is")
    parser.add_argument("--tsv", metavar="FILE", help="write the figures there as well, tab-separated")
    parser.add_argument("--svg", metavar="FILE", help="draw the figures of the row growth there")
    return parser


def on_a_cluster(rows):
    """The rows that may run on a given cluster."""
    return [name for name, row in rows.items() if row.anywhere]


def parse(rows, description="", arguments=None):
    """The options for these rows (name to Row). Ends with status 2 and a message if they do not fit."""
    parser = parser_of(rows, description)
    options = parser.parse_args(arguments)
    options.repeats = options.repeats or (1 if options.quick else 5)
    options.rows = list(rows) if options.rows is None else options.rows.split(",")
    options.kafka, options.keys = options.kafka.split(","), options.keys.split(",")
    for name, given, known in (("--rows", options.rows, rows), ("--keys", options.keys, KEYS)):
        for each in given:
            if each not in known:
                parser.error(f"{name} takes {', '.join(known)}, not {each!r}")
    for each in options.kafka:
        if each not in BROKERS and not is_address(each):
            parser.error(f"--kafka takes {', '.join(BROKERS)} or HOST:PORT, not {each!r}")
    check_rows(parser, rows, options)
    if options.svg and "growth" not in options.rows:
        parser.error("--svg draws the row growth: add it to --rows")
    for name, path in (("--tsv", options.tsv), ("--svg", options.svg)):
        if path and not is_writable(path):
            parser.error(f"{name} cannot write {path}")
    return options


def check_rows(parser, rows, options):
    """Whether each row asked for can run as it is asked to."""
    given = [broker for broker in options.kafka if broker not in BROKERS]
    not_there = [name for name in options.rows if not rows[name].anywhere]
    if given and not_there:
        parser.error(f"--kafka {','.join(given)} is for rows that make topics of their own: --rows {','.join(on_a_cluster(rows))};"
                     f" not {', '.join(not_there)}")
    for name in options.rows:
        if options.records and options.records < rows[name].least:
            parser.error(f"--records for {name} is at least {rows[name].least:,}")
