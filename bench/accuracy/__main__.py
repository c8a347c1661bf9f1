"""``python -m bench.accuracy NAME ... --data DIR --seeds 0 1 2``: train, measure, print mean and spread."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import fastrnn as fr

from . import anomaly, blank, completion, gradients, sentiment, tagging

Run = Callable[[Path, int], dict[str, Any]]

RUNS: dict[str, Run] = {
    "completion-en": completion.english,
    "completion-ko": completion.korean,
    "sentiment-en": sentiment.english,
    "sentiment-tiny": sentiment.tiny,
    "pos-en": tagging.english,
    "pos-ko": tagging.korean,
    "blank-distance": blank.distance,
    "blank-distance-alone": blank.distance_alone,
    "blank-gap": blank.gap,
    "adding-100": gradients.adding_100,
    "adding-200": gradients.adding_200,
    "adding-500": gradients.adding_500,
    "temporal-order-100": gradients.order_100,
    "gradients-panel": gradients.panel,
    "cures": gradients.cures,
    "anomaly-ecg": anomaly.beats,
    "anomaly-nab": anomaly.series,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RUNS)}; all without one")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of data sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON lines to add to, one a run")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(RUNS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    for name in arguments.names or RUNS:
        found = []
        for seed in arguments.seeds:
            began = time.perf_counter()
            figures = RUNS[name](arguments.data, seed)
            figures["minutes"] = round((time.perf_counter() - began) / 60, 2)
            found.append(figures)
            line = json.dumps({"name": name, "seed": seed, "threads": fr.get_num_threads(), **figures})
            print(line, flush=True)
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")
        for figure in found[0]:
            values = [one[figure] for one in found]
            if all(isinstance(value, (int, float)) for value in values):
                spread = f"{min(values):.4g} to {max(values):.4g}"
                print(f"{name:<24} {figure:<32} mean {mean(values):.4g}  ({spread})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
