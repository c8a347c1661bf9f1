"""Optimizers and schedules: against textbook formulas and PyTorch, clipping, state, messages."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from cases import THREADS, assert_same_bits

import fastrnn as fr
from fastrnn import optimizers, schedules
from fastrnn.backends import get_backend
from fastrnn.errors import DtypeError, ShapeError
from fastrnn.optimizers import SGD, Adam, AdamW, RMSprop

CPU = get_backend("cpu")
ARRAYS = get_backend("reference")

VARIANTS = [
    lambda **k: SGD(0.05, **k),
    lambda **k: SGD(0.05, momentum=0.9, **k),
    lambda **k: SGD(0.05, momentum=0.9, nesterov=True, **k),
    lambda **k: RMSprop(0.01, **k),
    lambda **k: RMSprop(0.01, momentum=0.8, centered=True, **k),
    lambda **k: Adam(0.01, **k),
    lambda **k: Adam(schedules.CosineDecay(0.01, 5), amsgrad=True, **k),
    lambda **k: AdamW(0.01, weight_decay=0.1, **k),
]
IDS = ["sgd", "momentum", "nesterov", "rmsprop", "rmsprop-mc", "adam", "amsgrad", "adamw"]


def params(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {"0/W_ih": rng.normal(size=(7, 5)), "0/b": rng.normal(size=7)}
    return {name: array.astype(dtype) for name, array in arrays.items()}


def grads(step, dtype=np.float64):
    return {k: v * (1 + step % 3) for k, v in params(dtype, seed=100 + step).items()}


def run(optimizer, steps, dtype=np.float64, p=None, start=0, backend=CPU):
    p = params(dtype) if p is None else p
    norms = [optimizer.update(backend, p, grads(t, dtype)) for t in range(start, start + steps)]
    return p, norms


def textbook(p, steps, rule):
    """Each array on its own: rule(p, g, t, memory) -> new p, whole arrays, written plainly."""
    out = {}
    for name, value in p.items():
        memory: dict = {}
        for t in range(steps):
            value = rule(name, value, grads(t)[name], t + 1, memory)
        out[name] = value
    return out


def adam_rule(decay=0.0, amsgrad=False, rate=lambda t: 0.01):
    def rule(name, p, g, t, s):
        if not name.endswith("b"):
            p = p - rate(t) * decay * p
        s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
        s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
        v = s["max"] = np.maximum(s.get("max", 0), s["v"]) if amsgrad else s["v"]
        alpha = rate(t) * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return p - alpha * s["m"] / (np.sqrt(v) + 1e-7)
    return rule


def rmsprop_rule(momentum=0.0, centered=False):
    def rule(name, p, g, t, s):
        s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
        s["a"] = 0.9 * s.get("a", 0) + 0.1 * g
        s["m"] = momentum * s.get("m", 0) + 0.01 * g / np.sqrt(
            s["v"] - centered * s["a"] ** 2 + 1e-7)
        return p - s["m"]
    return rule


@pytest.mark.parametrize(("optimizer", "rule"), [
    (SGD(0.05), lambda n, p, g, t, s: p - 0.05 * g),
    (RMSprop(0.01), rmsprop_rule()),
    (RMSprop(0.01, momentum=0.8, centered=True), rmsprop_rule(0.8, True)),
    (Adam(0.01), adam_rule()),
    (Adam(0.01, amsgrad=True), adam_rule(amsgrad=True)),
    (AdamW(0.01, weight_decay=0.1), adam_rule(decay=0.1)),
    (Adam(schedules.ExponentialDecay(0.1, 3, 0.5)), adam_rule(rate=lambda t: 0.1 * 0.5**((t-1)/3))),
])
def test_textbook(optimizer, rule):
    want = textbook(params(), 8, rule)
    for backend in (CPU, ARRAYS):
        fresh = optimizers.get(optimizer.config())
        got, _ = run(fresh, 8, backend=backend)
        for name in got:
            np.testing.assert_allclose(got[name], want[name], rtol=1e-12, atol=1e-13)


# Of norms of 173 and less an array, 234 together: some arrays are clipped, and some are not.
CLIPS = [{}, {"clipnorm": 100.0}, {"clipvalue": 0.1}, {"global_clipnorm": 150.0}, {"global_clipnorm": 250.0}]


def many(dtype, seed=0):
    """Arrays of all sizes: none, one, a few, a block and one more, several blocks."""
    rng = np.random.default_rng(seed)
    shapes = {"a/b": (0,), "b": (1,), "c": (3, 5), "d/b_ih": (8193,), "e": (200, 150), "f": (8192, 2)}
    return {k: rng.normal(size=s).astype(dtype) for k, s in shapes.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("clip", CLIPS, ids=str)
@pytest.mark.parametrize("make", VARIANTS, ids=IDS)
def test_the_kernel_is_the_array_code(make, clip, dtype):
    results = []
    for backend in (CPU, ARRAYS):
        optimizer, p = make(**clip), many(dtype)
        norms = [optimizer.update(backend, p, many(dtype, seed)) for seed in range(1, 5)]
        results.append((norms, p, optimizer.state()))
    (norms, p, state), (wanted_norms, wanted_p, wanted_state) = results
    np.testing.assert_allclose(norms, wanted_norms, rtol=1e-13)
    tolerance = 2e-6 if dtype == np.float32 else 1e-13
    for found, wanted in ((p, wanted_p), (state, wanted_state)):
        assert found.keys() == wanted.keys()
        for name in found:
            np.testing.assert_allclose(found[name], wanted[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make", VARIANTS, ids=IDS)
def test_threads_do_not_show(make):
    def train(threads):
        optimizer, p = make(global_clipnorm=1.0), many(np.float32)
        p["g"] = np.zeros((300, 300), np.float32)
        with fr.threads(threads):
            g = [{**many(np.float32, s), "g": np.full((300, 300), s, np.float32)} for s in (1, 2, 3)]
            norms = np.array([optimizer.update(CPU, p, one) for one in g])
        return norms, list(p.values()), list(optimizer.state().values())

    wanted = train(1)
    for threads in THREADS[1:]:
        assert_same_bits(train(threads), wanted)


def test_both_dtypes_in_one_step_and_gradients_in_any_order():
    p = {"a": np.ones((3, 4), np.float32), "b": np.ones((3, 4))}
    g = {"a": np.arange(12, dtype=np.float32).reshape(4, 3).T, "b": np.arange(12.0).reshape(4, 3).T}
    assert SGD(0.5).update(CPU, p, g) == pytest.approx(math.sqrt(2 * 506))
    for name in p:
        np.testing.assert_array_equal(p[name], 1 - 0.5 * g[name])


def test_subnormal_numbers_count_as_zero_and_the_process_keeps_its_mode():
    size = 100_000  # enough for a second thread
    p, tiny = {"W": np.ones(size, np.float32)}, np.float32(1e-30)
    adam = Adam()
    with fr.threads(2):
        adam.update(CPU, p, {"W": np.full(size, tiny)})
    assert (adam.state()["v/W"] == 0).all()  # 1e-63, and with NumPy's rounding 0 as well
    adam.update(CPU, p, {"W": np.full(size, np.float32(1e-19))})
    assert (adam.state()["v/W"] == 0).all()  # 1e-41
    assert (np.full(9, np.float32(1e-38)) * np.float32(0.1) > 0).all()  # this thread's mode
    assert (np.full(9, np.float32(1e-40)) + np.float32(0) > 0).all()


def test_formulas_of_ones_own_are_not_taken_for_their_parents():
    class Signs(SGD):
        def _step(self, xp, numbers, decay, p, g, a, *slots):
            p -= numbers[0] * xp.sign(g)

    class Renamed(SGD):
        pass

    assert (Signs.name, Renamed.name) == ("signs", "sgd")
    for backend in (CPU, ARRAYS):
        p = {"W": np.zeros(3)}
        Signs(0.5).update(backend, p, {"W": np.array([-3.0, 0.0, 7.0])})
        np.testing.assert_array_equal(p["W"], [0.5, 0, -0.5])


def test_the_state_follows_parameters_that_are_replaced():
    """Other arrays of the same names go on with the same slots; loaded state is used at once."""
    adam, p = Adam(0.01), params()
    whole, _ = run(Adam(0.01), 6)
    run(adam, 3, p=p)
    moved = {k: v.copy() for k, v in p.items()}
    run(adam, 1, p=moved, start=3)
    adam.load_state(adam.state(), 4)
    run(adam, 2, p=moved, start=4)
    for name in whole:
        np.testing.assert_array_equal(moved[name], whole[name])


@pytest.mark.parametrize(("ours", "name", "options"), [
    (SGD(0.05), "SGD", {"lr": 0.05}),
    (SGD(0.05, momentum=0.9), "SGD", {"lr": 0.05, "momentum": 0.9}),
    (SGD(0.05, momentum=0.9, nesterov=True), "SGD",
     {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    # A tiny epsilon, because the two place it differently.
    (RMSprop(0.01, epsilon=1e-30), "RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-30}),
    (RMSprop(0.01, momentum=0.5, epsilon=1e-30), "RMSprop",
     {"lr": 0.01, "alpha": 0.9, "eps": 1e-30, "momentum": 0.5}),
    (Adam(0.01, epsilon=1e-30), "Adam", {"lr": 0.01, "eps": 1e-30}),
    (AdamW(0.01, weight_decay=0.1, epsilon=1e-30, exclude=()), "AdamW",
     {"lr": 0.01, "weight_decay": 0.1, "eps": 1e-30}),
])
def test_pytorch(ours, name, options):
    torch = pytest.importorskip("torch")
    got, _ = run(ours, 8)
    theirs = {k: torch.tensor(v, requires_grad=True) for k, v in params().items()}
    optimizer = getattr(torch.optim, name)(list(theirs.values()), **options)
    for step in range(8):
        for key, g in grads(step).items():
            theirs[key].grad = torch.tensor(g)
        optimizer.step()
    for key in got:
        np.testing.assert_allclose(got[key], theirs[key].detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("make", VARIANTS, ids=IDS)
def test_state_round_trip_is_bit_exact(make):
    whole, _ = run(make(), 8)
    first = make()
    p, _ = run(first, 4)
    state = first.state()
    second = optimizers.get(json.loads(json.dumps(first.config())))
    second.load_state(state, first.iterations)
    p, _ = run(second, 4, p=p, start=4)
    assert second.iterations == 8
    for name in p:
        np.testing.assert_array_equal(p[name], whole[name])
    if state:  # copies: the second optimizer left the first's state alone
        assert all(not np.shares_memory(state[k], second.state()[k]) for k in state)


@pytest.mark.parametrize("make", VARIANTS, ids=IDS)
def test_float32_stays_float32_and_grads_unchanged(make):
    optimizer, p = make(clipvalue=0.5), params(np.float32)
    arrays = dict(p)
    for step in range(3):
        g = grads(step, np.float32)
        optimizer.update(CPU, p, g)
        for key, value in grads(step, np.float32).items():
            np.testing.assert_array_equal(g[key], value)
    assert all(p[k] is arrays[k] and p[k].dtype == np.float32 for k in p)
    assert all(a.dtype == np.float32 for a in optimizer.state().values())
    reference, _ = run(make(clipvalue=0.5), 3)
    for k in p:
        np.testing.assert_allclose(p[k], reference[k], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("make", VARIANTS, ids=IDS)
def test_blocks_do_not_show(make, monkeypatch):
    whole, norms = run(make(global_clipnorm=1.0), 3, backend=ARRAYS)
    monkeypatch.setattr("fastrnn.optimizer.BLOCK", 4)
    blocks, others = run(make(global_clipnorm=1.0), 3, backend=ARRAYS)
    np.testing.assert_allclose(others, norms, rtol=1e-14)
    for name in whole:
        np.testing.assert_allclose(blocks[name], whole[name], rtol=1e-13)


@pytest.mark.parametrize("backend", [CPU, ARRAYS], ids=["kernel", "arrays"])
def test_scratch_does_not_grow_with_the_parameter(backend):
    import tracemalloc

    p, g = {"W": np.zeros((1000, 1000), np.float32)}, {"W": np.ones((1000, 1000), np.float32)}
    adam = Adam(global_clipnorm=1.0)
    adam.update(backend, p, g)
    tracemalloc.start()
    adam.update(backend, p, g)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < p["W"].nbytes / 4


@pytest.mark.parametrize("backend", [CPU, ARRAYS], ids=["kernel", "arrays"])
def test_norm_and_clipping(backend):
    p, g = params(), grads(0)
    norm = math.sqrt(sum((a**2).sum() for a in g.values()))
    start = params()

    def step(**clip):
        p = params()
        assert SGD(1.0, **clip).update(backend, p, g) == pytest.approx(norm, rel=1e-14)
        return {k: start[k] - p[k] for k in p}

    for key, moved in step(global_clipnorm=0.5).items():
        np.testing.assert_allclose(moved, g[key] * 0.5 / norm, rtol=1e-9)
    for key, moved in step(clipnorm=0.5).items():
        np.testing.assert_allclose(moved, g[key] * 0.5 / np.linalg.norm(g[key]), rtol=1e-9)
    for key, moved in step(clipvalue=0.5).items():
        np.testing.assert_allclose(moved, np.clip(g[key], -0.5, 0.5), rtol=1e-9)
    for clip in ("global_clipnorm", "clipnorm", "clipvalue"):
        for key, moved in step(**{clip: 1e6}).items():
            np.testing.assert_allclose(moved, g[key], rtol=1e-9, atol=1e-12)
    assert p.keys() == g.keys()


def test_the_norm_of_tiny_and_huge_float32_gradients():
    for size in (1e-30, 1e30):
        g = {"W": np.full(4, size, np.float32)}
        norm = SGD().update(CPU, {"W": np.zeros(4, np.float32)}, g)
        assert norm == pytest.approx(2 * size, rel=1e-6)


@pytest.mark.parametrize("backend", [CPU, ARRAYS], ids=["kernel", "arrays"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(bad, backend):
    adam = Adam()
    p, _ = run(adam, 2, backend=backend)
    before, state = ({k: v.copy() for k, v in d.items()} for d in (p, adam.state()))
    g = grads(2)
    g["0/b"][3] = bad
    assert not math.isfinite(adam.update(backend, p, g))
    assert adam.iterations == 2
    for was, now in ((before, p), (state, adam.state())):
        for key in was:
            np.testing.assert_array_equal(was[key], now[key])


def test_adamw_spares_the_biases():
    zero = {k: np.zeros_like(v) for k, v in params().items()}
    for exclude, spared in ((("b",), True), ((), False)):
        p = params()
        AdamW(0.1, weight_decay=0.5, exclude=exclude).update(CPU, p, zero)
        np.testing.assert_allclose(p["0/W_ih"], params()["0/W_ih"] * 0.95, rtol=1e-12)
        assert np.array_equal(p["0/b"], params()["0/b"]) is spared
    assert AdamW().exclude == ("b", "b_ih", "b_hh")


def test_centered_rmsprop_survives_a_variance_of_zero():
    optimizer, p = RMSprop(1e-9, centered=True), {"W": np.zeros(64, np.float32)}
    g = {"W": np.linspace(1e3, 2e3, 64, dtype=np.float32)}
    # The means come down to their limits and stop a few roundings above: v - mean^2 < -epsilon.
    for step in range(300):
        optimizer.update(CPU, p, {"W": g["W"] * 2} if step < 20 else g)
    assert np.isfinite(p["W"]).all()


def test_empty_arrays_and_no_parameters():
    assert Adam().update(CPU, {}, {}) == 0.0
    p = {"W": np.zeros((0, 3))}
    assert Adam().update(CPU, p, {"W": np.zeros((0, 3))}) == 0.0


def test_learning_rate():
    sgd = SGD(0.5)
    sgd.learning_rate = 0.25
    assert sgd.learning_rate == sgd.current_learning_rate() == 0.25
    scheduled = SGD(schedules.PiecewiseConstantDecay([0], [1.0, 0.5]))
    p = {"W": np.zeros(1)}
    for want in (-1.0, -1.5, -2.0):
        scheduled.update(CPU, p, {"W": np.ones(1)})
        assert p["W"][0] == want
    assert scheduled.learning_rate == 0.5
    with pytest.raises(ValueError, match=r"learning_rate must be left to the schedule, got 0\.1"):
        scheduled.learning_rate = 0.1


def test_get():
    assert type(optimizers.get("Adam")) is Adam
    assert optimizers.get("adamw").weight_decay == 0.004
    adam = Adam(clipnorm=2.0)
    assert optimizers.get(adam) is adam
    assert Adam.from_config(adam.config()).config() == adam.config()
    with pytest.raises(ValueError, match=r"Did you mean 'rmsprop'\?"):
        optimizers.get("rmsprob")
    with pytest.raises(TypeError, match="the name of an optimizer"):
        optimizers.get(None)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: SGD(-0.1), "SGD: learning_rate must be a number in [0, inf), got -0.1"),
    (lambda: SGD(math.nan), "got nan"),
    (lambda: SGD("fast"), "learning_rate must be a number in [0, inf), got 'fast'"),
    (lambda: SGD(0.1, momentum=1.5), "SGD: momentum must be a number in [0, 1], got 1.5"),
    (lambda: SGD(nesterov=True), "SGD: momentum must be above 0 with nesterov=True"),
    (lambda: RMSprop(rho=1.0), "RMSprop: rho must be a number in [0, 1), got 1.0"),
    (lambda: RMSprop(epsilon=0), "RMSprop: epsilon must be a number in (0, inf), got 0"),
    (lambda: Adam(beta_1=1.0), "Adam: beta_1 must be a number in [0, 1), got 1.0"),
    (lambda: Adam(beta_2=-0.1), "Adam: beta_2 must be"),
    (lambda: AdamW(weight_decay=-1), "AdamW: weight_decay must be"),
    (lambda: Adam(clipnorm=0), "Adam: clipnorm must be a number in (0, inf), got 0"),
    (lambda: Adam(clipnorm=1, clipvalue=1),
     "at most one of clipnorm, clipvalue, global_clipnorm, got clipnorm and clipvalue"),
    (lambda: SGD().load_state({"m/0/b": np.zeros(7)}, 1), "with slots (none), got 'm/0/b'"),
    (lambda: Adam().load_state({}, -1), "iterations must be a whole number from 0, got -1"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert message in str(caught.value)


def test_bad_updates():
    p = params()
    with pytest.raises(ValueError, match=r"exactly the names of params, got a difference in 0/b"):
        SGD().update(CPU, p, {"0/W_ih": p["0/W_ih"]})
    with pytest.raises(ShapeError, match=r"grads\['0/b'\] must be \[7\] float64, got \[6\]"):
        SGD().update(CPU, p, {**p, "0/b": np.zeros(6)})
    with pytest.raises(DtypeError, match=r"must be \[7\] float64, got \[7\] float32"):
        SGD().update(CPU, p, {**p, "0/b": np.zeros(7, np.float32)})
    with pytest.raises(ValueError, match="must be C-contiguous"):
        SGD().update(CPU, {"W": p["0/W_ih"].T}, {"W": p["0/W_ih"].T})
    with pytest.raises(DtypeError, match=r"params\['W'\] must be float32 or float64, got \[2\] int64"):
        SGD().update(CPU, {"W": np.zeros(2, np.int64)}, {"W": np.zeros(2, np.int64)})


def test_state_that_does_not_fit():
    adam = Adam()
    p, _ = run(adam, 1)
    state = adam.state()
    partly = Adam()
    partly.load_state({k: v for k, v in state.items() if k != "v/0/b"}, 1)
    with pytest.raises(ValueError, match="a difference in v/0/b"):
        partly.update(CPU, p, grads(1))
    wrong = Adam()
    wrong.load_state({**state, "m/0/b": np.zeros(9)}, 1)
    with pytest.raises(ShapeError, match=r"state m/0/b must be \[7\] float64, got \[9\] float64"):
        wrong.update(CPU, p, grads(1))
    with pytest.raises(ValueError, match="Use a new optimizer for other parameters"):
        adam.update(CPU, {"1/b": p["0/b"]}, {"1/b": p["0/b"]})


# -- schedules ------------------------------------------------------------------------------------

def test_schedule_values():
    s = schedules
    decay = s.ExponentialDecay(0.1, 10, 0.5)
    assert [decay(t) for t in (0, 10, 5)] == pytest.approx([0.1, 0.05, 0.1 * 0.5**0.5])
    stairs = s.ExponentialDecay(0.1, 10, 0.5, staircase=True)
    assert [stairs(t) for t in (9, 10, 19)] == pytest.approx([0.1, 0.05, 0.05])
    inverse = s.InverseTimeDecay(0.1, 10, 2.0)
    assert [inverse(t) for t in (0, 5, 10)] == pytest.approx([0.1, 0.05, 0.1 / 3])
    assert s.InverseTimeDecay(0.1, 10, 2.0, True)(9) == 0.1
    line = s.PolynomialDecay(1.0, 10, 0.2)
    assert [line(t) for t in (0, 5, 10, 99)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert s.PolynomialDecay(1.0, 10, 0.0, 2.0)(5) == pytest.approx(0.25)
    assert s.PolynomialDecay(1.0, 10, 0.0, cycle=True)(15) == pytest.approx(0.25)
    cosine = s.CosineDecay(1.0, 10, alpha=0.1)
    assert [cosine(t) for t in (0, 5, 10, 99)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    warm = s.CosineDecay(0.0, 10, warmup_target=1.0, warmup_steps=4)
    assert [warm(t) for t in (0, 1, 4, 9, 14)] == pytest.approx([0, 0.25, 1, 0.5, 0])
    pieces = s.PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.1])
    assert [pieces(t) for t in range(6)] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.1]


@pytest.mark.parametrize("schedule", [
    schedules.ExponentialDecay(0.1, 10, 0.5, True), schedules.InverseTimeDecay(0.1, 10, 0.5),
    schedules.PolynomialDecay(0.1, 10), schedules.CosineDecay(0.0, 9, 0.1, 1.0, 3),
    schedules.PiecewiseConstantDecay([1], [0.1, 0.2]),
])
def test_schedule_config(schedule):
    assert schedules.get(json.loads(json.dumps(schedule.config()))) == schedule
    assert Adam.from_config(Adam(schedule).config()).learning_rate == schedule(0)


def test_a_schedule_of_the_user():
    class Halving(schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.5**step

    assert SGD(Halving()).learning_rate == 1.0


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), ValueError,
     "ExponentialDecay: decay_steps must be a number in (0, inf), got 0"),
    (lambda: schedules.CosineDecay(-1, 10), ValueError, "initial_learning_rate must be"),
    (lambda: schedules.CosineDecay(0.1, 10, warmup_steps=5), ValueError,
     "warmup_target must be given together with warmup_steps"),
    (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), ValueError,
     "values must be 3 numbers, one more than boundaries, got 2"),
    (lambda: schedules.PiecewiseConstantDecay([2, 1], [1, 1, 1]), ValueError, "increasing"),
    (lambda: schedules.PiecewiseConstantDecay([1], [1, -1]), ValueError, "got -1"),
    (lambda: schedules.get({"name": "CosineDecays"}), ValueError, "Did you mean 'CosineDecay'?"),
    (lambda: schedules.get("cosine"), TypeError, "or its config(), got 'cosine'"),
])
def test_bad_schedules(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
