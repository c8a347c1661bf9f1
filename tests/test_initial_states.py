"""Where a recurrence begins: zero, given at the door, or learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import assert_same_bits

import fastrnn as fr
from fastrnn.layers import Noise

CELLS = {"rnn": fr.RNN, "lstm": fr.LSTM, "gru": fr.GRU}
RNG = np.random.default_rng(3)
LENGTHS = np.array([2, 6, 0, 5])


def problem(make: Any, dtype: str = "float64", **options: Any) -> Any:
    """(layer, model, x [4, 6, 3])."""
    layer = make(5, return_sequences=True, return_state=True, **options)
    model = fr.Sequential([fr.Input((None, 3)), layer], seed=1, dtype=dtype)
    return layer, model, RNG.standard_normal((4, 6, 3)).astype(dtype)


def states(layer: Any) -> tuple[np.ndarray, ...]:
    return tuple(RNG.standard_normal((4, width)) for width in layer.state_widths)


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_a_given_state_is_that_of_the_function(make: Any, lengths: Any) -> None:
    layer, model, x = problem(make)
    given = states(layer)
    y, *sT = model.predict(x, lengths=lengths, initial_state=given, batch_size=3)
    function = getattr(fr.functional, f"{layer.cell.name.split('_')[0]}_forward")
    alone = given if len(given) > 1 else given[0]
    wanted, end, _ = function(x, dict(layer.params), alone, lengths=lengths)
    assert_same_bits((y, *sT), (wanted, *(end if len(given) > 1 else (end,))))


def test_by_name_where_there_are_several() -> None:
    model = fr.Sequential(
        [fr.Input((None, 3)), fr.GRU(4, return_sequences=True), fr.Bidirectional(fr.LSTM(2)), fr.Dense(1)],
        seed=0,
    )
    x = RNG.standard_normal((3, 5, 3)).astype("float32")
    zero = model.predict(x)
    both = tuple(np.zeros((3, 2), "float32") for _ in range(4))
    assert_same_bits(model.predict(x, initial_state={"bidirectional": both}), zero)
    other = model.predict(x, initial_state={"gru": np.ones((3, 4), "float32"), "bidirectional": both})
    assert (other != zero).any()


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_both_directions_begin_and_end_where_they_say(make: Any, lengths: Any) -> None:
    layer = fr.Bidirectional(make(5, return_sequences=True, return_state=True))
    model = fr.Sequential([fr.Input((None, 3)), layer], seed=1, dtype="float64")
    x, given = RNG.standard_normal((4, 6, 3)), states(layer)
    y, *sT = model.predict(x, lengths=lengths, initial_state=given)
    half = len(given) // 2
    function = getattr(fr.functional, f"{layer.forward_layer.cell.name.split('_')[0]}_forward")
    for way, part in enumerate((layer.forward_layer, layer.backward_layer)):
        own = given[half * way : half * (way + 1)]
        wanted, end, _ = function(
            x, dict(part.params), own if half > 1 else own[0], lengths=lengths, reverse=bool(way)
        )
        assert_same_bits(y[..., 5 * way : 5 * way + 5], wanted)
        assert_same_bits(tuple(sT[half * way : half * (way + 1)]), end if half > 1 else (end,))


@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
def test_training_from_given_states(both: bool) -> None:
    """A step with states is another step, and the same for a batch in another order."""

    def trained(initial_state: Any, order: Any) -> Any:
        layer: Any = fr.GRU(4)
        model = fr.Sequential([fr.Input((None, 3)), fr.Bidirectional(layer) if both else layer], seed=1)
        model.compile("sgd", "mse")
        x, y = np.ones((3, 5, 3), "f4") * np.arange(3)[:, None, None], np.ones((3, 8 if both else 4), "f4")
        given = None if initial_state is None else [s[order] for s in initial_state]
        model.train_on_batch(
            x[order].astype("f4"), y, lengths=np.array([2, 5, 3])[order], initial_state=given
        )
        return model.get_weights()

    given = [RNG.standard_normal((3, 4)).astype("f4") for _ in range(1 + both)]
    one, zero = trained(given, [0, 1, 2]), trained(None, [0, 1, 2])
    assert any((a != b).any() for a, b in zip(one, zero, strict=True))
    for a, b in zip(one, trained(given, [2, 0, 1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_fit_and_evaluate_pick_the_states_of_their_examples() -> None:
    model = fr.Sequential([fr.Input((None, 2)), fr.RNN(3)], seed=0)
    model.compile("sgd", "mse")
    x, y = RNG.standard_normal((7, 4, 2)).astype("f4"), RNG.standard_normal((7, 3)).astype("f4")
    state = RNG.standard_normal((7, 3)).astype("f4")
    found = model.evaluate(x, y, batch_size=2, initial_state=state)
    assert found == pytest.approx(float(((model.predict(x, initial_state=state) - y) ** 2).mean()), rel=1e-5)
    history = model.fit(x, y, epochs=30, batch_size=3, initial_state=state, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gru": np.zeros((2, 4), "f4")}, "a key of initial_state must be one of lstm, got 'gru'"),
        (np.zeros((2, 4), "f4"), r"initial_state\['lstm'\] must be 2 arrays \[B, H\], got 1"),
        ((np.zeros((2, 4), "f4"), np.zeros((2, 5), "f4")), r"must be \[B, H\] = .* float32, got \[2, 5\]"),
        ((np.zeros((3, 4), "f4"),) * 2, r"must be \[B, H\] = \[2, 4\] float32, got \[3, 4\]"),
        ((np.zeros((2, 4)),) * 2, "float32, got .* float64"),
        ((np.full((2, 4), np.nan, "f4"),) * 2, "must be finite"),
    ],
)
def test_wrong_states_are_named(given: Any, message: str) -> None:
    model = fr.Sequential([fr.Input((None, 3)), fr.LSTM(4)], seed=0)
    with pytest.raises((ValueError, TypeError), match=f"predict: .*{message}"):
        model.predict(np.zeros((2, 3, 3), "f4"), initial_state=given)


def test_a_model_without_a_recurrence_has_no_states() -> None:
    model = fr.Sequential([fr.Input((3,)), fr.Dense(4)], seed=0)
    with pytest.raises(ValueError, match="initial_state must be a dict by layer name, of no layer"):
        model.predict(np.zeros((2, 3), "f4"), initial_state=np.zeros((2, 4), "f4"))


# ------------------------------------------------------------------------------------- learnt states


def learner(make: Any, both: bool, backend: str) -> fr.Sequential:
    layer = make(4, learn_state=True, return_sequences=True)
    layers = [fr.Input((None, 3)), fr.Bidirectional(layer) if both else layer, fr.Dense(2)]
    model = fr.Sequential(layers, seed=2, dtype="float64", backend=backend)
    with model.writing() as params:
        for name, p in params.items():
            if name.endswith(("h0", "c0")):
                p[...] = np.random.default_rng(len(name)).standard_normal(p.shape)
    return model


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
def test_gradients_of_learnt_states(make: Any, both: bool, backend: str) -> None:
    model = learner(make, both, backend)
    x = [RNG.standard_normal((n, 3)) for n in (2, 5, 0, 1)]
    direction = [RNG.standard_normal((n, 2)) for n in (2, 5, 0, 1)]

    def loss() -> float:
        return sum(float((a * b).sum()) for a, b in zip(model.predict(x), direction, strict=True))

    packed = model.inputs("test", x).batch(np.arange(4))
    out, caches = model.run(packed, Noise.of(0, 0))
    b, t = out.layout.caller
    model.backward(caches, np.stack([direction[i][k] for i, k in zip(b, t, strict=True)]))
    grads = {k: g for k, g in model.named_grads().items() if k.endswith(("h0", "c0"))}
    assert len(grads) == len(model.layers[1].state_widths)
    for name, g in grads.items():
        for k in range(4):
            step, found = 1e-6, []
            for sign in (1, -1):
                with model.writing() as params:
                    params[name][k] += sign * step
                found.append(loss())
                with model.writing() as params:
                    params[name][k] -= sign * step
            assert g[k] == pytest.approx((found[0] - found[1]) / (2 * step), rel=1e-6, abs=1e-8)


def test_a_learnt_state_streams_saves_and_says_its_size(tmp_path: Any) -> None:
    model = learner(fr.LSTM, False, "cpu")
    x = RNG.standard_normal((2, 5, 3))
    y = model.predict(x)
    stream = model.stream(2)
    assert_same_bits(np.stack([stream.step(x[:, t]) for t in range(5)], axis=1), y)
    stream.reset()
    assert_same_bits(stream.step(x[:, 0]), y[:, 0])
    model.save(tmp_path / "m.fastrnn")
    assert_same_bits(fr.load(tmp_path / "m.fastrnn").predict(x), y)
    assert model.named_params()["lstm/c0"].shape == (4,)


def test_a_given_state_goes_before_a_learnt_one_and_has_no_gradient() -> None:
    model = learner(fr.GRU, False, "cpu")
    x = RNG.standard_normal((1, 3, 3))
    state = np.array(model.named_params()["gru/h0"])[None]
    assert_same_bits(model.predict(x, initial_state=state), model.predict(x))
    model.compile("sgd", "mse")
    model.train_on_batch(x, np.zeros((1, 3, 2)), initial_state=state)
    assert (model.named_params()["gru/h0"] == state[0]).all()
