"""The picture of a run: every peer's time in multiples of fastrnn's, shape by shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from . import machine
from .cases import Case

MARKS = "o s ^ D v P X".split()


def draw(run: dict[str, Any], peers: Sequence[str], path: Path) -> None:
    """Write the picture in the format of the suffix of `path`.

    Raises
    ------
    ImportError : matplotlib is not installed
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panels: dict[str, list[tuple[Case, dict[str, Any]]]] = {}
    for result in run["results"]:
        case = Case.from_dict(result["case"])
        panels.setdefault(f"{case.cell}, {case.mode}", []).append((case, result["ratios"]))
    across = min(2, len(panels)) or 1
    down = max(1, -(-len(panels) // across))
    figure = Figure(figsize=(7 * across, 3.6 * down + 0.6), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (title, members) in zip(axes, panels.items(), strict=False):
        for index, peer in enumerate(peers):
            points = [(x, r[peer]) for x, (_, r) in enumerate(members) if peer in r]
            if points:
                middle = [r["median"] for _, r in points]
                bars = [
                    [r["median"] - r["low"] for _, r in points],
                    [r["high"] - r["median"] for _, r in points],
                ]
                ax.errorbar(
                    [x for x, _ in points], middle, yerr=bars, label=peer, linestyle="none",
                    marker=MARKS[index % len(MARKS)], markersize=5,
                )  # fmt: skip
        ax.axhline(1, color="black", linewidth=0.8)
        ax.set_title(title)
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_ylabel("time / fastrnn's")
        ax.set_xticks(range(len(members)), [case.shape for case, _ in members])
        ax.tick_params(axis="x", labelsize=7, labelrotation=35)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
        ax.grid(axis="y", alpha=0.3)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8)
    figure.suptitle("Above 1: fastrnn is faster. Bars: quartiles of paired rounds.", fontsize=10)
    figure.supxlabel(fill(machine.sentence(run["machine"]), 90 * across), fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
