"""JAX on the CPU: jit of lax.scan, gradients by jax.vjp, and an autoencoder with Adam written out.

The input's products stand outside the scan, one product for all steps, as JAX users write it. Arrays lie on
the device before anything is timed; a call ends when its results are there (`block_until_ready`).

XLA's thread pool has no function that sets its size. `start` holds the process to so many cores before JAX is
imported, which counts them, and gives XLA the variable NPROC and, at one thread, the flag that turns
its threaded products off. Where a system cannot hold a process to cores, the variables alone must do.
"""

from __future__ import annotations

import os
from typing import Any

from .. import dense
from ..cases import Case
from ..machine import usable_cores
from . import Unsupported, Work

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"


def hold(threads: int | None) -> int:
    """Hold this process to `threads` cores before XLA counts them; the number it may use."""
    if threads is not None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
        os.environ["NPROC"] = str(threads)
        if threads == 1:
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {ONE_THREAD}".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"
    return threads or usable_cores()


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    used = hold(threads)
    import jax

    return {"threads": used, "versions": {"jax": jax.__version__}}


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    if case.subject == "dense":
        return _autoencoder(given)
    if case.subject not in ("recurrent", "ragged"):
        raise Unsupported("single recurrences over whole sequences, and autoencoders.")
    return _recurrence(case, given)


def _lstm(params: Any, state: Any, rows: Any) -> Any:
    import jax
    import jax.numpy as jnp

    h, c = state
    i, f, g, o = jnp.split(rows + h @ params["W_hh"].T, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _gru(params: Any, state: Any, rows: Any) -> Any:
    import jax
    import jax.numpy as jnp

    (h,) = state
    r, z, n = jnp.split(rows, 3, axis=1)
    p_r, p_z, p_n = jnp.split(h @ params["W_hh"].T + params["b_hh"], 3, axis=1)
    z = jax.nn.sigmoid(z + p_z)
    n = jnp.tanh(n + jax.nn.sigmoid(r + p_r) * p_n)
    return ((1 - z) * n + z * h,)


def _rnn(params: Any, state: Any, rows: Any) -> Any:
    import jax.numpy as jnp

    (h,) = state
    return (jnp.tanh(rows + h @ params["W_hh"].T),)


STEPS = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}


def _recurrence(case: Case, given: dict[str, Any]) -> Work:
    import jax
    import jax.numpy as jnp

    step_of, first = STEPS[case.cell], not case.time_major
    lengths = None if given["lengths"] is None else jnp.asarray(given["lengths"])
    times = jnp.arange(case.T)

    def forward(params: Any, x: Any) -> Any:
        x = x.swapaxes(0, 1) if first else x
        bias = params["b_ih"] if case.cell == "gru" else params["b"]
        zero = jnp.zeros((case.B, case.H), x.dtype)

        def step(state: Any, now: Any) -> Any:
            t, rows = now
            new = step_of(params, state, rows)
            if lengths is None:
                return new, new[0]
            on = (t < lengths)[:, None]
            kept = tuple(jnp.where(on, a, b) for a, b in zip(new, state, strict=True))
            return kept, jnp.where(on, new[0], 0)

        states = (zero,) * (2 if case.cell == "lstm" else 1)
        states, y = jax.lax.scan(step, states, (times, x @ params["W_ih"].T + bias))
        return y.swapaxes(0, 1) if first else y, states

    def train(params: Any, x: Any, dy: Any) -> Any:
        y, back, states = jax.vjp(forward, params, x, has_aux=True)
        return y, states, back(dy)

    params = {name: jnp.asarray(array) for name, array in given["params"].items()}
    arguments = [params, jnp.asarray(given["x"])]
    if case.training:
        arguments.append(jnp.asarray(given["dy"]))
    run = jax.jit(train if case.training else forward)

    def call() -> Any:
        return jax.block_until_ready(run(*arguments))

    return Work(call, lambda: read(call()))


def read(found: Any) -> dict[str, Any]:
    """Results (y, states) or (y, states, (dparams, dx)) by the names of `bench.recurrent.expected`."""
    import numpy as np

    y, states, *gradients = found
    result = {"y": y, **dict(zip(("h", "c"), states, strict=False))}
    for dparams, dx in gradients:
        result.update(dx=dx, **{f"d{name}": array for name, array in dparams.items()})
    return {name: np.asarray(array) for name, array in result.items()}


def _autoencoder(given: dict[str, Any]) -> Work:
    import jax
    import jax.numpy as jnp
    import numpy as np

    x = jnp.asarray(given["x"])
    last = len(given["weights"]) - 1

    def loss_of(params: Any, x: Any) -> Any:
        rows = x
        for index in range(last + 1):
            a = rows @ params[2 * index].T + params[2 * index + 1]
            rows = jax.nn.sigmoid(a) if index == last else jax.nn.relu(a)
        return jnp.mean((rows - x) ** 2)

    def step(params: Any, m: Any, v: Any, t: Any, x: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x)
        t = t + 1
        rate = dense.RATE * jnp.sqrt(1 - dense.BETA_2**t) / (1 - dense.BETA_1**t)
        m = [a + (1 - dense.BETA_1) * (g - a) for a, g in zip(m, grads, strict=True)]
        v = [a + (1 - dense.BETA_2) * (g * g - a) for a, g in zip(v, grads, strict=True)]
        moved = zip(params, m, v, strict=True)
        params = [p - rate * a / (jnp.sqrt(b) + dense.EPSILON) for p, a, b in moved]
        return params, m, v, t, loss

    run = jax.jit(step, donate_argnums=(0, 1, 2, 3))
    params = [jnp.asarray(array) for pair in given["weights"] for array in pair]
    zeros = [[0 * p for p in params] for _ in range(2)]
    state: list[Any] = [params, *zeros, jnp.zeros((), jnp.float32)]

    def call() -> Any:
        *moved, loss = run(*state, x)
        state[:] = moved  # the memory of the old ones was given away
        return loss.block_until_ready()

    def first_steps() -> dict[str, Any]:
        losses = [float(call()) for _ in range(dense.STEPS)]
        return dense.summarize(given, losses, [np.asarray(p) for p in state[0]])

    return Work(call, first_steps)
