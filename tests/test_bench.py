"""The bench: cases are found, results are verified before they are timed, runs can be compared."""

from __future__ import annotations

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
    machine,
    process,
    recurrent,
    report,
    runner,
    timer,
    verify,
)
from bench.peers import PEERS  # noqa: E402

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
            assert sum(name.startswith(f"{cell}-{mode}-") for name in names) == 12 + 2
    assert sum(name.startswith("autoencoder-") for name in names) == 3


def test_select_takes_patterns_and_quick_leaves_the_large_ones_out() -> None:
    assert [c.name for c in cases.select(["gru-*-1x1x*"])] == [
        "gru-inference-1x1x64x128", "gru-training-1x1x64x128",
    ]  # fmt: skip
    quick = {c.name for c in cases.select(quick=True)}
    assert {c.name for c in cases.CASES} - quick == {c.name for c in cases.CASES if c.large}
    assert "lstm-training-32x100x128x256" in quick
    assert [c.name for c in cases.select([TINY])] == [TINY]
    assert not cases.select(["nothing"])


def test_ragged_cases_have_a_twin_with_the_same_number_of_real_steps() -> None:
    ragged = [case for case in cases.CASES if case.lengths]
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


@pytest.mark.parametrize("case", cases.TINY, ids=lambda case: case.name)
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
