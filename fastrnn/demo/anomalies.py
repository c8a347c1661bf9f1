"""Chapter 3: autoencoders that have seen one digit only flag the others."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn import plot

from . import digits
from .epochs import Epochs
from .report import Chapter, Picture

NORMAL = 0  # the first digit, chosen before anything was measured
SHOWN = 4  # pictures of each kind


def auroc(score: np.ndarray, anomalous: np.ndarray) -> float:
    """The chance that an anomaly scores above a normal example."""
    metric = fr.metrics.AUROC()
    metric.reset()
    metric.update(np, score, anomalous.astype(np.int64))
    return metric.result()


def run(seed: int, quick: bool) -> Chapter:
    """Train a dense and a recurrent autoencoder on one digit and score held-out digits."""
    data = digits.load()
    normal = data.x[data.y == NORMAL]
    anomalous = data.y_held != NORMAL
    epochs = 40 if quick else 300
    models: dict[str, tuple[Any, tuple[int, ...]]] = {
        "dense": (fr.Autoencoder((32, 8), seed=seed, optimizer=fr.optimizers.Adam(3e-3)), (64,)),
        "recurrent": (fr.SequenceAutoencoder(32, seed=seed, optimizer=fr.optimizers.Adam(5e-3)), (8, 8)),
    }
    examples = np.concatenate([np.flatnonzero(~anomalous)[:SHOWN], np.flatnonzero(anomalous)[:SHOWN]])
    rows, lines, figures = {}, [], {}
    for name, (model, shape) in models.items():
        x, held = normal.reshape(-1, *shape), data.x_held.reshape(-1, *shape)
        model.fit(x, epochs=epochs, batch_size=32, verbose=0, callbacks=[Epochs(name, epochs)])
        model.fit_threshold(x)
        flagged = model.predict(held)
        figures[f"{name}_auroc"] = area = auroc(model.score_samples(held), anomalous)
        figures[f"{name}_flagged_anomalies"] = found = float(flagged[anomalous].mean())
        figures[f"{name}_flagged_normal"] = false = float(flagged[~anomalous].mean())
        rows[name] = model.reconstruct(held[examples]).reshape(-1, 8, 8)
        lines.append(
            f"{name}: AUROC {area:.4f}; it flags {100 * found:.1f} % of the other digits and "
            f"{100 * false:.1f} % of the {NORMAL}s"
        )
    labels = data.y_held[examples]
    dense, recurrent = figures["dense_auroc"], figures["recurrent_auroc"]
    count, others = int((~anomalous).sum()), int(anomalous.sum())
    return Chapter(
        "Autoencoders flag what they have never seen",
        "오토인코더가 처음 보는 것을 가려냅니다",
        (
            f"Both autoencoders learnt to redraw {len(normal)} pictures of the digit {NORMAL} and nothing "
            f"else. Then they saw {count} new {NORMAL}s and {others} other digits. What comes back badly is "
            "unusual; the threshold is the error that 99 % of the training pictures stay below.",
            f"두 오토인코더는 숫자 {NORMAL} 그림 {len(normal)}장만 다시 그리도록 배웠습니다. 그런 다음 처음 "
            f"보는 {NORMAL} {count}장과 다른 숫자 {others}장을 보여 주었습니다. 잘 다시 그리지 못하면 "
            "이상한 것으로 봅니다. 문턱값은 학습 그림의 99 %가 넘지 않는 오차입니다.",
        ),
        lines,
        {"digit": NORMAL, "trained_on": len(normal), **figures, "epochs": epochs},
        [
            Picture(
                "anomalies",
                plot.reconstructions(data.x_held[examples], rows, labels=labels),
                f"Held-out pictures and what came back: {SHOWN} normal ones on the left, {SHOWN} others on "
                f"the right. The {NORMAL}s come back as they were; the others are pulled towards a {NORMAL}. "
                f"AUROC, the chance that another digit scores above a {NORMAL}: dense {dense:.4f}, "
                f"recurrent {recurrent:.4f}.",
                f"평가용 그림과 다시 그린 그림입니다. 왼쪽 {SHOWN}장은 정상, 오른쪽 {SHOWN}장은 다른 "
                f"숫자입니다. 숫자 {NORMAL}은 거의 그대로 돌아오고, 다른 숫자는 {NORMAL} 쪽으로 "
                f"일그러집니다. 다른 숫자의 점수가 {NORMAL}보다 높을 확률(AUROC)은 dense {dense:.4f}, "
                f"recurrent {recurrent:.4f}입니다.",
            )
        ],
    )
