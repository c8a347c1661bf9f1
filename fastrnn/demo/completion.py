"""Chapter 1: a character LSTM learns the manual of Python, and a 3-gram model stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn import plot
from fastrnn.tasks import SentenceCompleter
from fastrnn.text import NGram

from .report import Chapter, Picture

PROMPTS = ("The value of ", "class Point:\n    def ", "An exception is raised when ")
TEMPERATURE = 0.5


@dataclass(frozen=True)
class Plan:
    """How large and how long.  The figures were chosen on the last tenth of the training part."""

    units: int = 192
    batch: int = 32
    steps: int = 32  # back-propagation is cut off after so many characters, the state is carried on
    epochs: int = 6
    learning_rate: float = 1e-2
    characters: int | None = None


FULL, QUICK = Plan(), Plan(units=64, epochs=2, characters=60_000)


def manual() -> str:
    """The text of Python's own help topics, each paragraph once: topics repeat one another, and held-out
    text must not have been read before."""
    from pydoc_data.topics import topics

    paragraphs = (p.strip("\n") for name in sorted(topics) for p in topics[name].split("\n\n"))
    return "\n\n".join(p for p in dict.fromkeys(paragraphs) if p)


def train(
    cell: str, text: str, held_out: str, plan: Plan, seed: int, callbacks: Sequence[Any] = (),
    verbose: Any = "auto",
) -> tuple[SentenceCompleter, Any]:  # fmt: skip
    """A completer that has read `text`, and its history; with no epochs it has read nothing."""
    completer = SentenceCompleter(cell=cell, units=plan.units, seed=seed)
    history = completer.fit(
        text, epochs=plan.epochs, batch_size=plan.batch, steps=plan.steps, learning_rate=plan.learning_rate,
        validation_text=held_out, callbacks=callbacks, verbose=verbose,
    )  # fmt: skip
    return completer, history


@dataclass(frozen=True)
class Corpus:
    """The text in two parts."""

    train: str
    held_out: str


def corpus(plan: Plan) -> Corpus:
    """The last tenth of the manual is held out."""
    text = manual()[: plan.characters]
    cut = int(0.9 * len(text))
    return Corpus(text[:cut], text[cut:])


def run(seed: int, quick: bool) -> tuple[Chapter, Corpus, SentenceCompleter]:
    """The chapter, its text, and the trained LSTM."""
    plan = QUICK if quick else FULL
    data = corpus(plan)
    print(f"  {len(data.train):,} characters to learn, {len(data.held_out):,} held out", flush=True)
    lstm, history = train("lstm", data.train, data.held_out, plan, seed)
    ours = history.history["val_loss"][-1]
    peer = NGram(data.train, 3, lstm.vocabulary.size).loss(data.held_out)

    length = 60 if quick else 200
    samples = []
    for prompt in PROMPTS:
        for temperature in (0.0, TEMPERATURE) if prompt == PROMPTS[0] else (TEMPERATURE,):
            how = f"temperature {temperature}" if temperature else "always the likeliest character"
            written = lstm.complete(prompt, length, temperature=temperature, seed=seed)
            samples.append((f"{prompt!r}, {how}", prompt + written))
    shown = " ".join(samples[1][1].split())[:70]

    ax = plot.training_curves(
        {"training": history.history["loss"], "held out": history.history["val_loss"]},
        ylabel="loss, nats per character",
    )
    ax.axhline(peer, color="black", linestyle=":", label="3-gram, held out")
    ax.legend()
    verdict = "below" if ours < peer else "NOT below"
    chapter = Chapter(
        "A character LSTM completes sentences",
        "글자 단위 LSTM이 문장을 잇습니다",
        (
            f"An LSTM of {plan.units} units read Python's own manual, {len(data.train):,} characters, "
            f"{plan.epochs} times. The last tenth was held out. Beside it stands a 3-gram model that counted "
            "the same text and knows the last two characters.",
            f"유닛 {plan.units}개의 LSTM이 파이썬 설명서 {len(data.train):,}자를 {plan.epochs}번 읽었습니다. "
            "마지막 10분의 1은 평가용으로 남겼습니다. 비교 대상은 같은 글을 세어 만든, 앞의 두 글자만 보는 "
            "3-gram 모델입니다.",
        ),
        [
            f"Held-out loss {ours:.3f} nats per character; the 3-gram model {peer:.3f}: {verdict} it",
            f"It writes: {shown} ...",
        ],
        {
            "lstm_nats_per_character": ours, "trigram_nats_per_character": peer,
            "characters": len(data.train), "held_out_characters": len(data.held_out),
            "units": plan.units, "parameters": lstm.model.count_params(), "epochs": plan.epochs,
        },
        samples=samples,
    )  # fmt: skip
    chapter.pictures.append(
        Picture(
            "completion", ax,
            f"Loss per character, lower is better. The LSTM ends at {ours:.3f} on text it never read, the "
            f"3-gram model stands at {peer:.3f}: it chooses among about {np.exp(ours):.1f} characters where "
            f"the 3-gram model chooses among {np.exp(peer):.1f}.",
            f"글자당 손실로, 낮을수록 좋습니다. 읽은 적 없는 글에서 LSTM은 {ours:.3f}, 3-gram은 "
            f"{peer:.3f}입니다. 다음 글자를 LSTM은 약 {np.exp(ours):.1f}개, 3-gram은 {np.exp(peer):.1f}개 "
            "가운데에서 고르는 셈입니다.",
        )
    )  # fmt: skip
    return chapter, data, lstm
