"""Sentence completion: nats per character of the last tenth of a text, beside a 5-gram model of the rest.

Settings were chosen on the last tenth of the part that is learnt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastrnn.tasks import SentenceCompleter
from fastrnn.text import NGram, read_text


def _measure(text: str, completer: SentenceCompleter, **options: Any) -> dict[str, Any]:
    """Learn the first nine tenths, read the last one with the state carried through all of it."""
    cut = int(0.9 * len(text))
    train, held_out = text[:cut], text[cut:]
    history = completer.fit(train, verbose=0, **options)
    found = completer.evaluate(held_out)
    size = completer.vocabulary.size
    return {
        "nats": found["nats"],
        "perplexity": found["perplexity"],
        "five_gram_nats": NGram(train, 5, size).loss(held_out),
        "three_gram_nats": NGram(train, 3, size).loss(held_out),
        "training_nats": history.history["loss"][-1],
        "characters": found["tokens"],
        "unknown": found["unknown"],
        "parameters": completer.model.count_params(),
    }


def english(data: Path, seed: int) -> dict[str, Any]:
    """The plays of Shakespeare: an LSTM that reads them eight times."""
    completer = SentenceCompleter(units=512, dropout=0.5, recurrent_dropout=0.2, seed=seed)
    text = read_text(data / "tinyshakespeare" / "input.txt")
    return _measure(text, completer, epochs=8, learning_rate=0.004, weight_decay=0.05)


def korean(data: Path, seed: int) -> dict[str, Any]:
    """The constitution of Korea, 17,000 characters: a GRU, held back by dropout and weight decay."""
    completer = SentenceCompleter(cell="gru", units=256, dropout=0.6, recurrent_dropout=0.4, seed=seed)
    text = read_text(data / "korean_law" / "constitution_kr.txt")
    return _measure(text, completer, epochs=30, batch_size=4, steps=48, learning_rate=0.01, weight_decay=0.3)
