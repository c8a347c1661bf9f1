"""PyTorch's models in and out.  Its own numbers where it is installed; files and errors without it, too.

FASTRNN_THOROUGH=1 tries ten times as many damaged files.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import hostile_safetensors
import hostile_torch
import numpy as np
import pytest

import fastrnn as fr
from fastrnn.interop import from_torch, to_torch_state_dict
from fastrnn.interop.torch_files import read_file
from fastrnn.layers import Noise
from fastrnn.proof import Example
from fastrnn.tensors import read_tensors

# PyTorch says so on its way to the numbers.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
THOROUGH = os.environ.get("FASTRNN_THOROUGH") == "1"


@pytest.fixture(scope="module")
def torch() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, on import
        module = pytest.importorskip("torch")
    module.set_num_threads(1)
    return module


def net(torch: Any, front: Any, recurrence: Any, back: Any, every: bool = True) -> Any:
    """A module as people write it: something, a recurrence, something."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.front, self.recurrence, self.back = front, recurrence, back

        def forward(self, x: Any) -> Any:
            y, _ = self.recurrence(x if self.front is None else self.front(x))
            y = y if every else y[:, -1]
            return y if self.back is None else self.back(y)

    return Net()


def random_module(torch: Any, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    """(module, an x for it)."""
    nn = torch.nn
    kind = str(rng.choice(["RNN", "LSTM", "GRU"]))
    I, H, F = (int(n) for n in rng.integers(1, 9, 3))
    B, T = (int(n) for n in rng.integers(1, 6, 2))
    options: dict[str, Any] = {
        "num_layers": int(rng.integers(1, 4)), "bidirectional": bool(rng.integers(2)),
        "bias": bool(rng.integers(4)), "batch_first": True,
    }  # fmt: skip
    if kind == "RNN":
        options["nonlinearity"] = str(rng.choice(["tanh", "relu"]))
    if kind == "LSTM" and H > 1 and rng.integers(2):
        options["proj_size"] = int(rng.integers(1, H))
    front, back, every = (
        str(rng.choice(["", "Embedding", "Linear"])),
        bool(rng.integers(2)),
        bool(rng.integers(2)),
    )
    recurrence = getattr(nn, kind)(F if front else I, H, **options)
    width = (options.get("proj_size") or H) * (1 + options["bidirectional"])
    first = nn.Embedding(I + 1, F) if front == "Embedding" else nn.Linear(I, F) if front else None
    last = nn.Linear(width, F, bias=bool(rng.integers(2))) if back else None
    module = net(torch, first, recurrence, last, every).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(0.6 * rng.standard_normal(tuple(parameter.shape))))
    x = rng.integers(0, I + 1, (B, T)) if front == "Embedding" else rng.standard_normal((B, T, I))
    return module, x


def gradients(model: fr.Sequential, x: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Of the sum of outputs times `weights`, batch first."""
    batch = model.inputs("test", x).batch(np.arange(len(x)))
    for layer in model.layers:
        layer.clear_grads()
    out, caches = model.run(batch, Noise.of(0, 0))
    rows = weights.swapaxes(0, 1).reshape(-1, weights.shape[-1]) if out.sequence else weights
    model.backward(caches, np.ascontiguousarray(rows))
    return model.named_grads()


def compare_gradients(model: fr.Sequential, grads: dict[str, np.ndarray], module: Any) -> None:
    """Every gradient of PyTorch with ours; both biases of RNN and LSTM have that of the one here."""
    used = set()

    def close(name: str, torch_name: str) -> None:
        used.add(torch_name)
        if torch_name in wanted:  # a module without bias has no gradient of it
            scale = max(1.0, float(np.abs(wanted[torch_name]).max(initial=0)))
            assert grads[name].shape == wanted[torch_name].shape, name
            assert float(np.abs(grads[name] - wanted[torch_name]).max(initial=0)) <= 1e-10 * scale, name

    wanted = {name: p.grad.numpy() for name, p in module.named_parameters()}
    k = 0
    for layer in model.layers:
        if isinstance(layer, (fr.Dense, fr.Embedding)):
            for own, there in (("W", "weight"), ("b", "bias"))[: len(layer.params)]:
                close(f"{layer.name}/{own}", f"{layer.name}.{there}")
            continue
        if not layer.named_params():
            continue
        ways = {"forward.": "", "backward.": "_reverse"} if isinstance(layer, fr.Bidirectional) else {"": ""}
        for way, end in ways.items():
            names = {"W_ih": ["weight_ih"], "W_hh": ["weight_hh"], "W_hr": ["weight_hr"], "b_ih": ["bias_ih"]}
            names |= {"b_hh": ["bias_hh"], "b": ["bias_ih", "bias_hh"]}
            for own in (key.removeprefix(way) for key in layer.named_params() if key.startswith(way)):
                for there in names[own]:
                    close(f"{layer.name}/{way}{own}", f"recurrence.{there}_l{k}{end}")
        k += 1
    assert used >= wanted.keys()


@pytest.mark.parametrize("seed", range(300))
def test_random_modules(torch: Any, seed: int) -> None:
    """Outputs, every gradient, and ours -> PyTorch -> ours, bit by bit."""
    rng = np.random.default_rng(seed)
    module, x = random_module(torch, rng)
    model = from_torch(module)
    assert model.dtype == np.float64 and model.proof.reference == "given outputs"
    assert model.proof.difference <= 1e-10
    y = module(torch.from_numpy(x))
    weights = rng.standard_normal(tuple(y.shape))
    (y * torch.from_numpy(weights)).sum().backward()
    np.testing.assert_allclose(model.predict(x), y.detach().numpy(), rtol=0, atol=1e-10)
    compare_gradients(model, gradients(model, x, weights), module)

    state = to_torch_state_dict(model)
    there = rebuilt(torch, model, state)
    again = from_torch(there, fresh(model), example=(x, model.predict(x)))
    assert same_bits(model, again)
    assert (again.predict(x) == model.predict(x)).all()
    assert again.proof.difference == 0


def fresh(model: fr.Sequential) -> list[Any]:
    """The layers of a model, not built."""
    return [type(layer).from_config(described(layer)) for layer in model.layers]


def described(layer: Any) -> dict[str, Any]:
    config = layer.config()
    if isinstance(layer, fr.Bidirectional):
        config["layer"] = type(layer.forward_layer).from_config(layer.forward_layer.config())
        if config.get("backward_layer"):
            config["backward_layer"] = type(layer.backward_layer).from_config(layer.backward_layer.config())
    return config


def same_bits(one: fr.Sequential, two: fr.Sequential) -> bool:
    pairs = zip(one.get_weights(), two.get_weights(), strict=True)
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


def rebuilt(torch: Any, model: fr.Sequential, state: dict[str, np.ndarray]) -> dict[str, Any]:
    """The state dict after PyTorch's own modules, one for each layer, have loaded it, strictly."""
    found = {}
    for layer in model.layers:
        prefix = f"{layer.name}."
        own = {k.removeprefix(prefix): torch.from_numpy(v) for k, v in state.items() if k.startswith(prefix)}
        if not own:
            continue
        if isinstance(layer, fr.Embedding):
            module = torch.nn.Embedding(layer.input_dim, layer.output_dim)
        elif isinstance(layer, fr.Dense):
            module = torch.nn.Linear(layer.in_shape.width, layer.units)
        else:
            both = isinstance(layer, fr.Bidirectional)
            inner = layer.forward_layer if both else layer
            kind = "RNN" if inner.cell.name.startswith("rnn") else inner.cell.name.partition("_")[0].upper()
            options = {"proj_size": inner.cell.output} if inner.cell.output else {}
            module = getattr(torch.nn, kind)(layer.in_shape.width, inner.units, bidirectional=both, **options)
        module.double().load_state_dict(own)
        found.update({f"{prefix}{k}": v for k, v in module.state_dict().items()})
    assert found.keys() == state.keys()
    return found


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_recurrence_alone_gives_its_states(
    torch: Any, kind: str, batch_first: bool, bidirectional: bool
) -> None:
    module = getattr(torch.nn, kind)(
        3, 4, num_layers=2, batch_first=batch_first, bidirectional=bidirectional
    ).double()  # fmt: skip
    model = from_torch(module)
    x = np.random.default_rng(0).standard_normal((5, 6, 3))
    found = model.predict(x)
    with torch.no_grad():
        y, states = module(torch.from_numpy(x if batch_first else x.swapaxes(0, 1).copy()))
    states = states if isinstance(states, tuple) else (states,)
    np.testing.assert_allclose(found[0], y if batch_first else y.swapaxes(0, 1), rtol=0, atol=1e-12)
    wanted = [s[k] for k in range(-1 - bidirectional, 0) for s in states]
    assert len(found) == 1 + len(wanted)
    for one, other in zip(found[1:], wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells(torch: Any, kind: str) -> None:
    model = from_torch(getattr(torch.nn, kind)(3, 4).double())
    y, h, *c = model.predict(np.ones((2, 5, 3)))
    assert y.shape == (2, 5, 4) and (y[:, -1] == h).all() and len(c) == (kind == "LSTMCell")


ACTIVATIONS = {
    "ReLU": (), "Tanh": (), "Sigmoid": (), "ReLU6": (), "SELU": (), "SiLU": (), "GELU": (), "Softsign": (),
    "Hardswish": (), "Hardsigmoid": (), "Hardtanh": (), "Softplus": (), "LeakyReLU": (0.3,), "ELU": (0.7,),
    "Softmax": (-1,),
}  # fmt: skip


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activation_modules(torch: Any, kind: str) -> None:
    nn = torch.nn
    module = nn.Sequential(nn.Linear(3, 40), getattr(nn, kind)(*ACTIVATIONS[kind]), nn.Dropout(0.2),
                           nn.Linear(40, 2)).double()  # fmt: skip
    model = from_torch(module)
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "Dropout", "Dense"]
    x = 4 * np.random.default_rng(0).standard_normal((9, 3))
    np.testing.assert_allclose(
        model.predict(x), module.eval()(torch.from_numpy(x)).detach(), rtol=0, atol=1e-8
    )


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("GELU", {"approximate": "tanh"}, "GELU"), ("Softplus", {"beta": 2}, "Softplus"),
        ("LayerNorm", {"normalized_shape": 3}, r"nothing reads 1\.weight \[3\]"),
        ("MaxPool1d", {"kernel_size": 1}, "MaxPool1d '1' is no module that is read"),
        ("Dropout", {"p": 1.0}, "Dropout"),
    ],
)  # fmt: skip
def test_modules_that_are_not_read(torch: Any, kind: str, options: dict[str, Any], message: str) -> None:
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 3), getattr(torch.nn, kind)(**options), torch.nn.Linear(3, 1)
    )
    with pytest.raises(fr.ModelFormatError, match=message):
        from_torch(module)


def test_dropout_between_layers_and_the_module_as_it_was(torch: Any) -> None:
    nn = torch.nn
    module = net(
        torch, nn.Embedding(9, 3, padding_idx=0), nn.LSTM(3, 4, 2, dropout=0.25, batch_first=True), None
    )
    module.front.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    generator = torch.get_rng_state()
    model = from_torch(module)
    assert [type(layer).__name__ for layer in model.layers] == ["Embedding", "LSTM", "Dropout", "LSTM"]
    assert model.layers[2].rate == 0.25
    assert module.training and module.recurrence.training and not module.front.training
    assert all(bool((before[name] == value).all()) for name, value in module.state_dict().items())
    assert bool((generator == torch.get_rng_state()).all())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    with torch.no_grad():  # a row of padding_idx is a row like the others
        module.front.weight[0] = 1.5
    assert from_torch(module).predict(np.array([[0, 1]])).shape == (1, 2, 4)


def test_readings_that_outputs_decide(torch: Any) -> None:
    """What stands in forward alone: which steps, time first, softmax, another order."""
    nn = torch.nn

    class Late(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, **options: Any) -> None:
            super().__init__()
            self.head, self.encoder = nn.Linear(8, 5), nn.GRU(3, 4, bidirectional=True, **options)
            self.first = options.get("batch_first", False)

        def forward(self, x: Any) -> Any:
            y, h = self.encoder(x)
            if not self.first:
                return self.head(y), h
            return torch.softmax(self.head(torch.cat([h[-2], h[-1]], 1)), 1)

    class Column(Late):
        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(x)[0][:, -1])

    torch.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((3, 4, 3)).astype("float32")
    time_first, both, column = Late(), Late(batch_first=True), Column(batch_first=True)
    for module, given in ((time_first, x.swapaxes(0, 1).copy()), (both, x), (column, x)):
        model = from_torch(module)
        with torch.no_grad():
            wanted = module(torch.from_numpy(given))
        wanted = wanted[0].numpy().swapaxes(0, 1) if isinstance(wanted, tuple) else wanted.numpy()
        np.testing.assert_allclose(model.predict(x), wanted, rtol=0, atol=1e-6)
    assert from_torch(both).layers[-1].activation == "softmax"
    state = column.state_dict()
    with pytest.raises(fr.ModelFormatError, match="other numbers"):
        from_torch(state, [fr.Bidirectional(fr.GRU(4)), fr.Dense(5)],
                   example=(x, column(torch.from_numpy(x)).detach().numpy()))  # fmt: skip
    model = from_torch(state, example=(x, column(torch.from_numpy(x)).detach().numpy()))
    assert [type(layer).__name__ for layer in model.layers] == ["Bidirectional", "LastStep", "Dense"]


def test_a_forward_that_cannot_be_seen_is_refused(torch: Any) -> None:
    class Mean(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.fc = torch.nn.RNN(3, 4, batch_first=True), torch.nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.fc(self.rnn(x)[0].mean(1))

    with pytest.raises(fr.ModelFormatError, match="nothing of what was tried"):
        from_torch(Mean())
    with pytest.raises(fr.ModelFormatError, match="cannot be run on x"):
        from_torch(Mean(), example=Example(np.ones((2, 5, 9), "float32"), None))


def test_a_module_that_is_wrapped(torch: Any) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    found, wrapped = from_torch(module), from_torch(torch.nn.DataParallel(module))
    x = np.ones((2, 3))
    assert (found.predict(x) == wrapped.predict(x)).all()


def test_modules_with_more_than_is_read(torch: Any) -> None:
    nn = torch.nn
    module = net(torch, None, nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2))
    module.scale = nn.Parameter(torch.ones(3))
    with pytest.raises(fr.ModelFormatError, match=r"nothing uses the tensors \['scale'\]"):
        from_torch(module)
    module = net(torch, None, nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2))
    module.drop = nn.Dropout(0.5)
    with pytest.raises(fr.ModelFormatError, match="A Dropout is registered behind all weights"):
        from_torch(module)
    layers = [fr.GRU(4, return_sequences=True), fr.Dropout(0.5), fr.Dense(2)]
    assert from_torch(module, layers).layers == layers
    with pytest.raises(fr.ModelFormatError, match="max_norm"):
        from_torch(nn.Sequential(nn.Embedding(5, 3, max_norm=1.0), nn.Linear(3, 2)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves(torch: Any, dtype: str, tmp_path: Path) -> None:
    """Their numbers are numbers of float32."""
    module = torch.nn.GRU(3, 4, batch_first=True).to(getattr(torch, dtype))
    model = from_torch(module)
    assert model.dtype == np.float32 and str(module.weight_ih_l0.dtype) == f"torch.{dtype}"
    assert (model.layers[0].params["W_ih"] == module.weight_ih_l0.detach().float().numpy()).all()
    torch.save(module.state_dict(), tmp_path / "half.pt")
    assert same_bits(model, from_torch(tmp_path / "half.pt"))
    safetensors_torch = pytest.importorskip("safetensors.torch")
    safetensors_torch.save_file(module.state_dict(), tmp_path / "half.safetensors")
    assert same_bits(model, from_torch(tmp_path / "half.safetensors"))


# -- files ---------------------------------------------------------------------------------------------

READ = """
    import sys
    sys.modules["torch"] = None  # importing it fails
    import numpy as np, fastrnn as fr
    from fastrnn.interop import from_torch
    x = np.load("x.npy", allow_pickle=False)
    for path in sys.argv[1:]:
        layers = [fr.Embedding(9, 3), fr.Bidirectional(fr.LSTM(4, projection=2)), fr.Dense(2)]
        model = from_torch(path, layers, example=(x, np.load("y.npy", allow_pickle=False)))
        assert model.proof.reference == "given outputs"
        np.save(path + ".npy", model.predict(x))
    assert not [name for name in sys.modules if name.startswith("torch.")]
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_files_that_pytorch_wrote_without_pytorch(torch: Any, dtype: str, tmp_path: Path) -> None:
    nn = torch.nn
    lstm = nn.LSTM(3, 4, bidirectional=True, proj_size=2, batch_first=True)
    module = nn.ModuleDict({"words": nn.Embedding(9, 3), "tagger": lstm, "head": nn.Linear(4, 2)})
    module = module.to(getattr(torch, dtype))
    x = np.random.default_rng(0).integers(0, 9, (3, 5))
    with torch.no_grad():
        h, _ = lstm(module["words"](torch.from_numpy(x)))[1]
        y = module["head"](torch.cat([h[0], h[1]], 1)).numpy()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    state = module.state_dict()
    optimizer = torch.optim.Adam(module.parameters())
    view = {name: value.t().contiguous().t() if value.ndim == 2 else value for name, value in state.items()}
    torch.save(state, tmp_path / "state.pt")
    torch.save({k: nn.Parameter(v) for k, v in view.items()}, tmp_path / "views.pth", pickle_protocol=4)
    checkpoint = {"epoch": 3, "best": 0.5, "done": True, "who": None, "state_dict": state,
                  "optimizer": optimizer.state_dict(), "sizes": (1, [2.5])}  # fmt: skip
    torch.save(checkpoint, tmp_path / "checkpoint.pt", pickle_protocol=5)
    pytest.importorskip("safetensors.torch").save_file(state, tmp_path / "state.safetensors")
    names = ["state.pt", "views.pth", "checkpoint.pt", "state.safetensors"]
    code = textwrap.dedent(READ)
    done = subprocess.run([sys.executable, "-c", code, *names], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in names:
        found = np.load(tmp_path / f"{name}.npy", allow_pickle=False)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, y, rtol=0, atol=1e-6 if dtype == "float32" else 1e-12)


def test_other_files_of_pytorch_are_refused(torch: Any, tmp_path: Path) -> None:
    module, path = torch.nn.GRU(2, 3), tmp_path / "model.pt"
    torch.save(module, path)
    with pytest.raises(
        fr.ModelFormatError, match=r"it needs torch\.nn\.modules\.rnn\.GRU, and code is not run"
    ):
        from_torch(path)
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=False)
    with pytest.raises(fr.ModelFormatError, match=r"before PyTorch 1\.6"):
        from_torch(path)
    torch.save({"a": module.state_dict(), "b": module.state_dict()}, path)
    with pytest.raises(fr.ModelFormatError, match=r"got several: \['a', 'b'\]"):
        from_torch(path)
    torch.save({"weight": torch.ones(1, 3).expand(4, 3)}, path)
    with pytest.raises(fr.ModelFormatError, match="does not fit into its storage of 3 numbers"):
        from_torch(path)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_the_restricted_reader(tmp_path: Path, dtype: str, order: str) -> None:
    state, path = hostile_torch.lstm(dtype), tmp_path / "model.pt"
    path.write_bytes(hostile_torch.archive(hostile_torch.whole(state, order)))
    found, ordered = read_file("test", path)
    assert ordered and list(found) == list(state)
    assert all((found[name] == state[name]).all() and found[name].dtype == dtype for name in state)
    model = from_torch(path)
    assert model.dtype == ("float64" if dtype == "f8" else "float32")
    assert (model.layers[0].params["W_hh"] == state["weight_hh_l0"]).all()


def test_safetensors(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    rng, path = np.random.default_rng(0), tmp_path / "all.safetensors"
    types = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
    tensors = {t: (8 * rng.standard_normal((3, 2))).astype(t) for t in types if t[0] != "u"}
    tensors |= {t: rng.integers(0, 200, (5,)).astype(t) for t in types if t[0] == "u"}
    tensors |= {"empty": np.zeros((0, 3), "f4"), "scalar": np.array(1.5, "f4")}
    save_file(tensors, path, metadata={"a": "b"})
    metadata, found = read_tensors(path, 10_000)
    assert metadata == {"a": "b"} and found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
    with pytest.raises(ValueError, match="header has"):
        read_tensors(path, 100)


def mutants(data: bytes, rng: np.random.Generator, count: int, top: int) -> Any:
    for _ in range(count):
        changed = bytearray(data)
        if rng.integers(4) == 0:
            del changed[int(rng.integers(len(data))) :]
        else:
            for _ in range(int(rng.integers(1, 4))):
                changed[int(rng.integers(top))] = int(rng.integers(256))
        yield bytes(changed)


@pytest.mark.parametrize("kind", ["pt", "program", "safetensors"])
def test_damaged_files_are_read_right_or_refused(kind: str, tmp_path: Path) -> None:
    """Random bytes and cuts: ModelFormatError, or a model; and nothing else."""
    rng, path = np.random.default_rng(0), tmp_path / "file"
    members = hostile_torch.whole(hostile_torch.lstm())
    data = {
        "pt": hostile_torch.archive(members), "program": members["model/data.pkl"],
        "safetensors": hostile_safetensors.file(*hostile_safetensors.whole()),
    }[kind]  # fmt: skip
    refused = 0
    for changed in mutants(data, rng, 4000 if THOROUGH else 400, 300 if kind == "safetensors" else len(data)):
        if kind == "program":  # with a right CRC
            changed = hostile_torch.archive({**members, "model/data.pkl": changed})
        path.write_bytes(changed)
        try:
            from_torch(path)
        except fr.ModelFormatError as error:
            assert "from_torch: file: " in str(error)
            refused += 1
    assert refused > 300


# -- state dicts -----------------------------------------------------------------------------------------


def filled(*layers: Any, seed: int = 0, shape: Any = (None, None, 3)) -> fr.Sequential:
    """A model of random weights, biases, too."""
    model = fr.Sequential(layers, seed=seed, dtype="float64")
    model.build(shape)
    rng = np.random.default_rng(seed)
    model.set_weights([0.6 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def classifier(seed: int = 0) -> fr.Sequential:
    layers = [fr.LSTM(4, name="lstm"), fr.Dense(2, name="fc")]
    return filled(*layers, seed=seed)


X = np.random.default_rng(5).standard_normal((3, 6, 3))


@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_every_swap_of_gates_fails(kind: str, name: str) -> None:
    model = filled(getattr(fr, kind)(4, name="cell"))
    state, example = to_torch_state_dict(model), (X, model.predict(X))
    assert from_torch(state, example=example).proof.difference == 0
    gates = 4 if kind == "LSTM" else 3
    for a in range(gates):
        for b in range(a):
            blocks = state[f"cell.{name}"].reshape(gates, 4, -1).copy()
            blocks[[a, b]] = blocks[[b, a]]
            swapped = {**state, f"cell.{name}": blocks.reshape(state[f"cell.{name}"].shape)}
            with pytest.raises(fr.ModelFormatError, match="A gate may stand in another's place"):
                from_torch(swapped, [getattr(fr, kind)(4)], example=example)


def test_missing_and_unused_tensors_are_named() -> None:
    state = to_torch_state_dict(classifier())
    for name in ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_hh_l0"):
        with pytest.raises(fr.ModelFormatError, match=f"from_torch: tensor {name!r} is missing"):
            from_torch({k: v for k, v in state.items() if k != name})
    more = [("norm.running_mean", (4,)), ("lstm.weight_zh_l0", (4, 4)), ("lstm.weight_hr_l0_x", (4, 4))]
    for name, shape in more:
        with pytest.raises(fr.ModelFormatError, match=f"nothing uses the tensors \\['{name}'\\]"):
            from_torch({**state, name: np.ones(shape)})
    with pytest.raises(fr.ModelFormatError, match=r"nothing reads norm\.weight \[4\]"):
        from_torch({**state, "norm.weight": np.ones(4)})
    with pytest.raises(fr.ModelFormatError, match="in no order"):
        from_torch({**state, "other.weight": np.ones((7, 9))})


def test_the_order_of_a_state_dict() -> None:
    """As it is given, where sizes allow it, else the one that they allow, else an example decides."""
    layers = [fr.LSTM(3, return_sequences=True, name="b"), fr.LSTM(3, name="a"), fr.Dense(2, name="fc")]
    model = filled(*layers)
    state = to_torch_state_dict(model)
    assert (from_torch(state).predict(X) == model.predict(X)).all()
    shuffled = {name: state[name] for name in sorted(state, reverse=True)}  # fc, b, a
    with pytest.raises(fr.ModelFormatError, match="in several orders"):
        from_torch(shuffled)
    assert (from_torch(shuffled, example=(X, model.predict(X))).predict(X) == model.predict(X)).all()
    assert (from_torch(shuffled, fresh(model)).predict(X) == model.predict(X)).all()


def test_the_order_of_a_safetensors_file(tmp_path: Path) -> None:
    """It sorts by name: the numbers of an nn.Sequential are the order, names are none."""
    from safetensors.numpy import save_file

    path = tmp_path / "model.safetensors"
    layers = [fr.Dense(3, name=str(k)) for k in range(12)]
    numbered = filled(*layers, shape=(None, 3))
    save_file(to_torch_state_dict(numbered), path)
    x = X[:, 0]
    assert (from_torch(path).predict(x) == numbered.predict(x)).all()

    named = filled(fr.Dense(3, name="in"), fr.Dense(3, name="hidden"), fr.Dense(2, name="a"), shape=(None, 3))
    save_file(to_torch_state_dict(named), path)
    with pytest.raises(fr.ModelFormatError, match=r"from_torch: model\.safetensors: .* in several orders"):
        from_torch(path)
    assert (from_torch(path, example=(x, named.predict(x))).predict(x) == named.predict(x)).all()
    assert (from_torch(path, fresh(named)).predict(x) == named.predict(x)).all()
    with pytest.raises(fr.ModelFormatError, match="fill in several ways the layers"):
        from_torch(path, [fr.Dense(3), fr.Dense(3), fr.Dense(2)])


def test_a_reading_that_takes_no_ids_is_one_that_fails(tmp_path: Path) -> None:
    """A tied Linear is not in a .safetensors file, and the vectors of the ids could be its weights."""
    from safetensors.numpy import save_file

    state = to_torch_state_dict(
        filled(fr.Embedding(9, 3, name="emb"), fr.LSTM(3, name="rnn"), shape=(None, None))
    )
    save_file(state, tmp_path / "tied.safetensors")
    ids = np.arange(8).reshape(2, 4)
    with pytest.raises(fr.ModelFormatError, match=r"nothing of what was tried .* x must be float64"):
        from_torch(tmp_path / "tied.safetensors", example=(ids, np.ones((2, 4, 9), "float32")))
    with pytest.raises(fr.DtypeError, match="x must be float64"):
        from_torch(to_torch_state_dict(filled(fr.LSTM(3))), example=(ids, np.ones((2, 3), "float32")))


def test_long_names_make_no_long_message(tmp_path: Path) -> None:
    path = hostile_torch.KINDS["two dicts of tensors with long names"](tmp_path)
    with pytest.raises(fr.ModelFormatError, match="got several: ") as caught:
        from_torch(path)
    assert len(str(caught.value)) < 400


def test_layers_that_are_given() -> None:
    model = filled(fr.OneHot(7), fr.Bidirectional(fr.RNN(4, "relu", return_sequences=True), "concat"),
                   fr.TimeDistributed(fr.Dense(2, "tanh")), shape=(None, None))  # fmt: skip
    ids = np.random.default_rng(0).integers(0, 7, (2, 5))
    state = to_torch_state_dict(model)
    assert "bidirectional.weight_hh_l0_reverse" in state and "time_distributed.bias" in state
    layers = [fr.OneHot(7), fr.Bidirectional(fr.RNN(4, "relu", return_sequences=True)),
              fr.TimeDistributed(fr.Dense(2, "tanh"))]  # fmt: skip
    again = from_torch(state, layers, example=(ids, model.predict(ids)))
    assert again.proof.difference == 0 and same_bits(model, again)
    for wrong in ([fr.GRU(4), fr.Dense(2)], [fr.Bidirectional(fr.RNN(5)), fr.Dense(2)], [fr.Dense(2)]):
        with pytest.raises(fr.ModelFormatError, match="do not fill the layers"):
            from_torch(state, wrong)
    with pytest.raises(ValueError, match="fresh layers, not built"):
        from_torch(state, model.layers)
    with pytest.raises(fr.ModelFormatError, match="do not fill the layers LSTM"):
        from_torch(to_torch_state_dict(classifier()), [fr.LSTM(4, peepholes=True), fr.Dense(2)])


def test_a_weight_alone_is_an_embedding_or_a_linear() -> None:
    model = filled(fr.Embedding(5, 3, name="words"), fr.GRU(2), shape=(None, None))
    state = to_torch_state_dict(model)
    assert type(from_torch(state).layers[0]) is fr.Embedding
    head = {"weight": np.ones((2, 3))}
    assert from_torch(head).predict(np.array([[0, 1]])).shape == (1, 2, 3)
    assert from_torch(head, [fr.Dense(2)]).predict(np.ones((4, 3))).tolist() == [[3.0, 3.0]] * 4


def test_one_bias_from_two() -> None:
    state = to_torch_state_dict(classifier())
    assert not state["lstm.bias_hh_l0"].any()
    signed = {**state, "lstm.bias_ih_l0": np.full(16, -0.0)}
    assert np.signbit(from_torch(signed).layers[0].params["b"]).all()  # bit by bit
    both = {**state, "lstm.bias_hh_l0": np.full(16, 0.1), "lstm.bias_ih_l0": np.full(16, 0.2)}
    assert (from_torch(both).layers[0].params["b"] == 0.1 + 0.2).all()  # rounded once
    without = {k: v for k, v in state.items() if "lstm.bias" not in k}
    assert not from_torch(without).layers[0].params["b"].any()


def test_the_proof_is_saved(tmp_path: Path) -> None:
    model = classifier()
    made = from_torch(to_torch_state_dict(model), example=(X, model.predict(X)))
    assert [layer.name for layer in made.layers] == ["lstm", "fc"]
    made.save(tmp_path / "model.fastrnn")
    assert fr.load(tmp_path / "model.fastrnn").proof.source == "torch"
    model.compile("sgd", "mse")
    assert np.isfinite(from_torch(to_torch_state_dict(model)).predict(X)).all()
    reference = from_torch(to_torch_state_dict(model), backend="reference")
    assert reference.backend.name == "reference"


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (lambda: fr.LSTM(2, peepholes=True), "the cell 'lstm_peephole'"),
        (lambda: fr.LSTM(2, clip=1.0), "the cell 'lstm.clip=1.0"),
        (lambda: fr.RNN(2, "sigmoid"), "the cell 'rnn.sigmoid"),
        (lambda: fr.GRU(2, reset_after=False), "the cell 'gru_before'"),
        (lambda: fr.GRU(2, learn_state=True), "learn_state=True"),
        (lambda: fr.Bidirectional(fr.GRU(2), "sum"), "merge_mode='sum'"),
        (lambda: fr.Bidirectional(fr.RNN(2), backward_layer=fr.RNN(2, "relu")), "the cell 'rnn_relu' on the"),
        (lambda: fr.Bidirectional(fr.RNN(2), backward_layer=fr.RNN(2, learn_state=True)), "learn_state=True"),
        (lambda: fr.GRU(2, go_backwards=True), "go_backwards=True"),
    ],
)  # fmt: skip
def test_what_pytorch_cannot_express(layer: Any, what: str) -> None:
    model = filled(layer())
    message = f"to_torch_state_dict: .* must be what a module of PyTorch computes, got {what}"
    with pytest.raises(ValueError, match=message):
        to_torch_state_dict(model)


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match=r"from_torch: source must be a torch\.nn\.Module, a state dict, or a path"
    ):
        from_torch(5)
    with pytest.raises(TypeError, match=r"from_torch: 'model' must be a tensor or a NumPy array, got dict"):
        from_torch({"model": {}})
    with pytest.raises(fr.ModelFormatError, match="no tensors"):
        from_torch({})
    with pytest.raises(ValueError, match="only a module can be run for y"):
        from_torch({"weight": np.ones((2, 2))}, example=(np.ones((2, 2)), None))
    with pytest.raises(FileNotFoundError):
        from_torch(tmp_path / "nowhere.pt")
    with pytest.raises(TypeError, match="model must be a Sequential"):
        to_torch_state_dict(5)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="no weights yet"):
        to_torch_state_dict(fr.Sequential([fr.Dense(1)]))
