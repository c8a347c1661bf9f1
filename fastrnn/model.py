"""The model: layers in a row, with the batch-first door and the arguments Keras users know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import checkpoints, drawing, losses, optimizers, prediction, serialization, training, truncated
from .backends import get_backend
from .batches import Inputs, Targets, shape_of
from .errors import DtypeError, ShapeError, check_dtype, sentence
from .explain import Explanation, explain
from .layers import Input, Layer, Noise, Shape
from .layers.base import check_units
from .layers.noise import seed_of
from .metrics import Metric
from .metrics import get as get_metric
from .packed import Packed
from .streaming import Stream
from .summary import table
from .threads import single_threaded_blas


class Sequential:
    """Layers in a row.

    Parameters
    ----------
    layers : list of layers; it is built at the first data, or at once where the first is `Input`
    seed : int, `numpy.random.Generator` or None (from the operating system).  Weights, shuffling and dropout
        follow from it alone: the same seed gives the same bits for any number of threads
    dtype : "float32" or "float64", of weights and data
    backend : "cpu", "reference" or "cupy"; None takes the one chosen by `use_backend`

    >>> import numpy as np, fastrnn as fr
    >>> x = np.random.default_rng(0).standard_normal((64, 10, 3)).astype("float32")
    >>> y = (x.sum(axis=(1, 2)) > 0).astype("int64")
    >>> model = fr.Sequential([fr.LSTM(8), fr.Dense(2, activation="softmax")], seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = model.fit(x, y, epochs=3, batch_size=16, verbose=0)
    >>> len(history.history["loss"])
    3
    >>> model.predict(x[:2]).shape
    (2, 2)
    """

    kind = "Sequential"

    def __init__(
        self,
        layers: Iterable[Layer] = (),
        *,
        seed: int | np.random.Generator | None = None,
        dtype: Any = "float32",
        backend: str | None = None,
    ) -> None:
        self.backend = get_backend(backend)
        self.dtype = check_dtype("Sequential", dtype)
        self.seed = seed_of(seed)
        self.layers: list[Layer] = []
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.metrics: list[Metric] = []
        self.epochs_done = 0
        self.steps_done = 0
        self.stop_training = False
        self.history: Any = None
        self.proof: Any = None  # what an import has shown, see `fastrnn.proof`
        for layer in layers:
            self.add(layer)

    def add(self, layer: Layer) -> None:
        """Append a layer; the model must not be built yet."""
        if not isinstance(layer, Layer):
            raise TypeError(sentence("Sequential", "layer", "a layer such as LSTM(64)", layer))
        if self.built and not isinstance(self.layers[0], Input):
            raise RuntimeError("Sequential: add every layer before the model is built.")
        present = {id(one) for other in self.layers for one in other.whole()}
        if any(id(one) in present or one.built for one in layer.whole()):
            raise ValueError(f"Sequential: {layer} is in a model already; make a second one.")
        if isinstance(layer, Input) and self.layers:
            raise ValueError("Sequential: Input must be the first layer.")
        taken = {other.name for other in self.layers}
        base, k = layer.name, 1
        while layer.name in taken:
            layer.name, k = f"{base}_{k}", k + 1
        self.layers.append(layer)
        if isinstance(self.layers[0], Input):
            # Built as it comes, so that an error names the line that is wrong; then it is not added.
            try:
                self.build(self.layers[0].declared)
            except BaseException:
                self.layers.pop()
                raise

    # -- building ---------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        return bool(self.layers) and all(layer.built for layer in self.layers)

    def _build_layer(self, layer: Layer, shape: Shape) -> None:
        index = self.layers.index(layer)
        previous = self.layers[index - 1] if index else None
        if previous is not None and getattr(previous, "return_state", False):
            raise ValueError(f"{previous}: return_state is for the last layer of a model.")
        layer.index = 16 * index  # leaves room for the layers inside
        # Each layer draws from a stream of its own: adding a layer does not change those before it.
        with single_threaded_blas():
            layer.build(shape, np.random.default_rng([self.seed, index]), self.dtype, self.backend)

    def build(self, shape: Shape | Sequence[Any]) -> None:
        """Make the weights.

        shape : as Keras, with the batch first: (None, F), (None, T or None, F), or for ids (None, T or None),
            and k behind it for a layer that takes ids [B, T, k]
        """
        if not self.layers:
            raise ValueError("Sequential: a model needs at least one layer.")
        if not isinstance(shape, Shape):
            shape = shape_of("Sequential.build", shape, self.layers[0])
        fresh = [layer for layer in self.layers if not layer.built]
        try:
            for layer in self.layers:
                if not layer.built:
                    self._build_layer(layer, shape)
                assert layer.out_shape is not None
                shape = layer.out_shape
        except BaseException:
            for layer in fresh:  # half a model would take the wrong shape for the one it was made for
                layer.forget()
            raise

    def inputs(
        self, owner: str, x: Any, lengths: Any = None, mask: Any = None, initial_state: Any = None,
        reads: bool = True,
    ) -> Inputs:  # fmt: skip
        """x behind the door: checked, on the backend; builds the model where it is not built.

        reads : False leaves the values unread: whoever takes them has to check them
        """
        if not self.layers:
            raise ValueError("Sequential: a model needs at least one layer.")
        expected = self.layers[0].in_shape
        first = self.layers[0]
        ids = first.declared.ids if isinstance(first, Input) else first.takes_ids
        if ids and expected is None:
            expected = Shape(first.id_features, True, ids=True)
        inputs = Inputs(owner, x, expected, ids, self.dtype, self.backend, lengths, mask, reads)
        if not self.built:
            assert inputs.shape is not None
            self.build(inputs.shape)
        if initial_state is not None:
            inputs.begin(self.layers, initial_state)
        return inputs

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Sequence[Any] = (),
    ) -> None:
        """Say how to train: an optimizer, a loss and metrics, by name or as objects."""
        if loss is None:
            expected = "a loss, for example 'mse' or 'sparse_categorical_crossentropy'"
            raise ValueError(sentence("Sequential.compile", "loss", expected, None))
        if not isinstance(metrics, (list, tuple)):
            expected = 'a list, for example ["accuracy"]'
            raise TypeError(sentence("Sequential.compile", "metrics", expected, metrics))
        self.optimizer = optimizers.get(optimizer)
        self.loss = losses.get(loss)
        self.metrics = [get_metric(m, self.loss) for m in metrics]

    # -- one batch through all layers -------------------------------------------------------------

    @property
    def fused(self) -> bool:
        """Whether the loss contains the last layer's activation."""
        wanted = getattr(self.loss, "fuses", None)
        return wanted is not None and getattr(self.layers[-1], "activation", None) == wanted

    @property
    def fixed_steps(self) -> int | None:
        """The number of output steps where the model sets it, None where they are those of x."""
        return prediction.fixed_steps(self.layers)

    def run(
        self, x: Packed, noise: Noise | None = None, logits: bool = False, tail: bool = True,
        states: Any = None,
    ) -> tuple[Packed, list[Any]]:  # fmt: skip
        """The output, or without `tail` the last layer's input, and the caches (None in inference).

        states : layer name -> its states [B, H] before the first step, in packed order; see `Inputs.states`
        """
        caches = []
        for layer in self.layers if tail else self.layers[:-1]:
            options: dict[str, Any] = {"logits": True} if logits and layer is self.layers[-1] else {}
            if states and layer.name in states:
                options["state"] = states[layer.name]
            x, cache = layer.forward(x, noise, **options)
            caches.append(cache)
        return x, caches

    def backward(self, caches: list[Any], dy: Any) -> None:
        """Gradients of all parameters from that of the output rows of the last layer that has a cache."""
        for layer, cache in zip(reversed(self.layers[: len(caches)]), reversed(caches), strict=True):
            if dy is None:
                return
            dy = layer.backward(cache, dy)

    # -- training and use ---------------------------------------------------------------------------

    def fit(
        self, x: Any, y: Any = None, *, bptt: int | None = None, memory_budget: int | str | None = None,
        **options: Any,
    ) -> Any:  # fmt: skip
        """Train.

        Parameters
        ----------
        x : [B, F], [B, T, F], ids [B, T], or a list of arrays [T_b, F] or [T_b] (ragged)
        y : targets: one a sequence, or one a step ([B, T, ...] or a list like x)
        epochs, batch_size : 1, 32
        validation_data : (x, y) or (x, y, sample_weight)
        validation_split : share of the last examples to validate on, taken before shuffling
        shuffle : True
        bucketing : put sequences of similar length into the same batch
        sample_weight : [B], or [B, T] for targets a step
        class_weight : {class id: weight}
        lengths, mask : int [B] or bool [B, T], for padded x
        initial_state : as in `predict`
        bptt : train on windows of so many steps, for very long sequences; see `fastrnn.truncated.fit`
        memory_budget : bytes, or text such as "200MB", for what back-propagation keeps of a batch: the same
            gradients with less memory, at most a third slower; see `fastrnn.checkpoints`
        callbacks : list of `fastrnn.callbacks.Callback`
        verbose : "auto" (a bar on a terminal, else one line an epoch), 0, 1 (bar) or 2 (lines)

        Returns
        -------
        History, with `.history`: name -> list of values, one an epoch

        Raises
        ------
        NonFiniteError : the loss became NaN or infinite; names epoch and batch.  The weights are those of the
            last good step
        KeyboardInterrupt : Ctrl-C; the model is at its last whole step and `model.history` up to date
        """
        self._check_compiled("fit")
        gradients = checkpoints.within("fit", self, memory_budget, bptt)
        if bptt is not None:
            return truncated.fit(self, x, y, bptt=bptt, **options)
        return training.fit(self, x, y, gradients=gradients, **options)

    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, lengths: Any = None,
        mask: Any = None, initial_state: Any = None, memory_budget: int | str | None = None,
    ) -> float:  # fmt: skip
        """One step on one batch; returns the loss.  The arguments are those of `fit`."""
        self._check_compiled("train_on_batch")
        gradients = checkpoints.within("train_on_batch", self, memory_budget)
        inputs = self.inputs("train_on_batch", x, lengths, mask, initial_state)
        targets = Targets("train_on_batch", y, inputs, sample_weight, class_weight)
        index = np.arange(len(inputs))
        with training.whole_steps():
            return training.step(self, inputs, targets, index, "train_on_batch", gradients).loss

    def evaluate(
        self, x: Any, y: Any, *, batch_size: int = 128, sample_weight: Any = None, lengths: Any = None,
        mask: Any = None, initial_state: Any = None, return_dict: bool = False, window: int | None = None,
    ) -> Any:  # fmt: skip
        """The loss, or [loss, *metrics] where there are metrics, or a dict where return_dict.

        window : run in windows of so many steps, as in `predict`
        """
        self._check_compiled("evaluate")
        size = check_units("evaluate", "batch_size", batch_size)
        if window is not None:
            logs = truncated.evaluate(self, x, y, window, size, sample_weight, lengths, mask, initial_state)
        else:
            inputs = self.inputs("evaluate", x, lengths, mask, initial_state)
            targets = Targets("evaluate", y, inputs, sample_weight)
            logs = training.evaluate(self, inputs, targets, size, np.arange(len(inputs)))
        if return_dict:
            return logs
        return list(logs.values()) if self.metrics else logs["loss"]

    def predict(
        self, x: Any, *, batch_size: int = 128, lengths: Any = None, mask: Any = None,
        initial_state: Any = None, window: int | None = None,
    ) -> Any:  # fmt: skip
        """Outputs for x, NumPy (CuPy under the cupy backend).

        A list comes back for ragged x where the model gives every step, else an array; padding is zero.
        Where the last layer has return_state: (y, *states).

        initial_state : states [B, H] before the first step, for each layer that shall not begin at its own:
            {layer name: (h, c)} (h alone where there is one, (h, c, h, c) for both directions); or, where the
            model has one recurrent layer, its states alone
        window : run in windows of so many steps: the same bits with the memory of one window and the outputs,
            from memory maps too
        """
        size = check_units("predict", "batch_size", batch_size)
        if window is not None:
            return prediction.in_windows(self, x, window, size, lengths, mask, initial_state)
        inputs = self.inputs("predict", x, lengths, mask, initial_state)
        return prediction.outputs(self, inputs, range(len(self.layers)), size)

    def stream(self, batch_size: int = 1) -> Stream:
        """The model one time step at a time, with constant memory; see `fastrnn.streaming.Stream`."""
        self._check_built("stream")
        return Stream(self, batch_size)

    def reset_states(self) -> None:
        """Forget the states of stateful layers."""
        for layer in self.layers:
            layer.reset_states()

    def _check_compiled(self, what: str) -> None:
        if self.optimizer is None:
            raise RuntimeError(f"Sequential.{what}: call compile(optimizer, loss) first.")

    # -- weights and files --------------------------------------------------------------------------

    def named_params(self) -> dict[str, Any]:
        """``"<layer>/<parameter>" -> array``, the live arrays; read-only outside `writing`."""
        self._check_built("named_params")
        return {f"{layer.name}/{k}": v for layer in self.layers for k, v in layer.named_params().items()}

    @contextmanager
    def writing(self) -> Iterator[dict[str, Any]]:
        """Inside this block the arrays of `named_params` can be written; after it they count as new."""
        weights = [layer.params for outer in self.layers for layer in outer.whole()]
        try:
            for one in weights:
                one.unlock()
            yield self.named_params()
        finally:
            for one in weights:
                one.lock()

    def named_grads(self) -> dict[str, Any]:
        """Gradients of the last step under the names of `named_params`."""
        return {f"{layer.name}/{k}": v for layer in self.layers for k, v in layer.named_grads().items()}

    def _check_built(self, what: str) -> None:
        if not self.built:
            raise RuntimeError(
                f"Sequential.{what}: the model has no weights yet. Put Input(...) first, call "
                "build(shape), or give it data."
            )

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all parameters, NumPy, layer by layer."""
        return [np.array(self.backend.to_numpy(p)) for p in self.named_params().values()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all parameters, in the order of `get_weights`; shapes and dtypes must match."""
        params = self.named_params()
        if len(weights) != len(params):
            raise ValueError(sentence("set_weights", "weights", f"{len(params)} arrays", str(len(weights))))
        for (name, p), w in zip(params.items(), weights, strict=True):
            if getattr(w, "dtype", None) != p.dtype:
                raise DtypeError(sentence("set_weights", name, f"{list(p.shape)} {p.dtype}", w))
            if w.shape != p.shape:
                raise ShapeError(sentence("set_weights", name, f"{list(p.shape)} {p.dtype}", w))
        with self.writing():
            for p, w in zip(params.values(), weights, strict=True):
                p[...] = self.backend.asarray(w)

    def count_params(self) -> int:
        """How many numbers the model learns."""
        return sum(int(p.size) for p in self.named_params().values())

    def save(self, path: Any) -> None:
        """Write the model, its optimizer's state and its random state to one file, atomically.

        A training that goes on from the file gives the same bits as one that was never interrupted.
        """
        self._check_built("save")
        serialization.save(path, self)

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print layers, output shapes, parameters, bytes and FLOPs of a time step (or row)."""
        self._check_built("summary")
        for line in table(self):
            print_fn(line)

    def explain(self, T: int, B: int, training: bool = True, threads: int | None = None) -> Explanation:
        """What a batch of B sequences of T steps will need: memory, FLOPs, threads, kernels.

        training : a training step, with the loss and optimizer of `compile`; else `predict`
        threads : the most to use; None takes what a call now would

        >>> import fastrnn as fr
        >>> model = fr.Sequential([fr.Input((None, 8)), fr.LSTM(32), fr.Dense(1)], seed=0)
        >>> model.compile("adam", "mse")
        >>> model.explain(T=1000, B=16).forward_flops
        167937040
        """
        self._check_built("explain")
        return explain(self, T, B, training, threads)

    def draw(self, path: Any) -> None:
        """Write a drawing of the layers to an SVG file, which every browser shows."""
        self._check_built("draw")
        drawing.write(self, path)

    def __repr__(self) -> str:
        return f"Sequential([{', '.join(map(repr, self.layers))}])"
