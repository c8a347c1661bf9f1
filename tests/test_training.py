"""The training loop: the same bits whatever the threads, whole steps, and what fit shows and refuses."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import THREADS, assert_close, assert_same_bits

import fastrnn as fr
from fastrnn import callbacks as cb
from fastrnn import optimizers, schedules

F = "float32"
ROOT = Path(fr.__file__).resolve().parents[1]


def data(n: int = 40, span: int = 9, features: int = 3, seed: int = 0) -> Any:
    """(x [n, span, features], class of each, class of each step, lengths)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, span, features)).astype(F)
    steps = (x.cumsum(axis=1).sum(axis=2) > 0).astype(np.int64)
    return x, steps[:, -1], steps, rng.integers(1, span + 1, n)


def classifier(
    optimizer: Any = "adam", units: int = 5, dropout: float = 0.0, **options: Any
) -> fr.Sequential:
    layers = [fr.LSTM(units, dropout=dropout, recurrent_dropout=dropout), fr.Dropout(dropout),
              fr.Dense(2, activation="softmax")]  # fmt: skip
    model = fr.Sequential(layers, seed=3, **options)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def tagger(optimizer: Any = "adam", dropout: float = 0.0, seed: Any = 3, **options: Any) -> fr.Sequential:
    layers = [
        fr.Bidirectional(fr.GRU(4, return_sequences=True, recurrent_dropout=dropout)),
        fr.Dropout(dropout),
        fr.TimeDistributed(fr.Dense(2, activation="softmax")),
    ]
    model = fr.Sequential(layers, seed=seed, **options)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class StopAfter(cb.Callback):
    """Stop the training after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        self.model.stop_training = self.left <= 0


# ---------------------------------------------------------------------- the same bits


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn", "ids"])
def test_threads_give_the_same_trained_weights(kind: str) -> None:
    """Big enough for the kernels to start threads, with dropout, clipping and ragged sequences."""
    x, y, _, lengths = data(48, 20, 64)
    layers: dict[str, Callable[[], list[Any]]] = {
        "lstm": lambda: [fr.LSTM(96, return_sequences=True, dropout=0.2, recurrent_dropout=0.2), fr.LSTM(48)],
        "gru": lambda: [fr.Bidirectional(fr.GRU(96, dropout=0.2))],
        "rnn": lambda: [fr.RNN(128, activation="relu", return_sequences=True), fr.Dropout(0.3), fr.RNN(128)],
        "ids": lambda: [fr.Embedding(50, 64), fr.Dense(128, activation="relu"), fr.LSTM(96)],
    }
    if kind == "ids":
        x = np.random.default_rng(0).integers(0, 50, x.shape[:2])

    def train(threads: int) -> Any:
        model = fr.Sequential([*layers[kind](), fr.Dense(2, activation="softmax")], seed=1)
        model.compile(optimizers.Adam(0.01, global_clipnorm=0.5), "sparse_categorical_crossentropy")
        with fr.threads(threads):
            history = model.fit(x, y, epochs=2, batch_size=24, lengths=lengths, verbose=0)
            return model.get_weights(), np.array(history.history["loss"]), model.predict(x)

    wanted = train(1)
    assert np.isfinite(wanted[1]).all()
    for threads in THREADS[1:]:
        assert_same_bits(train(threads), wanted)


def test_seeds_decide_everything() -> None:
    x, _, y, lengths = data()

    def train(seed: Any) -> Any:
        model = tagger(dropout=0.3, seed=seed)
        model.fit(x, y, epochs=2, batch_size=8, lengths=lengths, verbose=0)
        return model.get_weights()

    assert_same_bits(train(7), train(7))
    assert_same_bits(train(np.random.default_rng(7)), train(np.random.default_rng(7)))
    assert not np.array_equal(train(7)[0], train(8)[0])


@pytest.mark.parametrize("bucketing", [False, True])
def test_ragged_equals_padded_bit_for_bit(bucketing: bool) -> None:
    x, _, y, lengths = data()
    listed, padded = tagger(dropout=0.3), tagger(dropout=0.3)
    options = {"epochs": 2, "batch_size": 8, "verbose": 0, "bucketing": bucketing}
    one = listed.fit([a[:n] for a, n in zip(x, lengths, strict=True)],
                     [a[:n] for a, n in zip(y, lengths, strict=True)], **options)  # fmt: skip
    x, y = x.copy(), y.copy()
    gone = np.arange(9) >= lengths[:, None]
    x[gone], y[gone] = np.nan, -77
    two = padded.fit(x, y, lengths=lengths, **options)
    assert_same_bits(listed.get_weights(), padded.get_weights())
    assert one.history == two.history
    masked = tagger(dropout=0.3)
    masked.fit(x, y, mask=~gone, **options)
    assert_same_bits(masked.get_weights(), padded.get_weights())


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: optimizers.SGD(schedules.ExponentialDecay(0.1, 10, 0.9), momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.01, global_clipnorm=0.5),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True, clipvalue=0.1),
    "adamw": lambda: optimizers.AdamW(schedules.CosineDecay(0.01, 40), amsgrad=True, clipnorm=0.5),
}


@pytest.mark.parametrize("bucketing", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_three_and_three_epochs_are_six(optimizer: str, bucketing: bool, tmp_path: Path) -> None:
    x, _, y, lengths = data()
    options = {"batch_size": 8, "lengths": lengths, "bucketing": bucketing, "verbose": 0}
    whole, first = tagger(OPTIMIZERS[optimizer](), 0.3), tagger(OPTIMIZERS[optimizer](), 0.3)
    six = whole.fit(x, y, epochs=6, **options).history["loss"]
    three = first.fit(x, y, epochs=3, **options).history["loss"]
    first.save(tmp_path / "m")
    second = fr.load(tmp_path / "m")
    last = second.fit(x, y, epochs=3, **options).history["loss"]
    assert_same_bits(second.get_weights(), whole.get_weights())
    assert [*three, *last] == six
    again = first.fit(x, y, epochs=3, **options).history["loss"]  # the saved one goes on as well
    assert again == last
    assert_same_bits(first.get_weights(), whole.get_weights())


def test_epochs_are_shuffled_differently_and_all_examples_met() -> None:
    seen: list[Any] = []

    class Spy(fr.layers.Layer):
        def forward(self, x: Any, noise: Any) -> Any:
            seen.append(x.rows[np.argsort(x.layout.order), 0].tolist())
            return x, None

        def backward(self, cache: Any, dy: Any) -> Any:
            return dy

    x = np.arange(20, dtype=F)[:, None]
    for options, epochs in (({}, 3), ({"shuffle": False}, 2), ({"bucketing": True}, 3)):
        seen.clear()
        model = fr.Sequential([Spy(), fr.Dense(1)], seed=0)
        model.compile("sgd", "mse")
        model.fit(x, x, epochs=epochs, batch_size=8, verbose=0, **options)
        order = [[v for b in seen[3 * e : 3 * e + 3] for v in b] for e in range(epochs)]
        assert all(sorted(o) == x[:, 0].tolist() for o in order)
        if options.get("shuffle", True):
            assert len({tuple(o) for o in order}) == epochs
        else:
            assert order[0] == order[1] == x[:, 0].tolist()


def test_one_step_is_gradient_descent() -> None:
    """p - rate * gradient, the gradient by differences of the loss that evaluate reports."""
    x, y, _, _ = data(6)
    model = classifier(optimizers.SGD(0.5), dtype="float64")
    x = x.astype(float)
    before_loss = model.evaluate(x, y)[0]
    before = model.get_weights()
    assert math.isclose(model.train_on_batch(x, y), before_loss, rel_tol=1e-12)
    gradient = [(b - a) / 0.5 for a, b in zip(model.get_weights(), before, strict=True)]
    rng = np.random.default_rng(0)
    v = [rng.standard_normal(w.shape) for w in before]
    values = []
    for h in (1e-4, -1e-4):
        model.set_weights([w + h * d for w, d in zip(before, v, strict=True)])
        values.append(model.evaluate(x, y)[0])
    wanted = sum(float((g * d).sum()) for g, d in zip(gradient, v, strict=True))
    assert math.isclose((values[0] - values[1]) / 2e-4, wanted, rel_tol=1e-6)


# ---------------------------------------------------------------------- weights of examples


def test_a_weight_of_two_is_the_row_twice() -> None:
    """The loss is divided by the number of rows, so the steps are made equal by the learning rate."""
    x, y, steps, _ = data(5)
    x = x.astype(float)
    w = np.array([2, 1, 0, 3, 1])
    twice = np.repeat(np.arange(5), w)
    for target, make in ((y, classifier), (steps, tagger)):
        one = make(optimizers.SGD(0.1 * 5), dtype="float64")
        two = make(optimizers.SGD(0.1 * len(twice)), dtype="float64")
        given: list[dict[str, Any]] = [{"sample_weight": w}]
        if make is tagger:
            given.append({"sample_weight": np.repeat(w[:, None], 9, axis=1)})
        two.train_on_batch(x[twice], target[twice])
        for options in given:
            one = make(optimizers.SGD(0.1 * 5), dtype="float64")
            one.train_on_batch(x, target, **options)
            assert_close(one.get_weights(), two.get_weights(), 1e-13)
    cut = tagger(optimizers.SGD(0.1), dtype="float64")  # a weight a step: 0 is a step without target
    w = (np.arange(9) < np.array([9, 4, 1, 0, 6])[:, None]).astype(float)
    cut.train_on_batch(x, steps, sample_weight=w)
    changed = steps.copy()
    changed[w == 0] ^= 1
    other = tagger(optimizers.SGD(0.1), dtype="float64")
    other.train_on_batch(x, changed, sample_weight=w)
    assert_same_bits(cut.get_weights(), other.get_weights())


def test_class_weights_are_weights_of_examples() -> None:
    x, y, _, _ = data()
    one, two = classifier(), classifier()
    a = one.fit(x, y, class_weight={0: 3.0, 1: 0.5}, verbose=0, epochs=2)
    b = two.fit(x, y, sample_weight=np.where(y == 0, 3.0, 0.5), verbose=0, epochs=2)
    assert_same_bits(one.get_weights(), two.get_weights())
    assert a.history == b.history


# ---------------------------------------------------------------------- validation


def test_validation_data_and_split() -> None:
    x, y, _, _ = data()
    model = classifier()
    seen = model.fit(x, y, validation_split=0.25, epochs=2, verbose=0, shuffle=False, batch_size=10)
    assert list(seen.history) == ["loss", "accuracy", "val_loss", "val_accuracy"] and seen.epoch == [0, 1]
    other = classifier()
    given = other.fit(
        x[:30], y[:30], validation_data=(x[30:], y[30:]), epochs=2, verbose=0, shuffle=False, batch_size=10
    )
    assert seen.history == given.history
    assert_same_bits(model.get_weights(), other.get_weights())
    loss, accuracy = model.evaluate(x[30:], y[30:])
    assert [seen.history["val_loss"][-1], seen.history["val_accuracy"][-1]] == [loss, accuracy]
    w = np.random.default_rng(1).random(10)
    weighted = classifier().fit(x[:30], y[:30], validation_data=[x[30:], y[30:], w], verbose=0)
    assert weighted.history["val_loss"] != seen.history["val_loss"][:1]
    third = classifier()
    third.fit(x[:30], y[:30], verbose=0)
    assert weighted.history["val_loss"] == [third.evaluate(x[30:], y[30:], sample_weight=w)[0]]


def test_validation_of_a_stateful_model_has_the_batches_of_the_training() -> None:
    x, y, _, _ = data(40)
    model = fr.Sequential([fr.GRU(3, stateful=True), fr.Dense(2, activation="softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(x[:20], y[:20], batch_size=10, validation_data=(x[20:], y[20:]), verbose=0)
    assert math.isfinite(history.history["val_loss"][0])


def test_training_loss_is_the_mean_over_rows() -> None:
    x, _, y, lengths = data(10)
    model = tagger(optimizers.SGD(0.0))  # nothing moves
    history = model.fit(x, y, lengths=lengths, batch_size=3, verbose=0).history
    loss, accuracy = model.evaluate(x, y, lengths=lengths)
    assert math.isclose(history["loss"][0], loss, rel_tol=1e-6)
    assert history["accuracy"][0] == accuracy


# ---------------------------------------------------------------------- callbacks


def test_early_stopping_restores_and_checkpoints_load(tmp_path: Path) -> None:
    x, y, _, _ = data()
    rng = np.random.default_rng(0)
    xv, yv = data(40, seed=1)[:2]
    yv = rng.permutation(yv)  # nothing to learn there: validation gets worse
    model = classifier(optimizers.Adam(0.05))
    stop = cb.EarlyStopping(patience=2, restore_best_weights=True)
    files = cb.ModelCheckpoint(tmp_path / "m-{epoch}")
    rates = cb.LearningRateScheduler(lambda epoch: 0.05 / (1 + epoch))
    table = cb.CSVLogger(tmp_path / "log.csv")
    history = model.fit(
        x, y, epochs=50, validation_data=(xv, yv), callbacks=[stop, files, rates, table], verbose=0
    )
    losses = history.history["val_loss"]
    assert 3 <= len(losses) < 50 and stop.best_epoch == int(np.argmin(losses)) == len(losses) - 3
    assert history.history["learning_rate"] == [0.05 / (1 + e) for e in range(len(losses))]
    assert model.evaluate(xv, yv)[0] == min(losses)
    for epoch, loss in enumerate(losses):
        assert fr.load(tmp_path / f"m-{epoch + 1}").evaluate(xv, yv)[0] == loss
    assert len((tmp_path / "log.csv").read_text().splitlines()) == len(losses) + 1


def test_the_order_of_calls() -> None:
    calls: list[str] = []

    class Recorder(cb.Callback):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith("on_"):
                calls.append(name[3:])
            return super().__getattribute__(name)

    x, y, _, _ = data(6)
    classifier().fit(x, y, batch_size=3, epochs=2, callbacks=[Recorder()], verbose=0)
    epoch = ["epoch_begin", *2 * ["train_batch_begin", "train_batch_end"], "epoch_end"]
    assert calls == ["train_begin", *epoch, *epoch, "train_end"]


def test_stop_training_stops_after_the_batch() -> None:
    x, y, _, _ = data()
    model, other = classifier(), classifier()
    model.fit(x, y, epochs=5, batch_size=8, callbacks=[StopAfter(3)], verbose=0)
    assert model.steps_done == 3 and model.epochs_done == 0
    other.fit(x, y, epochs=5, batch_size=8, callbacks=[StopAfter(8)], verbose=0)
    assert other.steps_done == 8 and other.epochs_done == 1


def test_no_epochs_are_no_training() -> None:
    x, y, _, _ = data()
    model = classifier()
    before = model.predict(x)
    assert model.fit(x, y, epochs=0, verbose=0).history == {}
    assert_same_bits(model.predict(x), before)


# ---------------------------------------------------------------------- what is not finite


def blow_up(**options: Any) -> Any:
    """A model whose loss overflows at the third batch of eight; x, y; the weights after two batches."""
    x, _, _, _ = data(24, 4)
    y = np.zeros((24, 1), F)
    y[16:] = 1e38

    def make() -> fr.Sequential:
        model = fr.Sequential([fr.LSTM(3), fr.Dense(1)], seed=0)
        model.compile(optimizers.Adam(0.1), "mse")
        return model

    good = make()
    good.fit(x[:16], y[:16], batch_size=8, shuffle=False, verbose=0)
    return make(), x, y, good


def test_a_loss_that_is_not_finite_stops_with_epoch_and_batch() -> None:
    model, x, y, good = blow_up()
    with pytest.raises(fr.NonFiniteError) as caught:
        model.fit(x, y, batch_size=8, shuffle=False, epochs=2, verbose=0)
    assert str(caught.value) == (
        "fit, epoch 1, batch 3: the loss is inf. The weights are those of the last good step. Try a smaller "
        "learning rate, global_clipnorm=1.0 in the optimizer, or look for extreme values in x and y."
    )
    assert_same_bits(model.get_weights(), good.get_weights())
    assert_same_bits(model.optimizer.state(), good.optimizer.state())
    assert model.steps_done == good.steps_done == 2
    with pytest.raises(fr.NonFiniteError, match="train_on_batch: the loss is inf"):
        model.train_on_batch(x[16:], y[16:])


def test_a_gradient_that_is_not_finite_stops_as_well() -> None:
    model = fr.Sequential([fr.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x = np.full((2, 1), 3e38, F)
    model.build((None, 1))
    model.set_weights([np.array([[1e-38]], F), np.zeros(1, F)])
    y = model.predict(x) - np.float32(1e10)
    before = model.get_weights()
    with pytest.raises(fr.NonFiniteError, match="fit, epoch 1, batch 1: the gradient is inf"):
        model.fit(x, y, verbose=0)
    assert_same_bits(model.get_weights(), before)


def test_states_go_back_with_the_step() -> None:
    model = fr.Sequential([fr.LSTM(2, stateful=True), fr.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x = np.ones((2, 3, 1), F)
    model.train_on_batch(x, np.zeros((2, 1), F))
    before = [s.copy() for s in model.layers[0].state]
    with pytest.raises(fr.NonFiniteError):
        model.train_on_batch(x, np.full((2, 1), 3e38, F))
    assert_same_bits(list(model.layers[0].state), before)


def test_terminate_on_nan_ends_quietly() -> None:
    model, x, y, good = blow_up()
    stop = cb.TerminateOnNaN()
    history = model.fit(x, y, batch_size=8, shuffle=False, epochs=4, callbacks=[stop], verbose=0)
    assert stop.stopped_batch == 2 and len(history.history["loss"]) == 1
    assert math.isnan(history.history["loss"][0])  # the mean of the good steps would look like success
    assert_same_bits(model.get_weights(), good.get_weights())


# ---------------------------------------------------------------------- Ctrl-C

INTERRUPTED = """
import sys
import numpy as np
import fastrnn as fr
from fastrnn import callbacks as cb

rng = np.random.default_rng(0)
x = rng.standard_normal((400, 20, 8)).astype("float32")
y = rng.integers(0, 2, 400)

def make():
    model = fr.Sequential([fr.LSTM(64, dropout=0.2), fr.Dense(2, activation="softmax")], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model

class StopAfter(cb.Callback):
    def __init__(self, steps):
        self.left = steps
    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        self.model.stop_training = self.left <= 0

class Ready(cb.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            print("ready", flush=True)

model = make()
try:
    # EarlyStopping looks for val_loss, which an epoch that was broken off does not have.
    model.fit(x, y, epochs=1000, batch_size=4, verbose=0, validation_split=0.1,
              callbacks=[Ready(), cb.EarlyStopping(patience=1000)])
except KeyboardInterrupt:
    steps = model.steps_done
    other = make()
    other.fit(x, y, epochs=1000, batch_size=4, verbose=0, validation_split=0.1, callbacks=[StopAfter(steps)])
    same = all(a.tobytes() == b.tobytes() for a, b in zip(model.get_weights(), other.get_weights()))
    slots = zip(model.optimizer.state().values(), other.optimizer.state().values())
    same = same and all(a.tobytes() == b.tobytes() for a, b in slots)
    epochs = len(model.history.history["loss"])
    print(same, steps == other.steps_done, steps > 1, epochs == -(-steps // 90), flush=True)
    raise
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
@pytest.mark.parametrize("delay", [0.0, 0.013, 0.051])
def test_ctrl_c_leaves_the_model_at_a_whole_step(delay: float) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    time.sleep(delay)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert out.splitlines()[-1] == "True True True True", out + err
    assert child.returncode == -signal.SIGINT and "KeyboardInterrupt" in err


def test_handlers_of_others_are_left_alone_and_ours_is_taken_back() -> None:
    x, y, _, _ = data(4)
    before = signal.getsignal(signal.SIGINT)
    classifier().fit(x, y, verbose=0)
    assert signal.getsignal(signal.SIGINT) is before
    seen = []
    try:
        signal.signal(signal.SIGINT, lambda *_: seen.append(1))
        press = cb.LambdaCallback(on_train_batch_end=lambda *_: signal.raise_signal(signal.SIGINT))
        model = classifier()
        model.fit(x, y, verbose=0, epochs=3, callbacks=[press])
        assert seen == [1, 1, 1] and model.epochs_done == 3
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_ctrl_c_does_not_wait() -> None:
    x, y, _, _ = data(4)
    press = cb.LambdaCallback(
        on_train_batch_begin=lambda *_: [signal.raise_signal(signal.SIGINT) for _ in "12"]
    )
    model = classifier()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0, callbacks=[press])
    assert model.steps_done == 0 and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_fit_in_a_thread_of_its_own() -> None:
    from concurrent.futures import ThreadPoolExecutor

    x, y, _, _ = data(8)
    model, other = classifier(), classifier()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(model.fit, x, y, verbose=0).result()
    other.fit(x, y, verbose=0)
    assert_same_bits(model.get_weights(), other.get_weights())


# ---------------------------------------------------------------------- what is shown


def test_lines_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    x, y, _, _ = data(8)
    for verbose in ("auto", 2):
        classifier().fit(x, y, epochs=3, validation_split=0.25, verbose=verbose)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        for k, line in enumerate(lines, 1):
            words = line.split()
            assert line.startswith(f"epoch {k}/3  loss ") and words[-1] == "s"
            assert words[2::2][:4] == ["loss", "accuracy", "val_loss", "val_accuracy"]
    classifier().fit(x, y, epochs=3, verbose=0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


SHOWN = """
import numpy as np
import fastrnn as fr
model = fr.Sequential([fr.Dense(1)], seed=0)
model.compile("sgd", "mse")
model.fit(np.ones((64, 2), "float32"), np.ones((64, 1), "float32"), epochs=2, batch_size=4)
"""


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
def test_a_bar_on_a_terminal() -> None:
    pytest.importorskip("tqdm")
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-c", SHOWN], stdout=slave, stderr=slave, close_fds=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert child.wait(timeout=60) == 0
    text = shown.decode()
    assert "epoch 1/2:" in text and "/16 [" in text and "%" in text and "\r" in text
    assert "epoch 1/2  loss " in text and "epoch 2/2  loss " in text


def test_lines_where_tqdm_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    x, y, _, _ = data(8)
    classifier().fit(x, y, verbose=1)
    assert capsys.readouterr().out.startswith("epoch 1/1  loss ")


# ---------------------------------------------------------------------- messages

X, Y, STEPS, LENGTHS = data(8)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "fit: epochs must be a whole number of at least 0, got -1."),
        ({"epochs": 1.0}, ValueError, "fit: epochs must be a whole number of at least 0, got 1.0."),
        ({"epochs": True}, ValueError, "fit: epochs must be a whole number of at least 0, got True."),
        ({"batch_size": 0}, ValueError, "fit: batch_size must be a whole number of at least 1, got 0."),
        ({"batch_size": "8"}, ValueError, "fit: batch_size must be a whole number of at least 1, got '8'."),
        ({"verbose": 3}, ValueError, "fit: verbose must be \"auto\", 0, 1 or 2, got 3."),
        ({"verbose": "yes"}, ValueError, "fit: verbose must be \"auto\", 0, 1 or 2, got 'yes'."),
        ({"validation_split": 1.0}, ValueError, "fit: validation_split must be a number in [0, 1), got 1.0."),
        ({"validation_split": -0.1}, ValueError,
         "fit: validation_split must be a number in [0, 1), got -0.1."),
        ({"validation_split": "half"}, ValueError,
         "fit: validation_split must be a number in [0, 1), got 'half'."),
        ({"validation_split": 0.01}, ValueError,
         "fit: validation_split must be a share that leaves examples on both sides of 8, got 0.01."),
        ({"validation_split": 0.99}, ValueError,
         "a share that leaves examples on both sides of 8, got 0.99."),
        ({"validation_data": (X,)}, ValueError,
         "fit: validation_data must be (x, y) or (x, y, sample_weight), got"),
        ({"validation_data": X}, ValueError,
         "fit: validation_data must be (x, y) or (x, y, sample_weight), got"),
        ({"validation_data": (X, Y, None, None)}, ValueError, "fit: validation_data must be (x, y) or"),
        ({"validation_data": (X[..., :2], Y)}, fr.ShapeError,
         "fit (validation): x must be [B, T, 3] = [*, *, 3] float32, got [8, 9, 2]."),
        ({"validation_data": (X, Y[:3])}, fr.ShapeError,
         "fit (validation): y must be 8 examples, as many as x, got 3."),
        ({"callbacks": [print]}, TypeError,
         "fit: callbacks must be a list of fastrnn.callbacks.Callback, got <built-in"),
        ({"y": None}, ValueError,
         "fit: y is missing. For an autoencoder give y=x, or use fastrnn.Autoencoder."),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "fit: there is nothing to train on: x has no examples."),
        ({"y": STEPS}, fr.ShapeError, "fit, epoch 1, batch 1: y must be"),
    ],
)  # fmt: skip
def test_messages(options: dict[str, Any], error: type[Exception], message: str) -> None:
    model = classifier()
    with pytest.raises(error) as caught:
        model.fit(**{"x": X, "y": Y, "verbose": 0, **options})
    assert message in str(caught.value) and type(caught.value) is error
    assert model.steps_done == 0


def test_weights_a_step_stand_beside_their_steps_under_a_mask_with_holes() -> None:
    """sample_weight [B, T] is indexed by the caller's time, not by the packed step."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((4, 7, 2))
    y = rng.standard_normal((4, 7, 1))
    mask = rng.random((4, 7)) < 0.6
    mask[0, :3] = False  # left padding
    weight = rng.random((4, 7))
    model = fr.Sequential([fr.RNN(3, return_sequences=True), fr.Dense(1)], seed=0, dtype="float64")
    model.compile("sgd", "mse")
    found = model.evaluate(x, y, mask=mask, sample_weight=weight)
    difference = (model.predict(x, mask=mask) - y)[..., 0] ** 2
    assert found == pytest.approx((difference * weight)[mask].sum() / mask.sum(), rel=1e-12)


def test_ctrl_c_waits_for_the_end_of_train_on_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is finished, then KeyboardInterrupt comes; the handler is Python's own again."""
    x, y = np.ones((4, 3, 2), "float32"), np.ones((4, 1), "float32")
    model = fr.Sequential([fr.LSTM(3), fr.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.train_on_batch(x, y)
    update = model.optimizer.update

    def pressed(*args: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return update(*args)

    monkeypatch.setattr(model.optimizer, "update", pressed)
    with pytest.raises(KeyboardInterrupt):
        model.train_on_batch(x, y)
    assert model.steps_done == model.optimizer.iterations == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
