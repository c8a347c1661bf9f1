"""What may come next in a text."""

from __future__ import annotations

from collections.abc import Mapping

from .figure import COLORS, Axes, finish, new_axes, shown


def next_probabilities(
    probabilities: Mapping[str, float], ax: Axes = None, *, prompt: str = "", most: int = 10
) -> Axes:
    """A bar for each of the likeliest next tokens, the likeliest on top.

    probabilities : token -> probability, what `SentenceCompleter.next_probabilities` gives
    prompt : the text before them, for the title
    most : how many are drawn

    White space is written with its quotes.
    """
    ax = new_axes() if ax is None else ax
    found = sorted(probabilities.items(), key=lambda item: -item[1])[:most]
    texts = shown(token if token.strip() else repr(token) for token, _ in found)
    drawn = ax.barh(range(len(found)), [p for _, p in found], color=COLORS[0], height=0.6)
    ax.bar_label(drawn, [f"{100 * p:.0f} %" if p >= 0.01 else "< 1 %" for _, p in found], padding=3)
    ax.set_yticks(range(len(found)), texts)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.15)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_xlabel("probability")
    ax.set_title(shown([f"{prompt} ..." if prompt else ""])[0], fontsize="medium")
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    return finish(ax)
