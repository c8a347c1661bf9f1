"""The picture of a run: every peer's time in multiples of fastrnn's, shape by shape, and the roofline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from . import machine, report
from .cases import CELLS, MODES, Case

MARKS = dict(zip("pytorch pytorch_compile onnxruntime openvino jax keras numpy".split(),
                 "s D o ^ v P X".split(), strict=True))  # fmt: skip
TITLES = {
    "autoencoder": "autoencoder", "classifier": "classifier",
    "single": "single steps (stream, call), words (bilstm)",
}  # fmt: skip
WIDTH, HEIGHT, SMALL = 14.0, 3.1, 7

Member = tuple[Case, dict[str, Any]]


def draw(run: dict[str, Any], peers: Sequence[str], path: Path) -> None:
    """Write the picture in the format of the suffix of `path`.

    Raises
    ------
    ImportError : matplotlib is not installed
    """
    from matplotlib.figure import Figure

    members = [(Case.from_dict(result["case"]), result) for result in run["results"]]
    panels: dict[str, list[Member]] = {}
    for case, result in members:
        panels.setdefault(_panel(case), []).append((case, result))
    rows = -(-len(panels) // 2) or 1
    timed = [(case, result) for case, result in members if result.get("work")]
    cells = [cell for cell in CELLS if any(case.cell == cell for case, _ in timed)]
    heights = [HEIGHT * rows, *([1.25 * HEIGHT] if cells else [])]
    figure = Figure(figsize=(WIDTH, sum(heights) + 1), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
    axes = parts[0].subplots(rows, min(2, len(panels)) or 1, squeeze=False, sharey=True).ravel()
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (title, chosen) in zip(axes, panels.items(), strict=False):
        _ratios(ax, title, chosen, peers)
    handles = {label: handle for ax in axes for handle, label in zip(
        *ax.get_legend_handles_labels(), strict=True)}  # fmt: skip
    if handles:
        parts[0].legend(handles.values(), handles.keys(), loc="outside upper right",
                        ncols=len(handles), fontsize=9, frameon=False)  # fmt: skip
    parts[0].suptitle(
        "Time in multiples of fastrnn's: above 1 fastrnn is faster. Bars: quartiles of paired rounds.",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    if cells:
        _rooflines(parts[1], timed, cells, report.peak(run["results"]))
    figure.supxlabel(fill(machine.sentence(run["machine"]), 200), fontsize=SMALL)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _panel(case: Case) -> str:
    """The title of the panel in which a case stands."""
    if case.cell in CELLS and case.group not in ("stream", "call"):
        return f"{case.cell}, {case.mode}"
    return TITLES.get(case.cell, TITLES["single"])


def _name(case: Case) -> str:
    """The label of a case on its axis: its shape, and what the title does not say."""
    if case.cell == "bilstm":
        return f"{case.mode} {case.shape}"
    return f"{case.cell} {case.shape}" if case.group in ("stream", "call") else case.shape


def _ratios(ax: Any, title: str, members: Sequence[Member], peers: Sequence[str]) -> None:
    """One panel: the cases side by side, a mark a peer, side by side as well where several stand."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for index, peer in enumerate(peers):
        points = [(x, r["ratios"][peer]) for x, (_, r) in enumerate(members) if peer in r["ratios"]]
        if not points:
            continue
        aside = 0.11 * (index - (len(peers) - 1) / 2)
        middle = [r["median"] for _, r in points]
        bars = [[r["median"] - r["low"] for _, r in points], [r["high"] - r["median"] for _, r in points]]
        ax.errorbar(
            [x + aside for x, _ in points], middle, yerr=bars, label=peer, linestyle="none",
            marker=MARKS.get(peer, "*"), markersize=5, color=f"C{index}", elinewidth=1,
        )  # fmt: skip
    for x in range(1, len(members), 2):
        ax.axvspan(x - 0.5, x + 0.5, color="black", alpha=0.04, linewidth=0)
    ax.axhline(1, color="black", linewidth=1)
    ax.set_title(title, fontsize=10)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(-0.6, len(members) - 0.4)
    ax.set_xticks(range(len(members)), [_name(case) for case, _ in members])
    ax.tick_params(axis="x", labelsize=SMALL, labelrotation=30, length=0)
    ax.tick_params(axis="y", labelsize=8)
    for label in ax.get_xticklabels():
        label.set_horizontalalignment("right")
        label.set_rotation_mode("anchor")
    ax.grid(axis="y", alpha=0.3)


def _rooflines(part: Any, timed: Sequence[Member], cells: Sequence[str], peak: float | None) -> None:
    """A panel a cell: GF/s over FLOPs per byte of weights; colour is the number of units."""
    from matplotlib.lines import Line2D

    plain = [(case, r["work"]) for case, r in timed if case.cell in cells and case.threads != 1]
    units = sorted({case.H for case, _ in plain})
    colours = {H: f"C{index % 10}" for index, H in enumerate(units)}
    axes = part.subplots(1, len(cells), squeeze=False, sharey=True, sharex=True).ravel()
    for ax, cell in zip(axes, cells, strict=True):
        for case, found in plain:
            if case.cell != cell:
                continue
            # Shapes of equal intensity, all those of one sequence, stand side by side by their units.
            aside = 1.09 ** (units.index(case.H) - (len(units) - 1) / 2)
            colour = colours[case.H]
            ax.plot(
                found["intensity"] * aside, found["gflops"], linestyle="none", color=colour,
                marker="o" if case.mode == MODES[0] else "s", markersize=6,
                markerfacecolor=colour if case.mode == MODES[0] else "none",
            )  # fmt: skip
        if peak is not None:
            ax.axhline(peak, color="black", linestyle="--", linewidth=1)
            ax.annotate(f"peak of all cores {peak:.0f} GF/s", (0.02, peak), (0, 3), fontsize=8,
                        xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
        ax.set_title(cell, fontsize=10)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.margins(y=0.12)
        ax.grid(alpha=0.3)
        ax.tick_params(labelsize=8)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_xlabel("FLOPs per byte of weights read: rows a step / 2", fontsize=8)
    axes[0].set_ylabel("GF/s", fontsize=9)
    handles = [Line2D([], [], linestyle="none", marker="o", color=colours[H], label=f"H={H}") for H in units]
    for mode, mark, face in (("inference", "o", "0.3"), ("training", "s", "none")):
        handles.append(Line2D([], [], linestyle="none", marker=mark, color="0.3", markerfacecolor=face,
                              label=mode))  # fmt: skip
    part.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=9, frameon=False)
    missing = "" if peak is not None else " (the peak was not measured)"
    part.suptitle(f"Roofline of fastrnn{missing}", fontsize=10, x=0.01, ha="left")
