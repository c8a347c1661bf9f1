"""Part-of-speech tagging: Universal Dependencies, English (EWT) and Korean (GSD), UPOS of the test part.

Train on the training part; the epoch is chosen by the dev part; the test part is tagged once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastrnn as fr


def english(data: Path, seed: int) -> dict[str, Any]:
    """UD English EWT."""
    return _run(data / "ud_english_ewt", "en_ewt", fr.tasks.PosTagger(seed=seed), epochs=12)


def korean(data: Path, seed: int) -> dict[str, Any]:
    """UD Korean GSD, a third of the sentences: with more noise, as its dev part likes it."""
    tagger = fr.tasks.PosTagger(dropout=0.5, unknown=0.3, seed=seed)
    return _run(data / "ud_korean_gsd", "ko_gsd", tagger, epochs=15)


def _run(folder: Path, name: str, tagger: fr.tasks.PosTagger, **options: Any) -> dict[str, Any]:
    train, dev, test = (folder / f"{name}-ud-{part}.conllu" for part in ("train", "dev", "test"))
    history = tagger.fit(train, validation_data=dev, verbose=0, **options)
    found = tagger.evaluate(test)
    return {
        "dev_accuracy": max(history.history["val_accuracy"]),
        "accuracy": found["accuracy"],
        "unknown_accuracy": found["unknown_accuracy"],
        "unknown_share": found["unknown_words"] / found["words"],
        "sentence_accuracy": found["sentence_accuracy"],
        "parameters": tagger.model.count_params(),
    }
