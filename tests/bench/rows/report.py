"""The results, as a table for people and as TSV."""
import statistics

COLUMNS = ["row", "broker", "keys", "what", "limit", "limit_min", "limit_max", "ours", "ours_min", "ours_max", "ratio",
           "ratio_min", "ratio_max", "target", "reached", "repeats", "note"]


def number(value):
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def spread(some):
    """How far the repeats lie apart, as a share of their median."""
    middle = statistics.median(some) if some else 0
    return f" ±{(max(some) - min(some)) / 2 / middle:.0%}" if len(some) > 1 and middle else ""


def cells(result):
    def column(some):
        return number(statistics.median(some)) + spread(some) if some else ""
    ratio = f"{statistics.median(result.ratios):.0%}{spread(result.ratios)}" if result.ratios else ""
    reached = {True: "yes", False: "NO", None: ""}[result.reached]
    return [result.row, result.broker, result.keys, result.what, column(result.limit), column(result.ours), ratio, result.target,
            reached, result.note]


def table(results):
    head = ["row", "broker", "keys", "what", "limit", "ours", "ratio", "target", "reached", "note"]
    lines = [head] + [cells(each) for each in results]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = []
    for line in lines:
        text.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def tsv(results):
    lines = ["\t".join(COLUMNS)]
    for each in results:
        row = [each.row, each.broker, each.keys, each.what]
        for some in (each.limit, each.ours, each.ratios):
            row += [f"{value:.6g}" for value in (statistics.median(some), min(some), max(some))] if some else ["", "", ""]
        row += [each.target, {True: "yes", False: "no", None: ""}[each.reached], str(len(each.ours)), each.note]
        lines.append("\t".join(row))
    return "\n".join(lines) + "\n"
