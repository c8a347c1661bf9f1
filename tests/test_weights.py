"""fastrnn.Weights: arrays that do not change unseen, so that what kernels made of them stays right."""

from __future__ import annotations

import copy
import sys
import threading
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


def test_calls_inside_writing_see_what_was_written() -> None:
    """Panels are neither used nor kept while somebody writes; blocks may stand inside each other."""
    x, params = batch(), params_of("lstm")
    weights = fr.Weights(params)
    call(CELLS["lstm"], x, weights, lengths=np.full(B, T))  # keeps panels
    with weights.writing():
        for _ in range(2):
            weights["b"][...] += 1
            params["b"] += 1
            with weights.writing():
                got = call(CELLS["lstm"], x, weights)[0]
            assert_same_bits(got, call(CELLS["lstm"], x, params)[0])
        weights["b"][...] += 1  # the inner block's end did not lock
    params["b"] += 1
    assert_same_bits(call(CELLS["lstm"], x, weights)[0], call(CELLS["lstm"], x, params)[0])
    assert not weights["b"].flags.writeable


@pytest.mark.parametrize("wrong", [None, [1], {"b": 1}, {"b": [1.0]}, {"b": np.zeros(3, int)}])
def test_what_is_no_dict_of_arrays_is_refused(wrong: Any) -> None:
    message = r"^Weights: params(\['b'\])? must be a (dict of arrays|float32 or float64 array), got "
    with pytest.raises(TypeError, match=message):
        fr.Weights(wrong)


def test_a_dict_of_ones_own_is_read_at_every_call() -> None:
    class Mine(dict):  # type: ignore[type-arg]
        panels = None

    params = Mine(params_of("gru"))
    first = call(CELLS["gru"], batch(), params)[0]
    params["b_hh"][...] += 1
    assert (call(CELLS["gru"], batch(), params)[0] != first).any()


@pytest.mark.parametrize("layer", [fr.LSTM, fr.GRU])
def test_the_first_calls_of_several_threads(layer: Any) -> None:
    """Whoever comes while another one packs waits for nobody, and reads nothing that is not whole."""
    model = fr.Sequential([fr.Input((None, 16)), layer(160, return_sequences=True)], seed=0)
    x = np.random.default_rng(0).standard_normal((1, 6, 16)).astype("float32")
    wanted, results = model.predict(x), []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(30):
            model.set_weights(model.get_weights())
            start = threading.Barrier(4)

            def run(start: Any = start) -> None:
                start.wait()
                results.append(model.predict(x))

            workers = [threading.Thread(target=run) for _ in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
    finally:
        sys.setswitchinterval(before)
    assert len(results) == 120
    for result in results:
        assert_same_bits(result, wanted)


def test_writing_beside_a_call_does_not_take_its_panels_away() -> None:
    """A call that goes on while others write keeps the memory that it reads."""
    rng = np.random.default_rng(0)
    params = {"W_ih": rng.standard_normal((512, 64)), "W_hh": rng.standard_normal((512, 128)) / 16}
    params = {k: v.astype("float32") for k, v in {**params, "b": np.zeros(512)}.items()}
    weights, other = fr.Weights(params), {k: v * 0 + np.float32(3) for k, v in params.items()}
    x = rng.standard_normal((4, 20, 64)).astype("float32")
    wanted, wrong, done = fr.functional.lstm_forward(x, params, threads=1)[0], [], threading.Event()

    def infer() -> None:
        while not done.is_set():
            got = fr.functional.lstm_forward(x, weights, threads=1)[0]
            wrong.extend([1] if (got != wanted).any() else [])

    workers = [threading.Thread(target=infer) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(300):
        with weights.writing():
            pass
        fr.functional.lstm_forward(x[:1, :3], other)  # takes memory that was lent on
    done.set()
    for worker in workers:
        worker.join()
    assert not wrong
