"""Ways through a sequence: `Reversed`, `LastStep`, and a `Bidirectional` of two different layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_layers import KINDS, check, problem

import fastrnn as fr

X = np.random.default_rng(0).standard_normal((4, 6, 3)).astype("float32")
LENGTHS = np.array([6, 4, 1, 0])


def two_different(**options: Any) -> fr.Layer:
    back = fr.LSTM(4, activation="softsign", recurrent_activation="hard_sigmoid", clip=2.0, **options)
    return fr.Bidirectional(fr.LSTM(4, peepholes=True, **options), backward_layer=back)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: [fr.Reversed(fr.GRU(4, return_sequences=True)), fr.Dense(2)],
        lambda: [fr.Reversed(fr.LSTM(4, dropout=0.3, recurrent_dropout=0.2)), fr.Dense(2)],
        lambda: [fr.Reversed(fr.LSTM(4, return_sequences=True, learn_state=True)), fr.LSTM(3)],
        lambda: [fr.GRU(3, return_sequences=True), fr.LastStep(), fr.Dense(2)],
        lambda: [fr.Dense(4), fr.LastStep()],
        lambda: [two_different(return_sequences=True), fr.Dense(2)],
        lambda: [two_different(dropout=0.3), fr.Dense(2)],
        lambda: [fr.Bidirectional(fr.RNN(3), "mul", fr.RNN(3, activation="softsign", learn_state=True))],
    ],
)
def test_gradients(make: Callable[[], list[Any]], kind: str) -> None:
    check(make(), problem(kind))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("cell", [fr.LSTM, fr.GRU, fr.RNN])
def test_reversed_is_the_way_back_of_bidirectional(cell: Any, backend: str) -> None:
    both = fr.Sequential([fr.Bidirectional(cell(4, return_sequences=True, return_state=True))], seed=1,
                         backend=backend)  # fmt: skip
    back = fr.Sequential([fr.Reversed(cell(4, return_sequences=True, return_state=True))], backend=backend)
    both.build((None, None, 3))
    back.build((None, None, 3))
    names = [name for name in both.named_params() if ".backward." in f".{name.split('/')[1]}"]
    back.set_weights([both.named_params()[name] for name in names])
    begin = [np.random.default_rng(k).standard_normal((4, 4)).astype("float32") for k in range(4)]
    begin = begin[: 2 * (cell is fr.LSTM) or 1]
    zeros = [np.zeros_like(s) for s in begin]
    wanted = both.predict(X, lengths=LENGTHS, initial_state=(*zeros, *begin))
    found = back.predict(X, lengths=LENGTHS, initial_state=tuple(begin))
    assert (found[0] == wanted[0][:, :, 4:]).all()
    assert all((a == b).all() for a, b in zip(found[1:], wanted[1 + len(begin) :], strict=True))


def test_reversed_without_sequences_is_go_backwards() -> None:
    one = fr.Sequential([fr.Reversed(fr.LSTM(4))], seed=2)
    two = fr.Sequential([fr.LSTM(4, go_backwards=True)], seed=2)
    assert (one.predict(X, lengths=LENGTHS) == two.predict(X, lengths=LENGTHS)).all()


def test_the_last_step_of_each_sequence() -> None:
    model = fr.Sequential([fr.LSTM(4, return_sequences=True), fr.LastStep()], seed=3)
    same = fr.Sequential([fr.LSTM(4)], seed=3)
    found = model.predict(X, lengths=LENGTHS)
    assert (found == same.predict(X, lengths=LENGTHS)).all() and not found[3].any()
    keep = np.array([[True, False, True, False, False, False]] * 4)
    assert (model.predict(X, mask=keep) == model.predict(np.ascontiguousarray(X[:, [0, 2]]))).all()
    assert model.predict(X[:, :0]).shape == (4, 4)


def test_the_last_step_of_a_stream_is_the_step() -> None:
    model = fr.Sequential([fr.Input((None, 3)), fr.GRU(4, return_sequences=True), fr.LastStep(), fr.Dense(2)])
    stream = model.stream(4)
    for t in range(3):
        assert (stream.step(X[:, t]) == model.predict(np.ascontiguousarray(X[:, : t + 1]))).all()


def test_two_different_layers_each_run_their_own_way() -> None:
    model = fr.Sequential([two_different(return_sequences=True)], seed=4)
    y = model.predict(X, lengths=LENGTHS)
    params = model.named_params()
    forward = fr.Sequential([fr.LSTM(4, peepholes=True, return_sequences=True)])
    back = fr.LSTM(
        4, activation="softsign", recurrent_activation="hard_sigmoid", clip=2.0, return_sequences=True
    )
    backward = fr.Sequential([fr.Reversed(back)])
    for one, side, half in ((forward, "forward", y[..., :4]), (backward, "backward", y[..., 4:])):
        one.build((None, None, 3))
        one.set_weights([p for name, p in params.items() if f"/{side}." in name])
        np.testing.assert_allclose(one.predict(X, lengths=LENGTHS), half, atol=1e-6)


def test_they_are_saved(tmp_path: Path) -> None:
    layers = [
        two_different(return_sequences=True),
        fr.Reversed(fr.GRU(4, return_sequences=True)),
        fr.LastStep(),
        fr.Dense(2),
    ]
    model = fr.Sequential(layers, seed=5)
    y = model.predict(X)
    model.save(tmp_path / "model.fastrnn")
    again = fr.load(tmp_path / "model.fastrnn")
    assert (again.predict(X) == y).all() and repr(again) == repr(model)
    model.draw(tmp_path / "model.svg")


def test_a_diagnosis_looks_inside() -> None:
    model = fr.Sequential([fr.Reversed(fr.LSTM(4, return_sequences=True)), fr.Dense(1)], seed=6)
    model.compile("adam", "mse")
    x, y = X, np.zeros((4, 6, 1), "float32")
    back = fr.diagnose(model, x, y).gradient_norm
    plain = fr.Sequential([fr.LSTM(4, return_sequences=True), fr.Dense(1)], seed=6)
    plain.compile("adam", "mse")
    plain.build((None, None, 3))
    plain.set_weights(model.get_weights())
    turned = fr.diagnose(plain, np.ascontiguousarray(x[:, ::-1]), y).gradient_norm
    assert sorted(np.round(back, 9)) == sorted(np.round(turned, 9))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fr.Reversed(fr.Dense(3)), "Reversed: layer must be a recurrent layer"),
        (lambda: fr.Reversed(fr.LSTM(3, go_backwards=True)), "Reversed: go_backwards must be False"),
        (lambda: fr.Reversed(fr.LSTM(3, stateful=True)), "Reversed: stateful must be False"),
        (lambda: fr.Bidirectional(fr.LSTM(3), backward_layer=fr.Dense(3)),
         "Bidirectional: backward_layer must be a recurrent layer"),
        (lambda: fr.Bidirectional(fr.LSTM(3), backward_layer=fr.LSTM(4)),
         "Bidirectional: state_widths of backward_layer must be (3, 3), got (4, 4)."),
        (lambda: fr.Bidirectional(fr.LSTM(3), backward_layer=fr.LSTM(3, return_sequences=True)),
         "Bidirectional: return_sequences of backward_layer must be False, got True."),
        (lambda: fr.Bidirectional(fr.LSTM(3), backward_layer=fr.LSTM(3, go_backwards=True)),
         "Bidirectional: go_backwards must be False in the layer inside, got True."),
        (lambda: fr.Sequential([fr.LastStep()]).predict(X[:, 0]),
         "LastStep(): input must be sequences [B, T, F], got [B, 3]."),
        (lambda: fr.Sequential([fr.Input((None, 3)), fr.Reversed(fr.LSTM(3))]).stream(),
         "stream: Reversed(LSTM(units=3)) needs the whole sequence; use predict."),
    ],
)  # fmt: skip
def test_messages(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert message in str(caught.value)
