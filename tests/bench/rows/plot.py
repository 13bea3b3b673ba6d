"""Small multiples of curves with a logarithmic x axis, as SVG for light and dark pages. Pure: numbers in, text out."""
import dataclasses
import html
import math

WIDTH, HEIGHT = 430, 254           # of a panel
LEFT, RIGHT, TOP, BOTTOM = 58, 52, 66, 46  # of it, around the curves
FOOT = 34                          # of the page, for the note
END_GAP = 13                       # between the numbers at the curves' ends
LETTER = 7                         # width in a legend, on average
COLOURS = ["a", "b", "c"]          # classes of the style sheet
STYLE = """
  .page { fill: #ffffff } text { fill: #24292f; font: 12px system-ui, 'DejaVu Sans', sans-serif }
  .title { font-weight: 600; font-size: 13px } .axis { stroke: #8c959f } .grid { stroke: #d8dee4 }
  .curve { fill: none; stroke-width: 2 } .allowed { fill: none; stroke-width: 1.2; stroke-dasharray: 4 4 }
  .a { stroke: #0550ae } .b { stroke: #bc4c00 } .c { stroke: #116329 }
  circle.a { fill: #0550ae } circle.b { fill: #bc4c00 } circle.c { fill: #116329 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3 } .axis { stroke: #7d8590 } .grid { stroke: #30363d }
    .a { stroke: #6cb6ff } .b { stroke: #f69d50 } .c { stroke: #57ab5a }
    circle.a { fill: #6cb6ff } circle.b { fill: #f69d50 } circle.c { fill: #57ab5a }
  }
"""


@dataclasses.dataclass(frozen=True)
class Curve:
    """Measured points (n, cost), and dashed what the first of them may become."""
    label: str
    points: list
    allowed: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Panel:
    """One plot; the axes' labels with their units."""
    title: str
    x: str
    y: str
    curves: list


def ticks(most, count=4):
    """Round numbers from 0 on, of which the last is at least `most`."""
    rough = most / count
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    return [step * i for i in range(math.ceil(most / step - 1e-9) + 1)]


def number(value):
    """A label of an axis: powers of ten from 100,000 on."""
    power = round(math.log10(value)) if value >= 100_000 else 0
    if power and 10 ** power == value:
        return "10" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(power))
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def spread_out(places, gap=END_GAP):
    """Heights as near to these as they can be with a gap between them, in the same order as given."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    result = list(places)
    for before, this in zip(order, order[1:]):
        result[this] = max(result[this], result[before] + gap)
    return result


def path(points):
    return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def text(x, y, what, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{html.escape(what)}</text>'


def drawn(panel, left, top, name):
    """The elements of one panel whose corner is there; `name` is that of its clip path."""
    measured = [point for curve in panel.curves for point in curve.points]
    steps = sorted({n for n, _ in measured})
    heights = ticks(max(cost for _, cost in measured) * 1.05)
    x0, x1, y0, y1 = left + LEFT, left + WIDTH - RIGHT, top + HEIGHT - BOTTOM, top + TOP
    width = math.log(steps[-1] / steps[0]) if len(steps) > 1 else 1

    def at(point):
        return x0 + (x1 - x0) * math.log(point[0] / steps[0]) / width, y0 - (y0 - y1) * point[1] / heights[-1]

    lines = [text(left + 8, top + 18, panel.title, more=' class="title"')]
    for value in heights:
        y = at((steps[0], value))[1]
        lines += [f'<path class="grid" d="M{x0},{y:.1f} H{x1}"/>', text(x0 - 6, y + 4, number(value), "end")]
    lines.append(f'<path class="axis" d="M{x0},{y0} H{x1}"/>')
    for step in steps:
        x = at((step, 0))[0]
        lines += [f'<path class="axis" d="M{x:.1f},{y0} v4"/>', text(x, y0 + 17, number(step), "middle")]
    lines += [text((x0 + x1) / 2, y0 + 35, panel.x, "middle"), text(left + 8, y1 - 9, panel.y)]
    lines.append(f'<clipPath id="{name}"><path d="M{x0 - 5},{y1 - 5} H{x1 + 5} V{y0 + 5} H{x0 - 5} Z"/></clipPath>')
    ends = spread_out([at(curve.points[-1])[1] for curve in panel.curves])
    legend = left + 8
    for curve, colour, end in zip(panel.curves, COLOURS, ends):
        if curve.allowed:
            lines.append(f'<path class="allowed {colour}" clip-path="url(#{name})" d="{path(map(at, curve.allowed))}"/>')
        lines.append(f'<path class="curve {colour}" d="{path(map(at, curve.points))}"/>')
        lines += [f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in map(at, curve.points)]
        lines.append(text(x1 + 9, end + 4, number(curve.points[-1][1])))
        lines += [f'<path class="curve {colour}" d="M{legend:.1f},{top + 32} h16"/>', text(legend + 22, top + 36, curve.label)]
        legend += 22 + LETTER * len(curve.label) + 16
    return lines


def svg(panels, note="", columns=2):
    """All panels, row by row, and a note below them."""
    rows = math.ceil(len(panels) / columns)
    width, height = columns * WIDTH, rows * HEIGHT + (FOOT if note else 0)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
             f"<style>{STYLE}</style>", f'<rect class="page" width="{width}" height="{height}"/>']
    for i, panel in enumerate(panels):
        lines += drawn(panel, i % columns * WIDTH, i // columns * HEIGHT, f"panel{i}")
    if note:
        lines.append(text(8, height - FOOT / 2 + 4, note))
    return "\n".join([*lines, "</svg>"]) + "\n"
