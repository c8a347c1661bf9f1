"""Callbacks, driven by hand through a model that only counts."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from fastrnn import callbacks as cb
from fastrnn.optimizers import SGD


class Model:
    """Its weights are the number of the epoch; saving writes the path down."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = SGD(1.0)
        self.weights = -1
        self.saved = []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path):
        self.saved.append(path)


def train(callback, values, name="val_loss", batches=1, **more):
    """Epochs whose logs hold `values`; returns the model and the logs."""
    model, logs = Model(), []
    callback.set_model(model)
    callback.on_train_begin({})
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        for batch in range(batches):
            callback.on_train_batch_begin(batch, {})
            callback.on_train_batch_end(batch, {"loss": value})
        model.weights = epoch
        logs.append({"loss": 0.5, name: value, **more})
        callback.on_epoch_end(epoch, logs[-1])
        if model.stop_training:
            break
    callback.on_train_end({})
    return model, logs


def test_the_base_does_nothing():
    model, _ = train(cb.Callback(), [1.0, 2.0])
    assert not model.stop_training


def test_history():
    history = cb.History()
    for _ in range(2):  # a second training starts again
        train(history, [3.0, 2.0])
        assert history.history == {"loss": [0.5, 0.5], "val_loss": [3.0, 2.0]}
        assert history.epoch == [0, 1]


@pytest.mark.parametrize(("values", "options", "last", "best"), [
    ([3, 2, 2.5, 2.4, 1], {"patience": 2}, 3, 1),
    ([3, 2, 2.5], {}, 2, 1),
    ([3, 2, 1, 0.5], {"patience": 1}, None, 3),
    ([3, 2.95, 2.9, 2.85], {"patience": 2, "min_delta": 0.5}, 2, 0),
    ([3, 2, 1, 1], {"patience": 2, "baseline": 0.5}, 1, 1),
    ([1, 2, 3, 4, 5], {"patience": 1, "start_from_epoch": 2}, 3, 2),
    ([3], {"baseline": 0.5}, None, 0),  # the first epoch alone never stops
    ([math.nan, 2, math.nan, 1], {"patience": 3}, None, 3),
    ([math.nan, math.nan, math.nan], {"patience": 2}, 1, None),
    ([0.1, 0.2, 0.15], {"monitor": "val_accuracy"}, 2, 1),
    ([0.1, 0.2, 0.15], {"monitor": "f1", "mode": "max"}, 2, 1),
])
def test_early_stopping(values, options, last, best):
    stop = cb.EarlyStopping(restore_best_weights=True, **options)
    for _ in range(2):  # a second training starts again
        model, logs = train(stop, values, options.get("monitor", "val_loss"))
        assert stop.stopped_epoch == last and stop.best_epoch == best
        assert model.stop_training is (last is not None)
        assert len(logs) == (len(values) if last is None else last + 1)
        assert model.weights == (len(logs) - 1 if best is None else best)


def test_early_stopping_keeps_the_last_weights_by_default():
    model, _ = train(cb.EarlyStopping(), [1, 2])
    assert model.weights == 1


def test_checkpoint_paths(tmp_path):
    pattern = str(tmp_path / "new" / "m-{epoch:02d}-{val_loss:.3f}")
    model, _ = train(cb.ModelCheckpoint(pattern), [3, 2, 2.5])
    assert model.saved == [str(tmp_path / "new" / f"m-{e}")
                           for e in ("01-3.000", "02-2.000", "03-2.500")]
    assert (tmp_path / "new").is_dir()


def test_checkpoint_best_and_batches(tmp_path):
    path = tmp_path / "m-{epoch}"
    best = cb.ModelCheckpoint(path, save_best_only=True)
    model, _ = train(best, [3, 2, 2.5, math.nan, 1])
    assert model.saved == [str(tmp_path / f"m-{e}") for e in (1, 2, 5)]
    every = cb.ModelCheckpoint(tmp_path / "m-{epoch}-{batch}", save_freq=2)
    model, _ = train(every, [1, 1], batches=3)
    assert model.saved == [str(tmp_path / f"m-{e}") for e in ("1-2", "2-1", "2-3")]
    plain = cb.ModelCheckpoint(tmp_path / "m", monitor="anything")  # nothing is compared
    assert train(plain, [1])[0].saved == [str(tmp_path / "m")]


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    train(cb.CSVLogger(path, separator=";"), [3.5, 2.5])
    assert path.read_text() == "epoch;loss;val_loss\n0;0.5;3.5\n1;0.5;2.5\n"
    train(cb.CSVLogger(path), [3.5])
    assert path.read_text() == "epoch,loss,val_loss\n0,0.5,3.5\n"
    logger = cb.CSVLogger(path, append=True)
    train(logger, [1.5])
    logger.on_epoch_end(1, {"loss": 0.25})
    assert path.read_text().endswith("3.5\n0,0.5,1.5\n1,0.25,NA\n")
    with pytest.raises(ValueError, match="the columns epoch, loss, val_loss, got also mae"):
        train(cb.CSVLogger(path, append=True), [1.5], mae=0.1)
    with pytest.raises(OSError):
        train(cb.CSVLogger(tmp_path / "missing" / "log.csv"), [])
    new = tmp_path / "new.csv"
    train(cb.CSVLogger(new, append=True), [1.5])
    assert new.read_text() == "epoch,loss,val_loss\n0,0.5,1.5\n"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_terminate_on_nan(bad):
    terminate = cb.TerminateOnNaN()
    assert terminate.catches_non_finite
    model, logs = train(terminate, [1.0, bad, 1.0])
    assert model.stop_training and len(logs) == 2 and terminate.stopped_batch == 0
    assert not train(terminate, [1.0])[0].stop_training
    assert terminate.stopped_batch is None


def test_learning_rate_scheduler():
    model, logs = train(cb.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1)), [1, 1])
    assert model.optimizer.learning_rate == 0.25
    assert [row["learning_rate"] for row in logs] == [0.5, 0.25]
    model, _ = train(cb.LearningRateScheduler(lambda epoch, lr: lr / 2), [1, 1, 1])
    assert model.optimizer.learning_rate == 0.125


def test_reduce_on_plateau():
    reduce = cb.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.2)
    model, logs = train(reduce, [3, 2, 2, 2, 2, 2, 2, 2, 2])
    # Epochs 2 and 3 wait; 4 rests (and is counted, as in Keras), 5 waits.
    assert [row["learning_rate"] for row in logs] == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2]
    assert model.optimizer.learning_rate == 0.2
    _, logs = train(cb.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=3), [3] + 8 * [2])
    assert [row["learning_rate"] for row in logs] == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]
    model, _ = train(cb.ReduceLROnPlateau(patience=1), [3, 2, 1])
    assert model.optimizer.learning_rate == 1.0


def test_lambda():
    seen = []
    callback = cb.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, logs)),
                                 on_train_begin=lambda logs: seen.append("begin"))
    train(callback, [3])
    assert seen == ["begin", (0, {"loss": 0.5, "val_loss": 3})]


@pytest.mark.parametrize(("mode", "monitor"), [
    ("min", "loss"), ("min", "val_loss"), ("min", "val_mae"), ("min", "perplexity"),
    ("min", "mean_squared_error"), ("max", "acc"), ("max", "val_binary_accuracy"),
    ("max", "val_auroc"),
])
def test_auto_mode(mode, monitor):
    assert cb.EarlyStopping(monitor).mode == mode


@pytest.mark.parametrize("make", [cb.EarlyStopping, cb.ReduceLROnPlateau,
                                  lambda m: cb.ModelCheckpoint("m", m, save_best_only=True)])
def test_a_monitored_name_that_is_not_there(make):
    for name, advice in (("val_loss", "Give fit validation_data or validation_split."),
                         ("accuracy", "Add it to compile")):
        callback = make(name)
        callback.set_model(SimpleNamespace(optimizer=SGD()))
        with pytest.raises(ValueError) as caught:
            callback.on_epoch_end(0, {"loss": 1.0, "mae": 2.0})
        owner = type(callback).__name__
        said = f"{owner}: monitor must be one of loss, mae, got {name!r}. {advice}"
        assert said in str(caught.value)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: cb.EarlyStopping(mode="best"), ValueError,
     "EarlyStopping: mode must be 'auto', 'min' or 'max', got 'best'"),
    (lambda: cb.EarlyStopping("f1"), ValueError,
     "mode must be 'min' or 'max' for monitor='f1', got 'auto'. Say whether smaller or larger"),
    (lambda: cb.EarlyStopping(patience=-1), ValueError, "patience must be a number in [0, inf)"),
    (lambda: cb.ModelCheckpoint("m", save_freq="batch"), ValueError,
     "save_freq must be 'epoch' or a number of batches, got 'batch'"),
    (lambda: cb.ModelCheckpoint("m", save_freq=0), ValueError, "got 0"),
    (lambda: train(cb.ModelCheckpoint("m-{acc}"), [1]), ValueError,
     "ModelCheckpoint: filepath must be formatted with loss, val_loss, epoch, got 'm-{acc}'"),
    (lambda: cb.LearningRateScheduler(0.1), TypeError, "schedule must be a function of the epoch"),
    (lambda: train(cb.LearningRateScheduler(lambda epoch: None), [1]), ValueError,
     "the result of schedule must be a number in [0, inf), got None"),
    (lambda: cb.ReduceLROnPlateau(factor=1.5), ValueError, "factor must be a number in (0, 1)"),
    (lambda: cb.ReduceLROnPlateau(min_lr=-1), ValueError, "min_lr must be"),
    (lambda: cb.LambdaCallback(on_epoch=print), TypeError, "on_epoch_end, on_train_batch_begin"),
])
def test_messages(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
