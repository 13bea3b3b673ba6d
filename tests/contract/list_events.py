"""Writes a C++ header with the list of all events: the structs with a `type` of common/events/ and of workers' events.hpp.

list_events.py OUTPUT ROOT HEADER...

A struct written otherwise than the others is left out, and contract_test.py then misses it.
"""
import pathlib
import re
import sys


def events_of(text):
    """The qualified names of a header's events, in their order."""
    namespace = re.search(r"^namespace ([\w:]+) {", text, re.M)
    for name in re.findall(r"^struct (\w+)(?: : \w+)? {\s+static constexpr \S+ type =", text, re.M):
        yield f"{namespace.group(1)}::{name}"


output, root = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
headers = sorted(pathlib.Path(header).relative_to(root) for header in sys.argv[3:])
found = {header: list(events_of((root / header).read_text())) for header in headers}
lines = ["#pragma once", ""]
lines += [f'#include "{header.as_posix().removeprefix("common/")}"' for header, events in found.items() if events]
names = ",\n    ".join(name for events in found.values() for name in events)
lines += ["", "template <class... Event>", "struct List {};", "", "/// Every event there is.", f"using Events = List<\n    {names}>;", ""]
output.write_text("\n".join(lines))
