"""`fastrnn demo`: four experiments on data that is on this machine already, a report and a page."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

import fastrnn as fr

from . import anomalies, completion, digits, gradients
from .report import Chapter, page

PAGE, FIGURES = "index.html", "results.json"


class MissingPackages(RuntimeError):
    """The demo needs packages that are not installed."""


def check_packages() -> None:
    """Raise MissingPackages, with the command that installs them."""
    missing = [n for n in ("matplotlib", "sklearn") if importlib.util.find_spec(n) is None]
    if missing:
        names = " and ".join("scikit-learn" if n == "sklearn" else n for n in missing)
        raise MissingPackages(f"demo: this needs {names}. Run: pip install 'fastrnn[demo]'")


def save(chapter: Chapter, out: Path) -> None:
    """Write the chapter's pictures."""
    for picture in chapter.pictures:
        picture.axes.figure.savefig(out / f"{picture.name}.png")


def run(out: Any = "fastrnn-demo", seed: int = 0, quick: bool = False) -> dict[str, Any]:
    """Run all chapters, print the report, and write pictures, page and figures into `out`.

    Parameters
    ----------
    out : the folder; made where it is missing
    seed : of weights, order and sampling; the same seed gives the same figures
    quick : a much shorter training, to see that everything works

    Returns
    -------
    figures, name of chapter -> name -> number, as in results.json

    Raises
    ------
    MissingPackages, OSError
    """
    check_packages()
    began = time.perf_counter()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    chapters: list[Chapter] = []

    def done(chapter: Chapter) -> None:
        save(chapter, out)
        chapters.append(chapter)
        print("\n".join(f"  {line}" for line in chapter.lines), flush=True)

    print("1/4  A character LSTM learns Python's manual", flush=True)
    chapter, corpus, lstm = completion.run(seed, quick)
    done(chapter)
    print("2/4  RNN, GRU and LSTM read digits row by row", flush=True)
    done(digits.run(seed, quick))
    print("3/4  Autoencoders learn one digit and flag the others", flush=True)
    done(anomalies.run(seed, quick))
    print("4/4  How far back a gradient reaches", flush=True)
    done(gradients.run(seed, quick, corpus, lstm))

    seconds = time.perf_counter() - began
    names = ("completion", "digits", "anomalies", "gradients")
    found = {name: chapter.figures for name, chapter in zip(names, chapters, strict=True)}
    machine = {"fastrnn": fr.__version__, "seed": seed, "quick": quick, "threads": fr.get_num_threads()}
    results = {**machine, "seconds": round(seconds, 1), **found}
    footer = (
        f"fastrnn {fr.__version__}, seed {seed}, threads {fr.get_num_threads()} of {os.cpu_count()} CPUs, "
        f"{seconds:.0f} s{', the quick form' if quick else ''}."
    )
    (out / PAGE).write_text(page(chapters, out, footer), encoding="utf-8")
    (out / FIGURES).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"Took {seconds:.0f} s. Open {out / PAGE} in a browser.", flush=True)
    return results
