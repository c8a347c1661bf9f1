"""fastrnn.Weights: arrays that do not change unseen, so that what kernels made of them stays right."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import NAMES, assert_same_bits, call, call_back, random_params

import fastrnn as fr
from fastrnn.cells import CELLS

B, T, I, H = 3, 4, 5, 18


def params_of(name: str, dtype: Any = np.float32, seed: int = 0) -> Any:
    return random_params(CELLS[name], I, H, np.random.default_rng(seed), dtype)


def batch(dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((B, T, I)).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_they_are_copies_and_read_only(name: str) -> None:
    params = params_of(name)
    weights = fr.Weights(params)
    assert set(weights) == set(params) and isinstance(weights, dict) and weights.version == 0
    for key, array in params.items():
        assert_same_bits(weights[key], array)
        assert not np.shares_memory(weights[key], array) and array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            weights[key][0] = 1
        with pytest.raises(ValueError, match="read-only"):
            weights[key] += 1


def test_of_takes_arrays_over() -> None:
    params = params_of("lstm")
    weights = fr.Weights.of(params)
    assert all(weights[key] is array and not array.flags.writeable for key, array in params.items())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_calls_with_them_are_calls_with_a_dict(name: str, dtype: Any) -> None:
    """The first, which makes the panels, and the later ones, which read them; forward and backward."""
    cell, params, x = CELLS[name], params_of(name, dtype), batch(dtype)
    weights = fr.Weights(params)
    wanted = call(cell, x, params)[:2]
    trained = call(cell, x, params, training=True)
    back = call_back(cell, trained[0].copy(), trained[2])
    for _ in range(3):
        assert_same_bits(call(cell, x, weights)[:2], wanted)
        y, sT, cache = call(cell, x, weights, training=True)
        assert_same_bits((y, sT), wanted)
        assert_same_bits(call_back(cell, y.copy(), cache), back)
        assert_same_bits(call(cell, x, weights, lengths=np.full(B, T))[:2], wanted)
    assert weights.version == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_counts(name: str) -> None:
    """Each array on its own, after calls in both directions have made all panels."""
    cell, weights, x = CELLS[name], fr.Weights(params_of(name)), batch()
    for version, key in enumerate(weights, 1):
        y, _, cache = call(cell, x, weights, training=True)
        call_back(cell, y, cache)
        call(cell, x, weights)
        with weights.writing() as inside:
            assert inside is weights
            weights[key] += 0.25
            weights[key][0] = -1
        assert weights.version == version and not weights[key].flags.writeable
        plain = {k: v.copy() for k, v in weights.items()}
        assert_same_bits(call(cell, x, weights)[:2], call(cell, x, plain)[:2])
        results = []
        for params in (weights, plain):
            y, _, cache = call(cell, x, params, training=True)
            results.append(call_back(cell, y.copy(), cache))
        assert_same_bits(*results)


def test_writing_ends_also_where_the_block_fails() -> None:
    weights = fr.Weights(params_of("gru"))
    with pytest.raises(KeyError), weights.writing():
        weights["b_ih"][0] = 7
        raise KeyError
    assert weights.version == 1 and weights["b_ih"][0] == 7
    with pytest.raises(ValueError, match="read-only"):
        weights["b_ih"][0] = 1


MUTATIONS = {
    "item": lambda w: w.__setitem__("b", w["b"].copy()),
    "new item": lambda w: w.__setitem__("c", w["b"]),
    "del": lambda w: w.__delitem__("b"),
    "pop": lambda w: w.pop("b"),
    "pop with default": lambda w: w.pop("c", None),
    "popitem": lambda w: w.popitem(),
    "clear": lambda w: w.clear(),
    "update": lambda w: w.update({"b": 1}),
    "update by name": lambda w: w.update(b=1),
    "setdefault": lambda w: w.setdefault("c", 1),
    "or": lambda w: w.__ior__({"b": 1}),
}


@pytest.mark.parametrize("inside", [False, True], ids=["", "while writing"])
@pytest.mark.parametrize("how", MUTATIONS)
def test_no_array_is_replaced(how: str, inside: bool) -> None:
    """Not even while writing: a kernel that reads an array in place would read the old one."""
    weights = fr.Weights(params_of("lstm"))
    before = dict(weights)
    if inside:
        weights.unlock()
    with pytest.raises(TypeError) as caught:
        MUTATIONS[how](weights)
    assert str(caught.value) == (
        "Weights: the arrays are fixed. Write into them inside `with weights.writing():`."
    )
    assert weights.keys() == before.keys() and all(weights[k] is v for k, v in before.items())


def test_wrong_weights_get_the_errors_of_a_dict() -> None:
    """Another cell's, another size, another dtype: also after their panels exist."""
    x = batch()
    for name in ("rnn_tanh", "lstm", "gru"):
        weights = fr.Weights(params_of(name))
        call(CELLS[name], x, weights)
        for other in {"rnn_tanh", "lstm", "gru"} - {name}:
            messages = []
            for params in (weights, dict(weights)):
                with pytest.raises(ValueError) as caught:
                    call(CELLS[other], x, params)
                messages.append(str(caught.value))
            assert messages[0].split(", got")[0] == messages[1].split(", got")[0]
        with pytest.raises(fr.ShapeError, match=r"x must be \[B, T, I\] = .* 5\] float32, got \[3, 4, 6\]"):
            call(CELLS[name], np.zeros((3, 4, 6), np.float32), weights)
        with pytest.raises(fr.DtypeError, match=r"x must be .* float32, got \[3, 4, 5\] float64"):
            call(CELLS[name], batch(np.float64), weights)
        bad = tuple(np.zeros((2, H), np.float32) for _ in CELLS[name].states)
        with pytest.raises(fr.ShapeError, match=r"state h must be \[B, H\] = \[3, 18\] float32, got"):
            call(CELLS[name], x, weights, bad)


def test_the_activation_belongs_to_the_call_not_to_the_weights() -> None:
    """tanh and relu share the form of their panels."""
    x, params = batch(), params_of("rnn_tanh")
    weights = fr.Weights(params)
    for name in ("rnn_tanh", "rnn_relu", "rnn_tanh"):
        assert_same_bits(call(CELLS[name], x, weights)[:2], call(CELLS[name], x, params)[:2])


@pytest.mark.parametrize("name", NAMES)
def test_several_calls_at_once(name: str) -> None:
    """Threads that share fresh weights all make or read panels, and get the same bits."""
    from concurrent.futures import ThreadPoolExecutor

    cell, x, params = CELLS[name], batch(), params_of(name)
    wanted = call(cell, x, params)[:2]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            weights = fr.Weights(params)
            for found in pool.map(lambda _, w=weights: call(cell, x, w)[:2], range(8)):
                assert_same_bits(found, wanted)


def test_copies_are_copies() -> None:
    weights = fr.Weights(params_of("lstm"))
    call(CELLS["lstm"], batch(), weights)
    for made in (copy.copy(weights), copy.deepcopy(weights)):
        assert type(made) is fr.Weights and made is not weights
        assert_same_bits(dict(made), dict(weights))
        with made.writing():
            made["b"][:] = 3
        assert not (weights["b"] == 3).any()
        assert_same_bits(call(CELLS["lstm"], batch(), made)[:2], call(CELLS["lstm"], batch(), dict(made))[:2])


# ---------------------------------------------------------------------- in models


def fresh_copy(made: Any) -> Any:
    """A model with the same numbers that has never run."""
    other = fr.Sequential(
        [fr.Input((None, I)), fr.LSTM(H, return_sequences=True), fr.GRU(6), fr.Dense(2)], seed=9
    )
    other.set_weights(made.get_weights())
    return other


def test_models_see_what_was_written(tmp_path: Path) -> None:
    """set_weights, fit, train_on_batch, load, and writing by hand, each after calls that kept panels."""
    x, y = batch(), np.random.default_rng(2).standard_normal((B, 2)).astype(np.float32)
    made = fr.Sequential(
        [fr.Input((None, I)), fr.LSTM(H, return_sequences=True), fr.GRU(6), fr.Dense(2)], seed=1
    )
    made.compile("adam", "mse")
    path = tmp_path / "model.safetensors"

    def by_hand() -> None:
        with made.writing() as params:
            for array in params.values():
                array[...] *= 1.25

    for write in (
        lambda: None,
        lambda: made.set_weights([w + np.float32(0.1) for w in made.get_weights()]),
        lambda: made.fit(x, y, epochs=2, verbose=0),
        lambda: made.train_on_batch(x, y),
        by_hand,
    ):
        before = made.predict(x)
        made.evaluate(x, y)
        write()
        now = made.predict(x)
        assert_same_bits(now, fresh_copy(made).predict(x))
        assert write.__name__ != "by_hand" or (now != before).any()
    made.save(path)
    assert_same_bits(fr.load(path).predict(x), made.predict(x))
    for array in made.named_params().values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
