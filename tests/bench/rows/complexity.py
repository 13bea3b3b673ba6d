"""How fast a cost grows with n, from a few measured steps. Pure."""
import math


def slope(points):
    """The exponent e of the power n^e that fits (n, cost) best: least squares of log cost over log n."""
    logs = [(math.log(n), math.log(cost)) for n, cost in points]
    middle = [sum(column) / len(logs) for column in zip(*logs)]
    above = sum((x - middle[0]) * (y - middle[1]) for x, y in logs)
    return above / sum((x - middle[0]) ** 2 for x, _ in logs)


def n_log_n(n):
    """The law that nothing may outgrow. n + 1, as the logarithm of one step of 1 would be 0."""
    return n * math.log(n + 1)


def totals(points, each):
    """The cost of n: where `each` is measured, n times that of one."""
    return [(n, n * cost if each else cost) for n, cost in points]


def exponent(points, each):
    """The exponent of the cost of n."""
    return slope(totals(points, each))


def worst_step(points, each):
    """Between which two neighbouring steps the cost of n grows fastest, compared with n log n: its exponent there, that of
    n log n, and the two steps."""
    def step(pair):
        return slope(pair), bound([n for n, _ in pair]), pair[0][0], pair[1][0]
    costs = totals(points, each)
    return max(map(step, zip(costs, costs[1:])), key=lambda found: found[0] - found[1])


def bound(steps):
    """The exponent that n log n has over these steps."""
    return slope([(n, n_log_n(n)) for n in steps])


def allowed(points, each, count=60):
    """What the first of the points may become by n log n, up to the last n, at so many n."""
    (first, cost), last = points[0], points[-1][0]
    at = [first * (last / first) ** (i / (count - 1)) for i in range(count)]
    return [(n, cost * (n_log_n(n) / n_log_n(first)) / (n / first if each else 1)) for n in at]
