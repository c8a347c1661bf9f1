"""Run A against run B: what changed, and what is only noise."""

from __future__ import annotations

from typing import Any

from .report import duration, ours, times

# A change smaller than this is never called one: two runs of the same code on a quiet machine
# differ by a few percent (frequency, placement in memory).
LEAST = 0.05


def noise(entry: dict[str, Any]) -> float:
    """Spread of the rounds of one contestant: the distance of its quartiles over its median."""
    return float((entry["high"] - entry["low"]) / entry["median"])


def verdict(a: dict[str, Any], b: dict[str, Any]) -> tuple[float, float, str]:
    """Time of b over time of a; the noise of both together; "faster", "slower" or ""."""
    ratio = b["median"] / a["median"]
    limit = max(LEAST, noise(a) + noise(b))
    # The quartiles must not overlap either: a median can jump where times are of two kinds.
    if ratio > 1 + limit and b["low"] > a["high"]:
        return ratio, limit, "slower"
    if ratio < 1 / (1 + limit) and b["high"] < a["low"]:
        return ratio, limit, "faster"
    return ratio, limit, ""


def compare(a: dict[str, Any], b: dict[str, Any]) -> str:
    """The report: fastrnn's time in B over that in A, case by case.

    Parameters
    ----------
    a, b : runs, as from `bench.report.read`
    """
    before = {result["name"]: result for result in a["results"]}
    after = {result["name"]: result for result in b["results"]}
    common = [name for name in before if name in after]
    width = max([len(name) for name in common], default=4)
    lines = [f"{'case':{width}}  {'A':>9}  {'B':>9}  {'B/A':>7}  {'noise':>6}"]
    changed = 0
    for name in common:
        one, two = ours(before[name]), ours(after[name])
        if one is None or two is None:
            lines.append(f"{name:{width}}  not timed in {'A' if one is None else 'B'}")
            continue
        ratio, limit, word = verdict(one, two)
        changed += bool(word)
        threads = "" if one["threads"] == two["threads"] else "  (different thread counts)"
        lines.append(
            f"{name:{width}}  {duration(one['median']):>9}  {duration(two['median']):>9}  "
            f"{times(ratio):>7}  {limit:>6.0%}  {word}{threads}".rstrip()
        )
    lines.append("")
    lines.append(f"{len(common)} cases in both runs, {changed} changed beyond the noise.")
    for letter, only in (("A", before.keys() - after.keys()), ("B", after.keys() - before.keys())):
        if only:
            lines.append(f"Only in {letter}: {', '.join(sorted(only))}.")
    lines += _cautions(a, b)
    return "\n".join(lines)


def _cautions(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    said = []
    if a["machine"]["cpu"] != b["machine"]["cpu"]:
        said.append(
            f"A ran on {a['machine']['cpu']}, B on {b['machine']['cpu']}: times of two machines do "
            "not compare; compare their ratios to a peer."
        )
    for letter, run in (("A", a), ("B", b)):
        if run["warning"]:
            said.append(f"{letter}: {run['warning']}")
    return said
