"""Dropout masks: the right share, and a function of seed, step, layer and place alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn.layers import Noise
from fastrnn.layers.noise import mix

ROWS, TIMES = np.repeat(np.arange(200), 50), np.tile(np.arange(50), 200)
NOISE = Noise.of(1, 2)


def words(layer: int = 4, rows: Any = ROWS, times: Any = TIMES, noise: Noise = NOISE) -> np.ndarray:
    return noise.words(np, layer, rows, times, 32)


def run(layers: list[Any], x: Any, step: int = 0, **given: Any) -> Any:
    """What the layers make of x in training, one array a sequence."""
    model = fr.Sequential(layers, seed=3)
    inputs = model.inputs("test", x, **given)
    out, _ = model.run(inputs.batch(np.arange(len(inputs))), Noise.of(model.seed, step))
    if not out.sequence:
        return out.rows[out.layout.inverse_order]
    b, t = out.layout.caller
    y = np.full((out.layout.B, out.layout.span, *out.rows.shape[1:]), np.nan, "float32")
    y[b, t] = out.rows
    return y


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]))


# ---------------------------------------------------------------------- the generator


def test_bits_are_uniform() -> None:
    w = words()
    for bit in range(32):
        share = ((w >> np.uint32(bit)) & 1).mean()
        assert abs(share - 0.5) < 4 * 0.5 / w.size**0.5
    counts = np.bincount(w.ravel() >> np.uint32(24), minlength=256)
    chi2 = ((counts - w.size / 256) ** 2).sum() / (w.size / 256)
    assert 160 < chi2 < 360  # 255 degrees of freedom: four deviations either way


def test_rows_times_features_steps_and_layers_have_noise_of_their_own() -> None:
    w = words().reshape(200, 50, 32)
    limit = 5 / (w.size / 2) ** 0.5
    assert correlation(w[1:], w[:-1]) < limit
    assert correlation(w[:, 1:], w[:, :-1]) < limit
    assert correlation(w[..., 1:], w[..., :-1]) < limit
    for other in (words(layer=5), words(noise=Noise.of(1, 3)), words(noise=Noise.of(2, 2))):
        assert correlation(w, other) < limit
    assert correlation(words(times=None), w) < limit
    assert len({mix(a, b) for a in range(100) for b in range(100)}) == 10_000


def test_a_word_depends_on_its_place_alone() -> None:
    some = np.random.default_rng(0).permutation(len(ROWS))[:300]
    assert np.array_equal(words(rows=ROWS[some], times=TIMES[some]), words()[some])


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_share_and_mean(rate: float, dtype: Any) -> None:
    mask = NOISE.dropout(np, 4, ROWS, TIMES, 32, rate, dtype)
    assert mask.dtype == dtype
    deviation = (rate * (1 - rate) / mask.size) ** 0.5
    assert abs((mask == 0).mean() - rate) <= 4 * deviation + 1e-9
    assert set(np.unique(mask)) <= {dtype(0), dtype(1 / (1 - rate))}
    if rate < 0.99:
        assert abs(mask.mean(dtype=np.float64) - 1) <= 5 * deviation / (1 - rate) + 1e-6


def test_normal() -> None:
    z = NOISE.normal(np, 4, ROWS, TIMES, 32, np.float64)
    n = z.size
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 4 / n**0.5 and abs(z.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs((z**3).mean()) < 4 * (15 / n) ** 0.5
    assert abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5
    assert abs((abs(z) < 1.959964).mean() - 0.95) < 0.002


# ---------------------------------------------------------------------- in layers


def layer_cases() -> dict[str, Any]:
    return {
        "dropout": lambda: [fr.Dropout(0.5)],
        "gaussian": lambda: [fr.GaussianNoise(1.0)],
        "distributed": lambda: [fr.TimeDistributed(fr.Dropout(0.5))],
        "lstm": lambda: [fr.LSTM(8, return_sequences=True, dropout=0.5, recurrent_dropout=0.5)],
        "both": lambda: [fr.Bidirectional(fr.GRU(8, return_sequences=True, dropout=0.5))],
        "last": lambda: [fr.RNN(8, dropout=0.5, recurrent_dropout=0.5), fr.Dropout(0.5)],
        "stack": lambda: [fr.LSTM(8, return_sequences=True), fr.Dropout(0.5), fr.GRU(8, dropout=0.5)],
    }


@pytest.mark.parametrize("name", layer_cases())
def test_a_sequence_does_not_see_its_batch_mates_nor_padding(name: str) -> None:
    """The same row of a batch has the same noise whatever the lengths and contents of the others."""
    make = layer_cases()[name]
    x = np.random.default_rng(0).standard_normal((4, 9, 6)).astype("float32")
    lengths = np.array([5, 9, 7, 4])
    keep = np.arange(9) < lengths[:, None]
    padded = x.copy()
    padded[~keep] = np.nan
    got = run(make(), padded, lengths=lengths)
    assert np.array_equal(got, run(make(), [x[b, :n] for b, n in enumerate(lengths)]), equal_nan=True)
    # Shorter mates with other contents: the first row moves to the front of the packed batch.
    x[1:] += 1.0
    alone = run(make(), x, lengths=np.array([5, 2, 3, 0]))
    if got.ndim == 3:
        got, alone = got[:, :5], alone[:, :5]
    assert np.array_equal(got[0], alone[0])


def test_the_same_mask_at_every_step_of_a_recurrence() -> None:
    """Input dropout of a recurrence: a feature is dropped for the whole sequence or not at all."""
    x = np.ones((50, 7, 20), "float32")
    layer = fr.RNN(20, activation="relu", return_sequences=True, dropout=0.5)
    model = fr.Sequential([fr.Input((None, 20)), layer], seed=0)
    with model.writing():
        layer.params["W_ih"][...], layer.params["W_hh"][...] = np.eye(20), 0
    out, _ = model.run(model.inputs("test", x).batch(np.arange(50)), NOISE)
    y = out.rows.reshape(7, 50, 20)
    assert (y == y[0]).all()
    assert set(np.unique(y)) == {0.0, 2.0} and abs((y[0] == 0).mean() - 0.5) < 0.07
    assert len({row.tobytes() for row in y[0]}) == 50


def test_recurrent_dropout_touches_the_product_and_not_the_state() -> None:
    """With W_hh = 0 a dropped state changes nothing; with W_hh = 1 it cuts or doubles what is carried."""
    layer = fr.RNN(20, activation="relu", return_sequences=True, recurrent_dropout=0.5)
    model = fr.Sequential([fr.Input((None, 20)), layer], seed=0)
    with model.writing():
        layer.params["W_ih"][...], layer.params["W_hh"][...] = np.eye(20), np.eye(20)
    batch = model.inputs("test", np.ones((50, 3, 20), "float32")).batch(np.arange(50))
    y = model.run(batch, NOISE)[0].rows.reshape(3, 50, 20)
    assert (y[0] == 1).all()
    assert set(np.unique(y[1])) == {1.0, 3.0}  # 1 + m * 1 with m in {0, 2}
    assert (y[2] == 1 + (y[1] - 1) * y[1]).all()  # the same m again
    with model.writing():
        layer.params["W_hh"][...] = 0
    assert (model.run(batch, NOISE)[0].rows == 1).all()


def test_every_layer_and_step_has_masks_of_its_own() -> None:
    """Two layers of a model never share a mask, those inside another layer included."""

    def masks(layers: list[Any]) -> list[Any]:
        """Of Dropout and input dropout, [B, F] each, for vectors and the first step."""
        model = fr.Sequential([fr.Input((None, 64)), *layers], seed=0)
        seen: list[Any] = []
        real = Noise.dropout

        def spy(self: Any, xp: Any, layer: int, rows: Any, times: Any, features: int, *rest: Any) -> Any:
            seen.append(self.words(xp, layer, np.arange(8), None, 64))
            return real(self, xp, layer, rows, times, features, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Noise, "dropout", spy)
            for step in range(2):
                model.run(
                    model.inputs("t", np.ones((8, 2, 64), "float32")).batch(np.arange(8)), Noise.of(0, step)
                )
        return seen

    options = {"dropout": 0.5, "recurrent_dropout": 0.5}
    stack = [
        fr.Bidirectional(fr.LSTM(32, return_sequences=True, **options)),
        fr.Dropout(0.5),
        fr.Bidirectional(fr.GRU(32, return_sequences=True, **options)),
        fr.Dropout(0.5),
        fr.TimeDistributed(fr.Dropout(0.5)),
        fr.RNN(64, **options),
        fr.Dropout(0.5),
        fr.Dropout(0.5),
        fr.Dropout(0.5),
    ]
    seen = masks(stack)
    assert len(seen) == 2 * (4 + 1 + 4 + 1 + 1 + 2 + 3)
    assert len({m.tobytes() for m in seen}) == len(seen)


def test_gaussian_noise_and_dropout_of_neighbours_are_unrelated() -> None:
    x = np.zeros((200, 64), "float32")
    a = run([fr.GaussianNoise(1.0)], x)
    b = run([fr.GaussianNoise(0.0), fr.GaussianNoise(1.0)], x)
    c = run([fr.GaussianNoise(1.0)], x, step=1)
    assert correlation(a, b) < 0.04 and correlation(a, c) < 0.04
    assert abs(a.std() - 1) < 0.02 and abs(a.mean()) < 0.04


def test_seeds_and_steps() -> None:
    x = np.ones((3, 40), "float32")
    one = run([fr.Dropout(0.5)], x)
    assert np.array_equal(one, run([fr.Dropout(0.5)], x))
    assert not np.array_equal(one, run([fr.Dropout(0.5)], x, step=1))


def test_every_step_of_a_training_has_noise_of_its_own() -> None:
    x, y = np.ones((8, 40), "float32"), np.zeros((8, 1), "float32")
    model = fr.Sequential([fr.Dropout(0.5), fr.Dense(1)], seed=0)
    model.compile(fr.optimizers.SGD(0.0), "mse")  # nothing moves but the masks
    losses = model.fit(x, y, epochs=6, batch_size=8, shuffle=False, verbose=0).history["loss"]
    assert len(set(losses)) == 6
