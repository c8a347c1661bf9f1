"""Chapter 1: a character LSTM learns the manual of Python, and a 3-gram model stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn import plot
from fastrnn.text import NGram

from .report import Chapter, Picture

SPAN = 256  # characters that are read before the state is forgotten, in training and on held-out text
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


class Alphabet:
    """Characters as ids from 1; 0 stands for every character that the training text lacks."""

    def __init__(self, text: str) -> None:
        self.characters = sorted(set(text))
        self.ids = {c: k for k, c in enumerate(self.characters, 1)}
        self.size = len(self.characters) + 1

    def encode(self, text: str) -> np.ndarray:
        """int64 [len(text)]."""
        return np.array([self.ids.get(c, 0) for c in text], np.int64)


def windows(ids: np.ndarray, batch: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets [n * batch, steps]: batch k holds the k-th window of each of `batch` streams."""
    n = (len(ids) - 1) // (batch * steps)

    def cut(part: np.ndarray) -> np.ndarray:
        part = part[: batch * n * steps].reshape(batch, n, steps)
        return np.ascontiguousarray(part.transpose(1, 0, 2)).reshape(n * batch, steps)

    return cut(ids[:-1]), cut(ids[1:])


def network(cell: Any, size: int, units: int, seed: int, stateful: bool) -> fr.Sequential:
    """One-hot characters, a recurrence, a softmax over characters."""
    recurrence = cell(units, return_sequences=True, stateful=stateful)
    model = fr.Sequential([fr.OneHot(size), recurrence, fr.Dense(size, activation="softmax")], seed=seed)
    model.build((None, None))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class _Reader(fr.callbacks.Callback):
    """Forgets the state every SPAN characters, and reads the held-out text after each epoch."""

    def __init__(self, plan: Plan, reader: fr.Sequential, held_out: tuple[np.ndarray, np.ndarray]) -> None:
        self.every, self.reader, self.held_out = SPAN // plan.steps, reader, held_out

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if batch % self.every == 0:
            self.model.reset_states()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.reader.set_weights(self.model.get_weights())
        if logs is not None:
            logs["val_loss"] = float(self.reader.evaluate(*self.held_out))


def train(
    cell: Any, alphabet: Alphabet, text: str, held_out: tuple[np.ndarray, np.ndarray], plan: Plan, seed: int,
    callbacks: tuple[Any, ...] = (), verbose: Any = "auto",
) -> tuple[fr.Sequential, Any]:  # fmt: skip
    """A model of `text` by truncated back-propagation through time, and its history."""
    x, y = windows(alphabet.encode(text), plan.batch, plan.steps)
    model = network(cell, alphabet.size, plan.units, seed, stateful=True)
    steps = plan.epochs * len(x) // plan.batch
    rate = fr.schedules.CosineDecay(plan.learning_rate, steps, alpha=0.02)
    adam = fr.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(adam, "sparse_categorical_crossentropy")
    reading = _Reader(plan, network(cell, alphabet.size, plan.units, seed, False), held_out)
    history = model.fit(
        x, y, epochs=plan.epochs, batch_size=plan.batch, shuffle=False,
        callbacks=[reading, *callbacks], verbose=verbose,
    )  # fmt: skip
    return model, history


def complete(
    model: fr.Sequential, alphabet: Alphabet, prompt: str, length: int, temperature: float,
    rng: np.random.Generator,
) -> str:  # fmt: skip
    """`length` characters after the prompt; the likeliest ones where temperature is 0.

    model : stateful
    """
    model.reset_states()
    p = model.predict(alphabet.encode(prompt)[None])[0, -1]
    text = []
    for _ in range(length):
        p[0] = 0  # nobody can write the unknown character
        if temperature:
            logits = np.log(np.maximum(p.astype(np.float64), 1e-30)) / temperature
            weights = np.exp(logits - logits.max())
            k = int(rng.choice(len(p), p=weights / weights.sum()))
        else:
            k = int(p.argmax())
        text.append(alphabet.characters[k - 1])
        p = model.predict(np.array([[k]]))[0, -1]
    return "".join(text)


@dataclass(frozen=True)
class Corpus:
    """The text in two parts, and ids of the second in windows of SPAN."""

    train: str
    held_out: str
    alphabet: Alphabet

    @property
    def windows(self) -> tuple[np.ndarray, np.ndarray]:
        return windows(self.alphabet.encode(self.held_out), 1, SPAN)


def corpus(plan: Plan) -> Corpus:
    """The last tenth of the manual is held out; alphabet and counts come from the rest."""
    text = manual()[: plan.characters]
    cut = int(0.9 * len(text))
    return Corpus(text[:cut], text[cut:], Alphabet(text[:cut]))


def run(seed: int, quick: bool) -> tuple[Chapter, Corpus, fr.Sequential]:
    """The chapter, its text, and the trained LSTM."""
    plan = QUICK if quick else FULL
    data = corpus(plan)
    scored = data.windows
    print(f"  {len(data.train):,} characters to learn, {scored[1].size:,} held out", flush=True)
    model, history = train(fr.LSTM, data.alphabet, data.train, scored, plan, seed)
    ours = history.history["val_loss"][-1]
    peer = NGram(data.train, 3, data.alphabet.size).loss(data.held_out[: scored[1].size + 1])

    rng = np.random.default_rng(seed)
    length = 60 if quick else 200
    samples = []
    for prompt in PROMPTS:
        for temperature in (0.0, TEMPERATURE) if prompt == PROMPTS[0] else (TEMPERATURE,):
            how = f"temperature {temperature}" if temperature else "always the likeliest character"
            written = complete(model, data.alphabet, prompt, length, temperature, rng)
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
            "characters": len(data.train), "held_out_characters": int(scored[1].size),
            "units": plan.units, "parameters": model.count_params(), "epochs": plan.epochs,
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
    return chapter, data, model
