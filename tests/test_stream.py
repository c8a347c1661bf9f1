"""One step at a time is the whole sequence at once, bit by bit."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest
from cases import NAMES, assert_same_bits

import fastrnn as fr

rng = np.random.default_rng(0)
SEQUENCES: dict[str, Any] = {"return_sequences": True}


def recurrent(name: str, units: int, **options: Any) -> Any:
    """The layer of that cell."""
    kind, _, activation = name.partition("_")
    extra = {"activation": activation} if activation else {}
    return {"rnn": fr.RNN, "lstm": fr.LSTM, "gru": fr.GRU}[kind](units, **extra, **options)


def model(*layers: Any, dtype: str = "float32", backend: str = "cpu") -> Any:
    """A model with weights, all of them random: none of the biases is zero."""
    made = fr.Sequential([fr.Input((None, 3)), *layers], seed=1, dtype=dtype, backend=backend)
    randomize(made)
    return made


def randomize(made: Any, seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    made.set_weights([random.normal(0, 0.5, w.shape).astype(w.dtype) for w in made.get_weights()])


def numbers(made: Any, batch: int, steps: int, features: int = 3) -> np.ndarray:
    return rng.standard_normal((batch, steps, features)).astype(made.dtype)


def streamed(stream: Any, x: np.ndarray) -> np.ndarray:
    return np.stack([stream.step(x[:, t]) for t in range(x.shape[1])], axis=1)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_every_cell(name: str, dtype: str, batch: int) -> None:
    """One layer and two, of sizes around a vector; predict also of each beginning."""
    for units in (1, 5, 16, 33):
        made = model(recurrent(name, units, **SEQUENCES), recurrent(name, 7, **SEQUENCES), dtype=dtype)
        x = numbers(made, batch, 9)
        y = streamed(made.stream(batch), x)
        assert_same_bits(y, made.predict(x))
        assert_same_bits(y[:, :4], made.predict(x[:, :4]))


@pytest.mark.parametrize("activation", [None, "relu", "tanh", "sigmoid", "softmax", "softplus", "elu"])
def test_dense_around_it(activation: Any) -> None:
    made = model(fr.Dense(6, activation), fr.GRU(5, **SEQUENCES), fr.Dropout(0.5), fr.Dense(4, activation))
    for batch in (1, 3):
        x = numbers(made, batch, 6)
        assert_same_bits(streamed(made.stream(batch), x), made.predict(x))


@pytest.mark.parametrize("front", [fr.OneHot(11), fr.Embedding(11, 6)], ids=["one-hot", "embedding"])
@pytest.mark.parametrize("name", NAMES)
def test_ids(name: str, front: Any) -> None:
    """Ids of any integer dtype, refused where they are none of the model's; the state is then as it was."""
    fresh = type(front).from_config(front.config())
    made = fr.Sequential([fresh, recurrent(name, 18, **SEQUENCES), fr.Dense(2, "softmax")], seed=1)
    made.build((None, None))
    randomize(made)
    for batch in (1, 3):
        ids = rng.integers(0, 11, (batch, 8))
        wanted = made.predict(ids)
        for dtype in (np.int64, np.int32, np.uint8):
            assert_same_bits(streamed(made.stream(batch), ids.astype(dtype)), wanted)
        stream = made.stream(batch)
        stream.step(ids[:, 0])
        before = stream.state
        for bad in (-1, 11):
            with pytest.raises(ValueError, match=r"x must be ids in \[0, 11\), got ids from"):
                stream.step(np.full(batch, bad))
        assert_same_bits(stream.state, before)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_recurrence_gives_its_state(name: str) -> None:
    """Without return_sequences predict gives the last step alone, and so does the stream, at every step."""
    made = model(recurrent(name, 6, **SEQUENCES), recurrent(name, 5), fr.Dense(2))
    x = numbers(made, 2, 7)
    stream = made.stream(2)
    for t in range(7):
        assert_same_bits(stream.step(x[:, t]), made.predict(x[:, : t + 1]))


@pytest.mark.parametrize("name", NAMES)
def test_large_steps_of_several_threads(name: str) -> None:
    """A step that is worth a team: units are shared, bits are not changed."""
    made = fr.Sequential([fr.Input((None, 700)), recurrent(name, 1100, **SEQUENCES)], seed=1)
    x = numbers(made, 6, 3, 700)
    with fr.threads(1):
        wanted = made.predict(x)
    for n in (1, 2, 3):
        with fr.threads(n):
            assert_same_bits(streamed(made.stream(6), x), wanted)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("name", NAMES)
def test_states(name: str, backend: str) -> None:
    """Saved and taken back in the middle, and forgotten; what was saved does not change."""
    made = model(recurrent(name, 5, **SEQUENCES), recurrent(name, 4, **SEQUENCES), backend=backend)
    x = numbers(made, 2, 8)
    stream = made.stream(2)
    wanted = streamed(stream, x)
    stream.reset()
    assert not any(s.any() for layer in stream.state for s in layer)
    streamed(stream, x[:, :3])
    saved = stream.state
    kept = [[s.copy() for s in layer] for layer in saved]
    assert_same_bits(streamed(stream, x[:, 3:]), wanted[:, 3:])
    stream.reset(saved)
    assert_same_bits(streamed(stream, x[:, 3:]), wanted[:, 3:])
    assert_same_bits(saved, kept)
    other = made.stream(2)
    other.reset(saved)
    assert_same_bits(streamed(other, x[:, 3:]), wanted[:, 3:])
    assert [len(layer) for layer in saved] == [2 if name == "lstm" else 1] * 2


def test_streams_are_independent() -> None:
    made = model(fr.LSTM(5, **SEQUENCES))
    x = numbers(made, 1, 10)
    one, two = made.stream(), made.stream()
    for t in range(5):
        assert_same_bits(one.step(x[:, t]), made.predict(x[:, : t + 1])[:, -1])
        assert_same_bits(two.step(x[:, 5 + t]), made.predict(x[:, 5 : 6 + t])[:, -1])


def test_results_belong_to_the_caller() -> None:
    """No later step writes into them, and none of them is the state."""
    made = model(fr.GRU(4, **SEQUENCES))
    x = numbers(made, 1, 5)
    wanted = made.predict(x)
    stream, results = made.stream(), []
    for t in range(5):
        y = stream.step(x[:, t])
        results.append(y.copy())
        y[...] = np.nan
    assert_same_bits(np.stack(results, axis=1), wanted)


def test_out() -> None:
    made = model(fr.LSTM(4, **SEQUENCES), fr.Dense(2))
    x = numbers(made, 2, 5)
    wanted, stream, out = made.predict(x), made.stream(2), np.empty((2, 2), np.float32)
    for t in range(5):
        assert stream.step(x[:, t], out=out) is out
        assert_same_bits(out, wanted[:, t])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts_of_memory_do_not_matter(dtype: str) -> None:
    made = model(fr.LSTM(4, **SEQUENCES), dtype=dtype)
    x = numbers(made, 3, 4)
    wanted = made.predict(x)
    wide = np.full((3, 4, 6), np.nan, dtype)
    wide[..., ::2] = x
    for other in (np.asfortranarray(x), wide[..., ::2], x[::-1][::-1]):
        assert_same_bits(streamed(made.stream(3), other), wanted)
    offset = np.zeros(x.nbytes + 1, np.uint8)[1:]  # starts between two numbers
    offset[:] = np.frombuffer(x.tobytes(), np.uint8)
    assert_same_bits(streamed(made.stream(3), offset.view(dtype).reshape(x.shape)), wanted)
    assert_same_bits(streamed(made.stream(3), x.astype(x.dtype.newbyteorder()).astype(dtype)), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_change_between_steps_count(name: str) -> None:
    made = model(recurrent(name, 5, **SEQUENCES), fr.Dense(2))
    made.compile("sgd", "mse")
    x = numbers(made, 1, 8)
    stream = made.stream()
    streamed(stream, x[:, :4])
    saved = stream.state
    made.train_on_batch(x, rng.standard_normal((1, 8, 2)).astype(np.float32))
    new = made.stream()
    new.reset(saved)
    assert_same_bits(streamed(stream, x[:, 4:]), streamed(new, x[:, 4:]))
    randomize(made, 5)
    stream.reset()
    assert_same_bits(streamed(stream, x), made.predict(x))


def test_memory_is_constant() -> None:
    """Ten thousand steps keep nothing."""
    made = model(fr.LSTM(8, **SEQUENCES), fr.GRU(8))
    stream, x = made.stream(), numbers(made, 1, 1)[:, 0]
    tracemalloc.start()
    try:
        for _ in range(100):
            stream.step(x)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(10_000):
            stream.step(x)
        peak = tracemalloc.get_traced_memory()[1]
        gc.collect()
        now = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert now - before < 2_000 and peak - before < 100_000


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_streams_too(name: str) -> None:
    """Array code: BLAS sums a step in another order than a sequence, so to rounding."""
    layers = lambda: (recurrent(name, 5, **SEQUENCES), fr.Dense(2, "tanh"))  # noqa: E731
    slow, fast = (model(*layers(), dtype="float64", backend=b) for b in ("reference", "cpu"))
    x = numbers(slow, 3, 6)
    y = streamed(slow.stream(3), x)
    np.testing.assert_allclose(y, slow.predict(x), rtol=0, atol=1e-14)
    np.testing.assert_allclose(y, streamed(fast.stream(3), x), rtol=0, atol=1e-14)


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.zeros((1, 4), "float32"), fr.ShapeError, "x must be {0}, got [1, 4] float32."),
        (np.zeros((2, 3), "float32"), fr.ShapeError, "x must be {0}, got [2, 3] float32."),
        (np.zeros(3, "float32"), fr.ShapeError, "x must be {0}, got [3] float32."),
        (np.zeros((1, 3)), fr.DtypeError, "x must be {0}, got [1, 3] float64. "
         "Convert it with x.astype('float32') if that is what you mean."),
        ([[1, 2, 3]], fr.DtypeError, "x must be an array {0}, got [[1, 2, 3]]."),
        (None, fr.DtypeError, "x must be an array {0}, got None."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dense", [False, True], ids=["recurrence first", "dense first"])
def test_a_bad_x_changes_nothing(dense: bool, bad: Any, error: Any, message: str) -> None:
    made = model(*([fr.Dense(3)] if dense else []), fr.LSTM(4, **SEQUENCES))
    stream = made.stream()
    stream.step(numbers(made, 1, 1)[:, 0])
    before = stream.state
    with pytest.raises(error) as caught:
        stream.step(bad)
    assert str(caught.value) == "stream.step: " + message.format("[B, F] = [1, 3] float32")
    assert_same_bits(stream.state, before)


def test_bad_ids() -> None:
    made = fr.Sequential([fr.OneHot(5), fr.LSTM(3, **SEQUENCES)], seed=1)
    made.build((None, None))
    for bad, got in ((np.zeros(2), "[2] float64"), ([1, 2], "[1, 2]"), (np.zeros(2, bool), "[2] bool")):
        with pytest.raises(fr.DtypeError) as caught:
            made.stream(2).step(bad)
        assert str(caught.value) == f"stream.step: x must be integer ids [B] = [2], got {got}."
    with pytest.raises(fr.ShapeError) as caught_shape:
        made.stream(2).step(np.zeros(3, int))
    assert str(caught_shape.value) == "stream.step: x must be [B] = [2] int64, got [3] int64."


def test_bad_arguments() -> None:
    made = model(fr.LSTM(4, **SEQUENCES))
    stream, x = made.stream(), numbers(made, 1, 1)[:, 0]
    single, double = np.empty((1, 3), "float32"), np.empty((1, 4))
    for out, got in ((single, "[1, 3] float32"), (double, "[1, 4] float64"), ([], "[]")):
        with pytest.raises(fr.ShapeError) as caught:
            stream.step(x, out=out)
        assert str(caught.value) == f"stream.step: out must be a writable array [1, 4] float32, got {got}."
    for state in ((), ((np.zeros((1, 4)),),), ((np.zeros((1, 4)), np.zeros((2, 4))),)):
        with pytest.raises(ValueError) as caught_state:
            stream.reset(state)
        assert str(caught_state.value) == (
            "stream.reset: state must be what stream.state gave, the states of every recurrent layer, "
            "got 'tuple'."
        )
    with pytest.raises(ValueError, match="got 'int'"):
        stream.reset(3)
    for size in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match=r"^stream: batch_size must be "):
            made.stream(size)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [fr.Bidirectional(fr.LSTM(2))], "Bidirectional"),
        (lambda: [fr.LSTM(2), fr.RepeatVector(3)], "RepeatVector"),
        (lambda: [fr.Masking(), fr.LSTM(2)], "Masking"),
        (lambda: [fr.GRU(2, go_backwards=True)], "GRU(units=2) runs backwards and"),
    ],
    ids=["bidirectional", "repeat", "masking", "backwards"],
)
def test_layers_that_need_the_whole_sequence_say_so(layers: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        model(*layers()).stream()
    said = str(caught.value)
    assert said.startswith(f"stream: {message}") and said.endswith("needs the whole sequence; use predict.")


def test_models_that_cannot_stream_say_so() -> None:
    padded = fr.Sequential([fr.Embedding(5, 3, mask_zero=True), fr.LSTM(2)], seed=1)
    padded.build((None, None))
    with pytest.raises(ValueError, match=r"^stream: Embedding\(5, 3\) needs the whole sequence"):
        padded.stream()
    with pytest.raises(RuntimeError, match=r"^Sequential\.stream: the model has no weights yet\."):
        fr.Sequential([fr.LSTM(2)]).stream()
    rows = fr.Sequential([fr.Input((3,)), fr.Dense(2)])
    with pytest.raises(ValueError) as caught:
        rows.stream()
    assert str(caught.value) == (
        "stream: the model's input must be a sequence, got [B, 3]. This model has no time axis; use predict."
    )


def test_a_wrong_out_leaves_the_state_alone() -> None:
    made = model(fr.LSTM(4, **SEQUENCES))
    stream, x = made.stream(), numbers(made, 1, 1)[:, 0]
    stream.step(x)
    before = stream.state
    locked = np.zeros((1, 4), "float32")
    locked.flags.writeable = False
    for out in (np.zeros((2, 4), "float32"), np.zeros((1, 4)), [0.0] * 4, locked):
        said = r"^stream\.step: out must be a writable array \[1, 4\] float32"
        with pytest.raises(fr.ShapeError, match=said):
            stream.step(x, out=out)
        assert_same_bits(stream.state, before)


@pytest.mark.parametrize("wrong", [[1], [[1]], ((1, 2),), ((None,),), "h", 3])
def test_a_wrong_state_is_refused(wrong: Any) -> None:
    stream = model(fr.LSTM(4, **SEQUENCES)).stream()
    with pytest.raises(ValueError, match=r"^stream\.reset: state must be what stream\.state gave"):
        stream.reset(wrong)
    wide = tuple(tuple(s.astype("float64") for s in layer) for layer in stream.state)
    with pytest.raises(ValueError, match=r"^stream\.reset: state must be"):
        stream.reset(wide)


def test_a_step_while_somebody_writes_reads_what_was_written() -> None:
    made = model(fr.LSTM(4, **SEQUENCES))
    stream, x = made.stream(), numbers(made, 1, 1)[:, 0]
    stream.step(x)
    stream.reset()
    with made.writing() as params:
        for value in (1, 2):
            params["lstm/b"][...] = value
            y = stream.step(x)
            stream.reset()
            assert_same_bits(y, made.predict(x[:, None])[:, 0])
