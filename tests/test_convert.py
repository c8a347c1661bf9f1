"""``fastrnn convert`` and ``fastrnn inspect`` over files of every framework; none of them is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import assert_same_bits

import fastrnn as fr
from fastrnn import cli
from fastrnn.interop import files

X = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")


@pytest.fixture
def model(tmp_path: Path) -> fr.Sequential:
    layers = [fr.Input((None, 3)), fr.LSTM(4), fr.Dense(2, activation="softmax")]
    net = fr.Sequential(layers, seed=0)
    net.save(tmp_path / "model.fastrnn")
    return net


def ending(name: str) -> Any:
    if name.endswith(".h5"):
        pytest.importorskip("h5py")
    return name


@pytest.mark.parametrize("name", ["out.onnx", "out.safetensors", "out.weights.h5", "out.fastrnn", "out"])
def test_out_and_in_again(
    model: fr.Sequential, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / ending(name)
    assert cli.main(["convert", str(tmp_path / "model.fastrnn"), str(out)]) == 0
    said = capsys.readouterr().out
    assert str(out) in said and "none, the model is fastrnn's own" in said
    kind = {".onnx": "onnx", ".safetensors": "torch", ".h5": "keras"}.get(out.suffix, "fastrnn")
    assert files.kind_of(out) == kind
    for one, other in zip(files.check(model, out).get_weights(), model.get_weights(), strict=True):
        assert_same_bits(one, other)


def test_onnx_to_fastrnn_with_an_example(model: fr.Sequential, tmp_path: Path) -> None:
    fr.interop.to_onnx(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "example.npz", x=X, y=model.predict(X))
    run = [sys.executable, "-m", "fastrnn", "convert", "m.onnx", "m.fastrnn", "--example", "example.npz"]
    done = subprocess.run([*run, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["proof"]["source"] == "onnx" and found["proof"]["reference"] == "given outputs"
    assert found["proof"]["difference"] <= 1e-6 and found["proof"]["holds"]
    again = fr.load(tmp_path / "m.fastrnn")
    np.testing.assert_allclose(again.predict(X), model.predict(X), rtol=0, atol=1e-6)
    assert again.proof.ulps == found["proof"]["ulps"]


def test_an_example_of_other_weights_stops_the_conversion(
    model: fr.Sequential, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fr.interop.to_onnx(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "example.npz", x=X, y=model.predict(X)[::-1])
    arguments = ["convert", str(tmp_path / "m.onnx"), str(tmp_path / "m"), "--example"]
    assert cli.main([*arguments, str(tmp_path / "example.npz")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("fastrnn: from_onnx: m.onnx: the model gives other numbers")
    assert said.count("\n") == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ("model.fastrnn", "none/out.onnx", [], "convert: there is no folder"),
        ("model.fastrnn", ".", [], "is a folder. Name a file in it."),
        ("nothing", "out.onnx", [], "nothing"),
        ("text", "out.onnx", [], "text is no model of fastrnn, PyTorch"),
        ("model.fastrnn", "out.pt", [], "the ending must be .safetensors for PyTorch, got .pt"),
        ("model.fastrnn", "out.PT", [], "the ending must be .safetensors for PyTorch, got .PT"),
        ("model.fastrnn", "out.hdf5", [], "the ending must be .weights.h5 for Keras, got .hdf5"),
        ("model.fastrnn", "out.keras", [], "the ending must be .weights.h5 for Keras, got .keras"),
        ("model.fastrnn", "out", ["--example", "x.npz"], "--example is for files of other frameworks"),
        ("auto", "out.onnx", [], "holds a Autoencoder; only a Sequential has other formats"),
        ("m.onnx", "out", ["--example", "text"], "is no .npz file of arrays"),
        ("m.onnx", "out", ["--example", "other.npz"], "must hold x and y, and lengths or not, got z"),
        ("masked", "out.onnx", [], "convert: to_onnx: "),
    ],
)
def test_what_goes_wrong_is_one_line(
    model: fr.Sequential, tmp_path: Path, source: str, target: str, options: list[str], message: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("hello, this is no model")
    np.savez("x.npz", x=X, y=model.predict(X))
    np.savez("other.npz", z=X)
    fr.interop.to_onnx(model, "m.onnx")
    auto = fr.Autoencoder((2,), seed=0)
    auto.fit(X[:, 0], epochs=1, verbose=0)
    auto.save("auto")
    fr.Sequential([fr.Input((None, 3)), fr.Masking(0.0), fr.GRU(2)], seed=0).save("masked")
    before = sorted(tmp_path.iterdir())
    assert cli.main(["convert", source, target, *options]) == 1
    said = capsys.readouterr()
    assert message in said.err and said.err.startswith("fastrnn: ") and said.err.count("\n") == 1
    assert said.out == "" and sorted(tmp_path.iterdir()) == before


def test_endings_in_capitals(model: fr.Sequential, tmp_path: Path) -> None:
    assert cli.main(["convert", str(tmp_path / "model.fastrnn"), str(tmp_path / "M.ONNX")]) == 0
    assert files.kind_of(tmp_path / "M.ONNX") == files.ONNX


@pytest.mark.parametrize("name", ["m.onnx", "m.safetensors"])
def test_inspect_reads_other_frameworks(
    model: fr.Sequential, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write(model, tmp_path / name)
    assert cli.main(["inspect", str(tmp_path / name)]) == 0
    said = capsys.readouterr().out
    order = "i o f g" if name == "m.onnx" else "i f g o"
    for text in (f"order of the gates in the file: lstm {order}", "W_ih [16, 3]", "proof: from ", "138 p"):
        assert text in said
    assert cli.main(["inspect", "--json", str(tmp_path / name)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == ("onnx" if name == "m.onnx" else "torch")
    assert found["proof"]["holds"] and [one["gates"] for one in found["layers"]][-2] == "ifgo"


def test_inspect_says_that_a_model_was_trained_since_its_import(
    model: fr.Sequential, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fr.interop.to_onnx(model, tmp_path / "m.onnx")
    net = fr.interop.from_onnx(tmp_path / "m.onnx")
    net.compile("adam", "mse")
    net.fit(X, np.ones((2, 2), "float32"), verbose=0)
    net.save(tmp_path / "m")
    assert cli.main(["inspect", str(tmp_path / "m")]) == 0
    assert "; trained on since" in capsys.readouterr().out
