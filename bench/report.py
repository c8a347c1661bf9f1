"""What a run found, for people and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import machine
from .goals import TWIN
from .peers import OURS
from .runner import FORMAT


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        if seconds * factor < 1000:
            value = seconds * factor
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{seconds:.2f} s"


def times(ratio: float) -> str:
    """A ratio, as in "2.31x"."""
    return f"{ratio:.2f}x" if ratio < 100 else f"{ratio:.0f}x"


def ours(result: dict[str, Any]) -> dict[str, Any] | None:
    """The entry of fastrnn that peers are compared with; None where it was not verified."""
    entries = result["contestants"].values()
    return next((entry for entry in entries if entry["peer"] == OURS), None)


def line(result: dict[str, Any]) -> str:
    """One case in one line, as it finishes."""
    entry = ours(result)
    parts = [] if entry is None else [f"fastrnn {duration(entry['median'])} ({_threads(entry)})"]
    parts += [f"{p} {times(r['median'])} ({_threads(r)})" for p, r in result["ratios"].items()]
    parts += [f"NOT VERIFIED: {error}" for error in result["errors"]]
    if entry is not None and not result["errors"]:
        parts.append("verified")
    if not parts:
        reasons = result.get("left_out", {})
        parts = [next((text for label, text in reasons.items() if label.startswith(OURS)), "nobody ran it.")]
    return f"{result['name']}: {', '.join(parts)}"


def table(results: Sequence[dict[str, Any]], peers: Sequence[str]) -> str:
    """All cases: median and minimum of fastrnn, and every peer's time in multiples of it."""
    columns = [peer for peer in peers if any(peer in result["ratios"] for result in results)]
    if any(TWIN in result["ratios"] for result in results):
        columns.append(TWIN)
    one = any(_one_thread(result) for result in results)
    cold = any("cold" in e for result in results for e in result["contestants"].values())
    peak = any(_work(result).get("share") for result in results)
    rows = [["case", "fastrnn", "min", "threads", *(["at 1"] if one else []),
             *(["cold"] if cold else []), "GF/s", *(["% peak"] if peak else []), *columns]]  # fmt: skip
    for result in results:
        entry = ours(result)
        if entry is None:
            rows.append([result["name"], "not verified" if result["errors"] else "not there"])
            continue
        row = [result["name"], duration(entry["median"]), duration(entry["min"]),
               str(entry["threads"])]  # fmt: skip
        if one:
            single = _one_thread(result)
            row.append(duration(single["median"]) if single else "")
        if cold:
            row.append(duration(entry["cold"]["median"]) if "cold" in entry else "")
        found = _work(result)
        row.append(f"{found['gflops']:.3g}" if found else "")
        if peak:
            row.append(f"{100 * found['share']:.0f}" if found.get("share") else "")
        for peer in columns:
            ratio = result["ratios"].get(peer)
            row.append(f"{times(ratio['median'])} @{ratio['threads']}" if ratio else "-")
        rows.append(row)
    widths = [max(len(row[i]) for row in rows if len(row) > i) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    )


def legend(results: Sequence[dict[str, Any]], rounds: int) -> str:
    """How to read the table."""
    text = (
        f"Medians of {rounds} interleaved rounds. A peer's column is its time in multiples of "
        "fastrnn's (above 1: fastrnn is faster), the median of the ratios of paired rounds, at the "
        "better of its thread counts (@). Outputs were verified against the reference cell first; "
        "what was not verified was not timed. A peer that is far behind has fewer rounds. GF/s: "
        "products only, from the shape; % peak: of the multiply-adds that so many threads do in "
        "registers, measured after each case, the best of the run."
    )
    if any(TWIN in result["ratios"] for result in results):
        text += (
            f" {TWIN}: fastrnn on the padded twin, with as many rows and real steps, in the same "
            "rounds."
        )
    return text


def means(results: Sequence[dict[str, Any]], peers: Sequence[str]) -> list[str]:
    """Per peer a sentence with the geometric mean of its ratios, the smallest and the largest."""
    said = []
    for peer in peers:
        found = [(r["ratios"][peer]["median"], r["name"]) for r in results if peer in r["ratios"]]
        if found:
            mean = math.exp(sum(math.log(ratio) for ratio, _ in found) / len(found))
            (low, where), (high, there) = min(found), max(found)
            said.append(
                f"{peer}: geometric mean of {len(found)} ratios {times(mean)}, "
                f"from {times(low)} ({where}) to {times(high)} ({there})."
            )
    return said


def left_out(results: Sequence[dict[str, Any]]) -> list[str]:
    """Per peer a sentence with what it took no part in, and why."""
    reasons: dict[str, dict[str, set[str]]] = {}
    for result in results:
        for label, reason in result.get("left_out", {}).items():
            cases = reasons.setdefault(label.split("@")[0], {}).setdefault(reason.rstrip("."), set())
            cases.add(result["name"])
    return [
        f"{peer} took no part in "
        + "; ".join(f"{len(c)} case{'s' if len(c) > 1 else ''}: {why}" for why, c in found.items()) + "."
        for peer, found in reasons.items()
    ]  # fmt: skip


def rates(results: Sequence[dict[str, Any]]) -> list[str]:
    """Words per second, where the case has words."""
    said = []
    for result in results:
        case, entry = result.get("case", {}), ours(result)
        if case.get("subject") != "words" or entry is None:
            continue
        words = case["B"] * case["T"]
        parts = [f"fastrnn {words / entry['median']:,.0f}"]
        for other in result["contestants"].values():
            if other["peer"] != OURS:
                parts.append(f"{other['peer']} {words / other['median']:,.0f}")
        said.append(f"{result['name']}, words a second: {', '.join(parts)}.")
    return said


def peak(results: Sequence[dict[str, Any]]) -> float | None:
    """GF/s that all threads reach in registers, the best of the run; None where it was not measured."""
    return max((w["peak"] for w in map(_work, results) if w.get("peak")), default=None)


def document(
    found: dict[str, Any], results: Sequence[dict[str, Any]], settings: dict[str, Any],
    verdicts: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:  # fmt: skip
    """The JSON of a run.

    Parameters
    ----------
    found : the machine, as in `bench.machine.describe`
    results : one entry a case: ``case``, ``name``, ``verified``, ``errors``; ``contestants``: label
        -> peer, threads, error (distance from the reference), calls (a round), times (seconds a
        call, one a round), min, median, low, high (quartiles), cold; ``ratios``: peer -> threads,
        min, median, low, high of time / fastrnn's time; ``left_out``: label -> why it took no part;
        ``took``: seconds of verifying and timing;
        ``work``: flops, intensity, weight_bytes, seconds, gflops, peak (GF/s), share
    verdicts : as `bench.goals.judge` gives them
    settings : rounds, seconds a round, command, skipped peers
    """
    return {
        "format": FORMAT, "machine": found, "warning": machine.warning(found),
        "settings": settings, "verified": all(result["verified"] for result in results),
        "results": list(results), "goals": list(verdicts),
    }  # fmt: skip


def write(path: Path, run: dict[str, Any]) -> None:
    """Write a run as JSON; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """A run from its JSON.

    Raises
    ------
    ValueError : the file is not one of ours
    """
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"bench: {path} cannot be read as the JSON of a run ({error}).") from error
    if not isinstance(run, dict) or run.get("format") != FORMAT:
        raise ValueError(f"bench: {path} is not the JSON of a run in format {FORMAT}.")
    return run


def _threads(entry: dict[str, Any]) -> str:
    return f"{entry['threads']} thread{'s' if entry['threads'] > 1 else ''}"


def _work(result: dict[str, Any]) -> dict[str, Any]:
    """What the case computed; empty where fastrnn was not timed, or in a run of an older bench."""
    found: dict[str, Any] = result.get("work", {})
    return found


def _one_thread(result: dict[str, Any]) -> dict[str, Any] | None:
    """The entry of fastrnn at one thread, where it was timed beside the default."""
    entries = [e for e in result["contestants"].values() if e["peer"] == OURS]
    return next((e for e in entries[1:] if e["threads"] == 1), None)
