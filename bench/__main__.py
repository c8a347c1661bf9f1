"""The command line: ``python -m bench list | run | compare``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from . import cases, compare, goals, machine, plot, report, runner, timer, work
from .peers import FEW_IN_QUICK, NONE_IN_QUICK, NOT_BY_DEFAULT, OURS, PEERS
from .process import WorkerError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(
        prog="python -m bench",
        description="Time fastrnn beside other libraries, after their results were verified.",
    )
    verbs = top.add_subparsers(dest="verb", required=True)
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="GLOB",
        help="only cases whose name matches, as in 'lstm-training-*'; repeatable",
    )
    chosen.add_argument(
        "--quick",
        action="store_true",
        help=f"{timer.QUICK.rounds} short rounds, without the largest and the padded cases: "
        "under three minutes",
    )
    verbs.add_parser("list", parents=[chosen], help="print the names of the cases")
    run = verbs.add_parser("run", parents=[chosen], help="verify and time")
    others = [name for name in PEERS if name != OURS]
    run.add_argument(
        "--peer",
        action="append",
        choices=others,
        help="only this peer beside fastrnn, in every case it can do; repeatable (default: all but "
        f"{', '.join(NOT_BY_DEFAULT)})",
    )
    run.add_argument("--one-thread", action="store_true", help="also time fastrnn at one thread")
    run.add_argument(
        "--cold",
        action="store_true",
        help=f"also time calls after a pause of {timer.PAUSE * 1000:.0f} ms",
    )
    run.add_argument(
        "--rounds",
        type=_count,
        help="rounds of each peer in each case "
        f"(default: {timer.FULL.rounds}; with --quick {timer.QUICK.rounds})",
    )
    run.add_argument("--json", type=Path, metavar="PATH", help="write everything measured")
    run.add_argument(
        "--plot",
        type=Path,
        metavar="PATH",
        help="write a picture of ratios and roofline (.png, .svg, .pdf; needs matplotlib)",
    )
    two = verbs.add_parser("compare", help="fastrnn's times in run B over those in run A")
    two.add_argument("a", type=Path, metavar="A.json")
    two.add_argument("b", type=Path, metavar="B.json")
    return top  # fmt: skip


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    code : 0, 1 (failed, or a result that is not the reference's), 2 (usage)
    """
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as ended:  # a caller inside Python gets the code, too
        return int(ended.code or 0)
    try:
        if arguments.verb == "compare":
            print(compare.compare(report.read(arguments.a), report.read(arguments.b)))
            return 0
        selected = cases.select(arguments.case, arguments.quick)
        if not selected:
            print("bench: no case matches; `python -m bench list` names them.", file=sys.stderr)
            return USAGE
        if arguments.verb == "list":
            print("\n".join(case.name for case in selected))
            return 0
        return run(arguments, selected)
    except (ValueError, WorkerError) as error:
        print(f"bench: {str(error).removeprefix('bench: ')}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("bench: interrupted.", file=sys.stderr)
        return INTERRUPTED


def run(arguments: argparse.Namespace, selected: Sequence[cases.Case]) -> int:
    """Verify and time `selected`; the code to exit with."""
    plan = replace(
        timer.QUICK if arguments.quick else timer.FULL, cold=arguments.cold,
        **({"rounds": arguments.rounds} if arguments.rounds else {}),
    )  # fmt: skip
    asked = arguments.peer or [name for name in PEERS if name not in (OURS, *NOT_BY_DEFAULT)]
    sparing = arguments.quick and not arguments.peer
    started, results = time.monotonic(), []
    with runner.Run(asked, selected, arguments.one_thread, sparing, _say) as bench:
        warning = machine.warning(bench.machine)
        _say(warning or f"The machine is quiet (load average {bench.machine['load']}).")
        _say(f"fastrnn {bench.ours.info['versions']['fastrnn']} from {bench.ours.info['folder']}")
        if sparing:
            _say(_spared())
        for number, case in enumerate(selected, 1):
            results.append(bench.case(case, plan))
            _say(f"[{number}/{len(selected)}] {report.line(results[-1])}")
        peers = [peer for peer in asked if peer not in bench.skipped]
        settings = {
            **asdict(plan), "quick": arguments.quick, "patterns": arguments.case, "peers": peers,
            "skipped": bench.skipped, "took": round(time.monotonic() - started, 1),
        }  # fmt: skip
        work.shares(results)
        verdicts, verdict_lines = goals.summary(results)
        document = report.document(bench.machine, results, settings, verdicts)
    print(f"\n{report.table(results, peers)}\n\n{report.legend(results, plan.rounds)}")
    for sentence in (*report.means(results, peers), *report.left_out(results), *report.rates(results)):
        print(sentence)
    print("\nGoals", *verdict_lines, "", sep="\n")
    if arguments.json:
        report.write(arguments.json, document)
        print(f"Written: {arguments.json}")
    if arguments.plot:
        _plot(document, peers, arguments.plot)
    wrong = [result["name"] for result in results if not result["verified"]]
    if wrong:
        print(f"bench: not verified: {', '.join(wrong)}.", file=sys.stderr)
    print(f"Took {settings['took']:.0f} s. {warning}".rstrip())
    print(machine.sentence(document["machine"]))
    return FAILED if wrong else 0


def _spared() -> str:
    """What --quick leaves out."""
    few = ", ".join("x".join(map(str, shape)) for shape in cases.FEW)
    return (
        f"Because they compile every shape, --quick gives {' and '.join(FEW_IN_QUICK)} only {few} and the "
        f"smallest autoencoder, and {' and '.join(NONE_IN_QUICK)} nothing. Without --quick, or asked for by "
        "--peer, they have every case."
    )


def _plot(document: dict[str, object], peers: Sequence[str], path: Path) -> None:
    try:
        plot.draw(document, peers, path)
    except ImportError:
        print("No picture: matplotlib is not installed (`pip install matplotlib`).")
    else:
        print(f"Written: {path}")


def _say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
