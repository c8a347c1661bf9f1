"""The bench: cases are found, results are verified before they are timed, runs can be compared."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # at the end: it must not hide an installed fastrnn

from bench import __main__ as bench  # noqa: E402
from bench import (  # noqa: E402
    cases,
    compare,
    dense,
    goals,
    machine,
    plot,
    process,
    recurrent,
    report,
    runner,
    timer,
    verify,
    work,
)
from bench import words as sentences  # noqa: E402
from bench.peers import FEW_IN_QUICK, NONE_IN_QUICK, OURS, PEERS, Unsupported  # noqa: E402

TINY = "lstm-training-tiny-2x3x4x5"


def command(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=cwd, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


# -- cases ------------------------------------------------------------------------------------


def test_list_prints_every_case_and_no_tiny_one() -> None:
    done = command("list")
    names = done.stdout.split()
    assert (done.returncode, done.stderr) == (0, "")
    assert names == [case.name for case in cases.CASES] and len(set(names)) == len(names)
    for cell in ("lstm", "gru", "rnn"):
        for mode in ("inference", "training"):
            assert f"{cell}-{mode}-128x25x1024x1024" in names
            single = mode == "inference"  # a call, and of the LSTM three streams
            more = single + 3 * (single and cell == "lstm")
            assert sum(name.startswith(f"{cell}-{mode}-") for name in names) == 12 + 2 + more
    assert sum(name.startswith("autoencoder-") for name in names) == 3
    assert {"bilstm-inference-32x30x300x300", "bilstm-training-32x30x300x300"} <= set(names)
    ends = ("1x", "32x", "one-thread-1x", "one-thread-32x")
    assert {f"classifier-inference-{end}50x64x128" for end in ends} <= set(names)


def test_select_takes_patterns_and_quick_leaves_the_large_ones_out() -> None:
    assert [c.name for c in cases.select(["gru-*-1x1x64*"])] == [
        "gru-inference-1x1x64x128", "gru-training-1x1x64x128",
    ]  # fmt: skip
    assert [c.name for c in cases.select(["*-call-*", "*-stream-*x64"])] == [
        "lstm-inference-stream-1x1x64x64", "lstm-inference-call-1x1x16x16",
        "gru-inference-call-1x1x16x16", "rnn-inference-call-1x1x16x16",
    ]  # fmt: skip
    quick = {c.name for c in cases.select(quick=True)}
    assert {c.name for c in cases.CASES} - quick == {c.name for c in cases.CASES if c.full_only}
    assert "lstm-training-32x100x128x256" in quick
    assert [c.name for c in cases.select([TINY])] == [TINY]
    assert not cases.select(["nothing"])


def test_ragged_cases_have_a_twin_with_the_same_number_of_real_steps() -> None:
    ragged = [case for case in cases.CASES if case.group == "ragged"]
    assert len(ragged) == 6
    for case in ragged:
        twin = cases.BY_NAME[case.twin]
        assert (case.B, min(case.lengths), max(case.lengths), case.T) == (32, 5, 100, 100)
        assert sum(case.lengths) == twin.B * twin.T and twin.B == case.B
        assert (twin.cell, twin.mode, twin.I, twin.H) == (case.cell, case.mode, case.I, case.H)
    with pytest.raises(ValueError, match="7 steps do not fill 2 rows"):
        cases.ragged("lstm", "training", (3, 4), 2, 2)


def test_a_case_survives_json() -> None:
    for case in (*cases.CASES, *cases.TINY):
        assert cases.Case.from_dict(json.loads(json.dumps(vars(case)))) == case


# -- verification -----------------------------------------------------------------------------


SIMPLE = [case for case in cases.TINY if case.subject in ("recurrent", "ragged", "dense")]


@pytest.mark.parametrize("case", SIMPLE, ids=lambda case: case.name)
def test_fastrnn_and_numpy_are_what_is_expected(case: cases.Case) -> None:
    subject = verify.subject(case)
    expected, given = subject.expected(case), subject.data(case)
    if case.subject == "dense":
        network = dense.Network(given, np.float32)
        losses = [network.step() for _ in range(dense.STEPS)]
        results = dense.summarize(given, losses, network.params)
    else:
        results = recurrent.outputs(case, given)
    assert 0 < verify.check(case, results, expected) < 1e-5
    # Each array counts: a result that is wrong in one number of one of them is found.
    for name in expected:
        wrong = {key: np.array(value) for key, value in results.items()}
        wrong[name].flat[-1] += 0.1 * np.abs(wrong[name]).max()
        with pytest.raises(verify.Mismatch, match=f"{case.name}: {name} differs"):
            verify.check(case, wrong, expected)


def test_a_result_that_is_missing_misshapen_or_not_a_number_is_a_mismatch() -> None:
    case, expected = cases.BY_NAME[TINY], {"y": np.ones((2, 3))}
    with pytest.raises(verify.Mismatch, match="y is missing"):
        verify.check(case, {"h": np.ones(2)}, expected)
    with pytest.raises(verify.Mismatch, match=r"y must be \[2, 3\], got \[3, 2\]"):
        verify.check(case, {"y": np.ones((3, 2))}, expected)
    with pytest.raises(verify.Mismatch, match="y differs"):
        verify.check(case, {"y": np.full((2, 3), np.nan)}, expected)


def test_the_expected_adam_step_is_that_of_its_formula() -> None:
    """One step moves each parameter by the rate against the sign of a numerical gradient."""
    case = cases.BY_NAME["autoencoder-training-tiny-4x6-3-6"]
    given = dense.data(case)
    network = dense.Network(given, np.float64)
    before = [p.copy() for p in network.params]
    network.step()
    after = [p.copy() for p in network.params]

    def loss(index: int, position: int, step: float) -> float:
        fresh = dense.Network(given, np.float64)
        fresh.params[index].flat[position] += step
        return fresh.step()

    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        slope = loss(index, 1, 1e-6) - loss(index, 1, -1e-6)
        assert (new - old).flat[1] == pytest.approx(-math.copysign(dense.RATE, slope), rel=1e-6)


def test_two_directions_and_layers_are_one_function_of_its_input() -> None:
    """The gradients that the sentences' cases are verified against, by a directional derivative."""
    case = cases.BY_NAME["bilstm-training-tiny-2x3x4x5"]
    given, right = sentences.data(case), sentences.expected(case)
    rng, step = np.random.default_rng(0), 1e-3
    arrays = {"dx": given["x"]}
    for number, both in enumerate(given["layers"]):
        for direction, params in both.items():
            arrays.update({sentences.named(number, direction, k): v for k, v in params.items()})
    assert set(right) == {"y", *arrays}
    for name, array in arrays.items():
        way, middle, values = rng.standard_normal(array.shape), array.copy(), []
        for sign in (1, -1):
            array[...] = middle + sign * step * way  # data() gives arrays of our own
            values.append(float((expected_of(case, given) * given["dy"]).sum()))
        array[...] = middle
        slope = (values[0] - values[1]) / (2 * step)
        assert float((right[name] * way).sum()) == pytest.approx(slope, rel=1e-2), name


def expected_of(case: cases.Case, given: dict[str, Any]) -> Any:
    """y of the sentences' reference for arguments that are given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentences, "data", lambda case: given)
        return sentences.expected(case)["y"]


# -- peers ------------------------------------------------------------------------------------

TORCH = importlib.util.find_spec("torch") is not None  # which writes the classifier's file
# The libraries of each peer, and what it can do.
LIBRARIES = {
    "pytorch": ("torch", "lstm gru rnn autoencoder bilstm classifier", "inference training"),
    "onnxruntime": ("onnxruntime onnx", f"lstm gru rnn{' classifier' * TORCH}", "inference"),
    "openvino": ("openvino onnx", "lstm gru rnn", "inference"),
    "jax": ("jax", "lstm gru rnn autoencoder", "inference training"),
    "keras": ("keras jax", "lstm gru rnn autoencoder", "inference training"),
}


def started(peer: str, *libraries: str) -> process.Worker:
    """A worker: these libraries bring threads and warnings of their own, and stay out of this process."""
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    return process.Worker(peer, PEERS[peer], 1)


@pytest.mark.parametrize("peer", LIBRARIES)
def test_every_peer_that_is_installed_computes_what_is_expected(peer: str, tmp_path: Path) -> None:
    libraries, cells, modes = (text.split() for text in LIBRARIES[peer])
    worker = started(peer, *libraries)
    try:
        assert worker.threads == 1 and libraries[0] in worker.info["versions"]
        done = []
        for case in cases.TINY:
            path = str(tmp_path / f"{case.name}.npz")
            np.savez(path, **verify.subject(case).expected(case))
            try:
                assert 0 < worker.ask("open", case=vars(case), path=path) < 1e-4
            except process.WorkerError as error:
                assert error.kind == "unsupported", error
                continue
            assert worker.ask("time", case=case.name, calls=2) > 0
            done.append(case)
        able = [c for c in cases.TINY if c.cell in cells and c.mode in modes and c.subject != "stream"]
        assert [case for case in done if case.subject != "stream"] == able
        assert (len(done) > len(able)) is (peer in ("pytorch", "onnxruntime"))  # they have the stream, too
    finally:
        worker.end()


def test_the_compiler_says_what_it_leaves_out() -> None:
    worker = started("pytorch_compile", "torch")
    try:
        for name, reason in (
            ("lstm-training-tiny-2x3x4x5", "inference of plain batches only"),
            ("lstm-inference-tiny-ragged-3x1..4x3x5", "inference of plain batches only"),
            ("gru-inference-tiny-2x3x4x5", "unrolls the steps"),
        ):
            with pytest.raises(process.WorkerError, match=reason) as caught:
                worker.ask("open", case=vars(cases.BY_NAME[name]), path="")
            assert caught.value.kind == "unsupported"
    finally:
        worker.end()


OWN_DATA = [c.name for c in cases.TINY if c.subject in ("stream", "words", "classifier")]


@pytest.mark.parametrize("name", OWN_DATA)
def test_fastrnn_streams_and_tags(name: str) -> None:
    peer, case = importlib.import_module(PEERS[OURS]), cases.BY_NAME[name]
    subject = verify.subject(case)
    try:
        prepared = peer.setup(case, subject.data(case))
    except Unsupported as reason:
        assert "has no Sequential.stream" in str(reason) and not hasattr(peer.fr.Sequential, "stream")
        return
    for _ in range(2):  # the second time must not depend on what the first one left behind
        prepared = peer.setup(case, subject.data(case))
        prepared.call() if case.subject == "words" else None
        assert 0 < verify.check(case, prepared.outputs(), subject.expected(case)) < 1e-5


def test_quick_spares_compilers_all_but_a_few_cases() -> None:
    few = [case.name for case in cases.CASES if case.few]
    assert len(few) == 2 * len(cases.CELLS) * len(cases.MODES) + 1
    grid, tiny = cases.BY_NAME["lstm-inference-8x50x64x64"], cases.BY_NAME[TINY]
    chosen = cases.BY_NAME["gru-training-32x50x64x128"]
    for peer in FEW_IN_QUICK:
        assert not runner.takes_part(peer, grid, True) and runner.takes_part(peer, chosen, True)
    for peer in NONE_IN_QUICK:
        assert not runner.takes_part(peer, chosen, True) and runner.takes_part(peer, tiny, True)
    assert all(runner.takes_part(peer, grid, False) for peer in PEERS)
    assert all(runner.takes_part(peer, grid, True) for peer in ("pytorch", "onnxruntime", "openvino"))


# -- a run ------------------------------------------------------------------------------------


def test_a_run_writes_a_table_json_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, picture = tmp_path / "new" / "run.json", tmp_path / "run.png"
    pattern = "gru-inference-tiny-ragged*"
    code = bench.main(["run", "--quick", "--case", pattern, "--case", "autoencoder-*tiny*",
                       "--rounds", "2", "--peer", "numpy", "--cold", "--one-thread",
                       "--json", str(out), "--plot", str(picture)])  # fmt: skip
    said = capsys.readouterr().out
    assert code == 0, said
    run = report.read(out)
    assert run["verified"] is True and run["settings"]["rounds"] == 2
    ragged, autoencoder = run["results"]
    assert set(ragged["ratios"]) == {"numpy", "twin"} and set(autoencoder["ratios"]) == {"numpy"}
    threads = {entry["threads"] for entry in ragged["contestants"].values()}
    assert 1 in threads
    assert ragged["work"]["flops"] == 2 * 9 * 15 * (3 + 5) and ragged["work"]["gflops"] > 0
    assert run["goals"] and all(verdict["met"] is None for verdict in run["goals"])
    assert "Goals\nNot measured in this run: LSTM inference against pytorch; " in said
    for result in run["results"]:
        assert result["verified"] is True
        for entry in result["contestants"].values():
            assert len(entry["times"]) == 2 and entry["error"] < 1e-5
            assert 0 < entry["min"] == min(entry["times"]) <= entry["median"]
            assert entry["cold"]["median"] > 0
    versions = run["machine"]["versions"]
    assert versions["numpy"] == np.__version__ and versions["BLAS"]
    lines = said.splitlines()
    assert lines[2].startswith("[1/2] gru-inference-tiny-ragged") and "verified" in lines[2]
    assert lines[-1] == machine.sentence(run["machine"])
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_peer_that_returns_wrong_numbers_is_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong_peer.py").write_text(
        "from bench.peers import Work, numpy_cell\n"
        "start = numpy_cell.start\n"
        "def setup(case, given):\n"
        "    work = numpy_cell.setup(case, given)\n"
        "    def outputs():\n"
        "        found = work.outputs()\n"
        "        print('noise on the standard output')\n"
        "        return {**found, 'dW_hh': -found['dW_hh']}\n"
        "    return Work(work.call, outputs)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(
        filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])))  # fmt: skip
    monkeypatch.setitem(PEERS, "wrong", "wrong_peer")
    monkeypatch.setitem(PEERS, "absent", "no_such_library")
    out = tmp_path / "run.json"
    code = bench.main(["run", "--quick", "--case", TINY, "--rounds", "1", "--peer", "wrong",
                       "--peer", "absent", "--json", str(out)])  # fmt: skip
    said = capsys.readouterr()
    assert code == 1 and f"not verified: {TINY}" in said.err
    assert "absent is skipped: it cannot be imported (No module named 'no_such" in said.out
    run = report.read(out)
    (result,) = run["results"]
    assert run["verified"] is False and result["verified"] is False
    assert f"{TINY}: dW_hh differs from the reference by 2" in result["errors"][0]
    assert not any(label.startswith("wrong") for label in result["contestants"])
    assert run["settings"]["skipped"] == ["absent"] and not result["ratios"]


def test_a_peer_that_does_not_start_or_dies_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_peer.py").write_text("def start(threads):\n    raise RuntimeError('no licence')\n")
    (tmp_path / "dying_peer.py").write_text(
        "import os\n"
        "def start(threads):\n    return {'threads': threads, 'versions': {}}\n"
        "def setup(case, given):\n    os._exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(
        filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])))  # fmt: skip
    monkeypatch.setitem(PEERS, "broken", "broken_peer")
    monkeypatch.setitem(PEERS, "dying", "dying_peer")
    out = tmp_path / "run.json"
    code = bench.main(["run", "--quick", "--case", "rnn-*-tiny-2x*", "--rounds", "1", "--peer", "broken",
                       "--peer", "dying", "--json", str(out)])  # fmt: skip
    said = capsys.readouterr()
    assert "broken is skipped: it does not start: RuntimeError: no licence." in said.out
    assert code == 1 and "not verified: rnn-inference-tiny-2x3x4x5." in said.err
    first, second = report.read(out)["results"]
    assert "dying@1: the process of dying ended with code 3." in first["errors"]
    assert first["contestants"] and second["verified"] and not second["errors"]


def test_a_worker_that_fails_or_dies_says_so(tmp_path: Path) -> None:
    worker = process.Worker("numpy", PEERS["numpy"], 1)
    try:
        with pytest.raises(process.WorkerError, match="KeyError: 'unknown'") as caught:
            worker.ask("time", case="unknown", calls=1)
        assert caught.value.kind == "failed"
        worker.process.kill()
        worker.process.wait()
        with pytest.raises(process.WorkerError, match="the process of numpy ended") as caught:
            worker.ask("close")
        assert caught.value.kind == "died"
    finally:
        worker.end()


@pytest.mark.skipif(not hasattr(process.signal, "SIGSTOP"), reason="the system has no SIGSTOP")
def test_a_worker_stands_still_between_requests() -> None:
    worker = process.Worker("numpy", PEERS["numpy"], 1)
    try:
        assert worker.ask("close") is None
        _, status = os.waitpid(worker.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert worker.ask("close") is None
    finally:
        worker.end()


def test_the_bench_measures_an_installed_fastrnn_and_not_the_sources_beside_it(
    tmp_path: Path,
) -> None:
    tree, installed = tmp_path / "tree", tmp_path / "installed"
    shutil.copytree(ROOT / "bench", tree / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    for folder, name in ((tree, "sources"), (installed, "installed")):
        (folder / "fastrnn").mkdir(parents=True)
        (folder / "fastrnn" / "__init__.py").write_text(f"name = {name!r}\n")
    code = "import bench.cases, fastrnn; print(fastrnn.name)"
    (tree / "bench" / "which.py").write_text(code)

    def which(path: Path | None) -> str:
        environment = {**os.environ, "PYTHONPATH": str(path or "")}
        return subprocess.run(
            # -S: no site-packages, so that nothing else is installed.
            [sys.executable, "-S", "-m", "bench.which"], cwd=tree, env=environment,
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout.strip()  # fmt: skip

    assert which(installed) == "installed"
    assert which(None) == "sources"
    assert which(tree) == "sources"


# -- timing and reports -----------------------------------------------------------------------


class Clock:
    """A worker whose calls take the seconds it was given, and who notes when it was asked."""

    def __init__(self, name: str, seconds: float, log: list[str]) -> None:
        self.name, self.seconds, self.log = name, seconds, log

    def ask(self, do: str, **arguments: Any) -> float:
        self.log.append(f"{self.name} {do} {arguments.get('calls', '')}".strip())
        return self.seconds


def test_rounds_are_interleaved_and_as_long_as_planned() -> None:
    log: list[str] = []
    fast = timer.Contestant("fast", Clock("fast", 0.001, log), "case")
    slow = timer.Contestant("slow", Clock("slow", 0.3, log), "case")
    timer.measure([fast, slow], timer.Plan(rounds=3, seconds=0.05, cold=True))
    assert (fast.calls, slow.calls) == (50, 1)
    assert log[-12:] == ["fast time 50", "slow time 1"] * 3 + ["fast cold", "slow cold"] * 3
    assert fast.times == [0.001] * 3 and slow.cold == [0.3] * 3


def test_who_is_far_behind_leaves_early_and_who_is_paired_with_us_never() -> None:
    def one(label: str, seconds: float, peer: str) -> timer.Contestant:
        return timer.Contestant(label, Clock(label, seconds, []), "case", peer)

    ours, twin = one("ours", 1.0, ""), one("twin", 9.0, "")
    better, worse, near = one("p@2", 0.1, "p"), one("p@1", 0.13, "p"), one("p@3", 0.11, "p")
    slow, slowest = one("q@1", 0.5, "q"), one("r@1", 5.0, "r")
    everybody = [ours, twin, better, worse, near, slow, slowest]
    timer.measure(everybody, timer.Plan(rounds=8, seconds=0.1, least=3, budget=1.9))
    assert [len(c.times) for c in everybody] == [8, 8, 8, 3, 8, 4, 2]
    assert timer.ratio(slow.times, ours.times)["median"] == 0.5


def test_ratios_are_paired_round_by_round() -> None:
    # A machine that slows down threefold: the medians of each would say 2.
    assert timer.ratio([2, 4, 6], [1, 2, 3]) == {"min": 2, "median": 2, "low": 2, "high": 2}
    assert timer.ratio([2, 1, 8], [1, 1, 2])["median"] == 2
    assert timer.summary([3.0])["high"] == 3


def test_the_better_thread_count_of_a_peer_counts() -> None:
    def entry(peer: str, threads: int, time: float) -> dict[str, Any]:
        return {"peer": peer, "threads": threads, "times": [time], "median": time}

    result: dict[str, Any] = {"ratios": {}, "contestants": {
        "fastrnn@2": entry("fastrnn", 2, 2.0), "fastrnn@1": entry("fastrnn", 1, 1.0),
        "p@1": entry("p", 1, 3.0), "p@2": entry("p", 2, 4.0),
    }}  # fmt: skip
    runner._ratios(result, "fastrnn@2")
    assert set(result["ratios"]) == {"p"}
    assert result["ratios"]["p"]["threads"] == 1 and result["ratios"]["p"]["median"] == 1.5


def made(times: dict[str, list[float]], cpu: str = "one", load: float = 0.0) -> dict[str, Any]:
    """A run with fastrnn's times in seconds, by case."""
    found = {**machine.describe(), "cpu": cpu, "load": load}
    results = [
        {"name": name, "verified": True, "ratios": {}, "contestants": {
            "fastrnn@1": {"peer": "fastrnn", "threads": 1, "times": t, **timer.summary(t)}}}
        for name, t in times.items()
    ]  # fmt: skip
    return report.document(found, results, {"rounds": 3})


def test_compare_marks_changes_beyond_the_noise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steady, noisy = [1.00, 1.01, 1.02], [1.0, 1.5, 2.0]
    a = made({"same": steady, "better": steady, "worse": steady, "noisy": noisy, "gone": steady})
    b = made({"same": [1.02, 1.03, 1.04], "better": [0.5, 0.51, 0.52], "worse": [1.5, 1.51, 1.52],
              "noisy": [1.3, 1.9, 2.5], "new": steady}, cpu="two", load=3.0)  # fmt: skip
    for name, run in (("a", a), ("b", b)):
        report.write(tmp_path / f"{name}.json", run)
    assert bench.main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 0
    said = capsys.readouterr().out
    last = {line.split()[0]: line.split()[-1] for line in said.splitlines()[1:5]}
    assert last["better"] == "faster" and last["worse"] == "slower"
    assert last["same"] == "5%" and last["noisy"].endswith("%")
    assert "4 cases in both runs, 2 changed beyond the noise." in said
    assert "Only in A: gone." in said and "Only in B: new." in said
    assert "A ran on one, B on two" in said and "B: The machine is busy" in said
    assert compare.verdict(*[a["results"][0]["contestants"]["fastrnn@1"]] * 2)[0] == 1


# -- goals ------------------------------------------------------------------------------------


def measured(case: cases.Case, ratios: dict[str, float], **work_of: float) -> dict[str, Any]:
    """A result in which peers take so many times as long as fastrnn."""
    entry = {"peer": OURS, "threads": 2, "times": [1.0], **timer.summary([1.0])}
    found = {"share": None, "peak": None, "gflops": 1.0, "intensity": 1.0, "seconds": 1.0, **work_of}
    return {
        "name": case.name, "case": vars(case), "verified": True, "errors": [], "left_out": {}, "work": found,
        "contestants": {"fastrnn@2": entry},
        "ratios": {p: {"threads": 1, **timer.summary([r])} for p, r in ratios.items()},
    }  # fmt: skip


def goal(title: str) -> goals.Goal:
    (found,) = [goal for goal in goals.GOALS if goal.title == title]
    return found


def test_every_goal_is_about_the_cases_of_the_plan() -> None:
    counts = {g.title: sum(g.wants(case) for case in cases.CASES) for g in goals.GOALS}
    assert list(counts.values()) == [12, 12, 12, 48, 3, 3, 9, 9, 1, 1, 1, 3, 2, 4, 6]
    assert not any(g.wants(case) for g in goals.GOALS for case in cases.TINY)


def test_a_goal_is_met_by_every_cell_and_by_the_mean() -> None:
    ratio = goal("LSTM inference against pytorch")
    chosen = [case for case in cases.CASES if ratio.wants(case)]
    results = [measured(case, {"pytorch": 4.0, "onnxruntime": 0.5, "twin": 0.1}) for case in chosen]
    verdict = goals.judge(ratio, results)
    assert (verdict["met"], verdict["worst"], verdict["cells"], verdict["of"]) == (True, 4.0, 12, 12)
    # One cell below its bound; a mean below its own; both numbers are said.
    results[3] = measured(chosen[3], {"pytorch": 1.0})
    verdict = goals.judge(ratio, results)
    assert verdict["met"] is False and verdict["where"] == chosen[3].name
    assert verdict["reached_mean"] == pytest.approx(4 ** (11 / 12))
    assert goals.sentence(verdict) == (
        "NOT MET  LSTM inference against pytorch: every cell at least 1.10: lowest 1.00 "
        f"({chosen[3].name}); geometric mean 3.56 (goal 3)"
    )
    low = goals.judge(ratio, [measured(case, {"pytorch": 2.0}) for case in chosen[:2]])
    assert low["met"] is False and "2 of 12 cells measured" in goals.sentence(low)
    # The best of all peers is the fastest one; the twin is none.
    best = goals.judge(goal(f"LSTM inference against {goals.BEST}"), results[:1])
    assert (best["worst"], best["met"]) == (0.5, False)


def test_shares_times_and_twins_have_their_own_direction() -> None:
    share, step, twin = (
        goal(title) for title in
        ("large training, share of the peak", "stream.step at H=64", "ragged against padded, time")
    )  # fmt: skip
    large = cases.BY_NAME["gru-training-64x50x512x512"]
    assert goals.judge(share, [measured(large, {}, share=0.75)])["met"] is True
    low = goals.judge(share, [measured(large, {}, share=0.74)])
    assert low["met"] is False and "lowest 74 % (gru-training-64x50x512x512)" in goals.sentence(low)
    one = cases.BY_NAME["lstm-inference-stream-1x1x64x64"]
    assert goals.judge(step, [measured(one, {}, seconds=3e-6)])["met"] is True
    late = goals.judge(step, [measured(one, {}, seconds=3.25e-6)])
    assert goals.sentence(late) == "NOT MET  stream.step at H=64: at most 3 us: 3.25 us"
    ragged = [c for c in cases.CASES if c.group == "ragged"][:2]
    # The twin takes 1 / 1.04 and 1 / 1.06 of our time.
    results = [measured(c, {"twin": 1 / r}) for c, r in zip(ragged, (1.06, 1.04), strict=True)]
    verdict = goals.judge(twin, results)
    assert verdict["met"] is False and verdict["where"] == ragged[0].name
    assert verdict["worst"] == pytest.approx(1.06) and goals.judge(twin, results[1:])["met"] is True


def test_a_goal_that_was_not_measured_is_said_to_be_so() -> None:
    case = cases.BY_NAME["lstm-inference-8x50x64x64"]
    verdicts, lines = goals.summary([measured(case, {"openvino": 2.0})])
    assert [v["goal"] for v in verdicts if v["met"] is not None] == [
        f"LSTM inference against {goals.BEST}"
    ]
    assert lines[0].startswith("met      LSTM inference against the best of all peers")
    assert lines[1].startswith("Not measured in this run: LSTM inference against pytorch; ")
    assert "stream.step at H=16" in lines[1]
    assert goals.sentence(verdicts[0]) == (
        "LSTM inference against pytorch: at least 1.10: not measured in this run."
    )


def test_the_work_of_a_case_follows_from_its_shape() -> None:
    def of(name: str) -> tuple[int, float, int]:
        case = cases.BY_NAME[name]
        return work.flops(case), work.intensity(case), work.weight_bytes(case)

    weights = 4 * 128 * (64 + 128)
    assert of("lstm-inference-32x50x64x128") == (2 * 32 * 50 * weights, 16, 4 * weights)
    assert of("lstm-training-32x50x64x128") == (6 * 32 * 50 * weights, 16, 4 * weights)
    assert of("rnn-inference-call-1x1x16x16") == (2 * 16 * 32, 0.5, 4 * 16 * 32)
    ragged, twin = "gru-inference-ragged-32x5..100x128x256", "gru-inference-padded-32x52x128x256"
    assert of(ragged)[0] == of(twin)[0] == 2 * 32 * 52 * 3 * 256 * 384
    # Two layers: six products, of which the gradient of the input is not needed.
    assert of("autoencoder-training-tiny-4x6-3-6")[0] == 5 * 2 * 4 * 18
    # Shares are of the highest peak at as many threads, so that a disturbed one flatters nobody.
    results = [{"work": {"gflops": 50.0, "peak": p, "threads": t}} for p, t in ((100, 2), (200, 2), (80, 1))]
    work.shares([*results, {"work": {"gflops": 1.0, "peak": None, "threads": 2}}, {}])
    assert [r["work"]["share"] for r in results] == [0.25, 0.25, 0.625]
    assert of("bilstm-inference-32x30x300x300")[0] == 2 * 960 * 2 * 1200 * (600 + 900)


def test_the_report_says_what_was_left_out_and_words_a_second() -> None:
    case = cases.BY_NAME["bilstm-training-32x30x300x300"]
    result = measured(case, {"pytorch": 2.0})
    result["contestants"]["pytorch@1"] = {"peer": "pytorch", "threads": 1, **timer.summary([2.0])}
    result["left_out"] = {"jax@1": "too deep.", "jax@2": "too deep."}
    assert report.rates([result]) == [f"{case.name}, words a second: fastrnn 960, pytorch 480."]
    assert report.left_out([result]) == ["jax took no part in 1 case: too deep."]
    other = measured(cases.BY_NAME[TINY], {"jax": 3.0}, share=0.5, peak=200.0)
    head, *_ = report.table([result, other], ["pytorch", "jax", "keras"]).splitlines()
    assert head.split() == "case fastrnn min threads GF/s % peak pytorch jax".split()
    assert report.peak([result, other]) == 200.0
    missing = {**result, "contestants": {}, "ratios": {}, "left_out": {"fastrnn@2": "has no stream."}}
    assert report.line(missing) == f"{case.name}: has no stream."


@pytest.mark.parametrize("peak", [None, 200.0])
def test_the_picture_has_ratios_and_a_roofline(tmp_path: Path, peak: float | None) -> None:
    pytest.importorskip("matplotlib")
    chosen = [cases.BY_NAME[n] for n in ("lstm-inference-8x50x64x64", "gru-training-1x100x16x16",
              "autoencoder-training-32x64-32-8-32-64", "lstm-inference-stream-1x1x16x16")]  # fmt: skip
    results = [measured(c, {"pytorch": 2.0, "jax": 3.0}, peak=peak, gflops=9.0) for c in chosen]
    run = report.document(machine.describe(), results, {})
    plot.draw(run, ["pytorch", "jax"], tmp_path / "run.svg")
    drawn = (tmp_path / "run.svg").read_text()
    for title in ("lstm, inference", "gru, training", "autoencoder", "Roofline of fastrnn"):
        assert f"<!-- {title}" in drawn
    assert ("<!-- peak of all cores 200 GF/s" in drawn) is (peak is not None)
    assert ("(the peak was not measured)" in drawn) is (peak is None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read as the JSON of a run"),
        ("{", "cannot be read as the JSON of a run"),
        ("{}", "is not the JSON of a run in format 1"),
    ],
)
def test_a_file_that_is_no_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, message: str
) -> None:
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    assert bench.main(["compare", str(path), str(path)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["run", "--peer", "nobody"], ["run", "--rounds", "0"], ["list", "--case", "no*"]],
)
def test_usage_errors_return_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(arguments) == 2
    assert capsys.readouterr().err


def test_without_matplotlib_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    bench._plot(made({TINY: [1.0]}), [], tmp_path / "run.png")
    assert "No picture: matplotlib is not installed" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_busy_machine_is_named() -> None:
    found = {**machine.describe(), "load": 1.7}
    assert "busy (load average 1.70 at the start)" in machine.warning(found)
    assert machine.warning({**found, "load": 0.1}) == machine.warning({**found, "load": None}) == ""
    assert "load average" not in machine.sentence({**found, "load": None})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.234e-6, "1.23 us"), (45.67e-6, "45.7 us"), (0.1234, "123 ms"), (2.0, "2.00 s")],
)
def test_durations_have_three_digits(seconds: float, text: str) -> None:
    assert report.duration(seconds) == text
