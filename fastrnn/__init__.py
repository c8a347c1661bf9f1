"""fastrnn: recurrent networks and autoencoders on CPUs, trained and run by Cython and a C++ step engine.

>>> import numpy as np, fastrnn as fr
>>> model = fr.Sequential([fr.OneHot(50), fr.LSTM(16), fr.Dense(50, activation="softmax")], seed=0)
>>> model.predict(np.array([[3, 1, 4, 1, 5]])).shape
(1, 50)
"""

from . import (
    callbacks,
    estimators,
    functional,
    initializers,
    interop,
    losses,
    metrics,
    optimizers,
    plot,
    samples,
    schedules,
    tasks,
    text,
)
from ._version import __version__
from .autoencoder import Autoencoder, SequenceAutoencoder
from .backends import get_backend, use_backend
from .cells import Cell
from .config import show_config
from .diagnostics import diagnose
from .errors import BackendError, DtypeError, ModelFormatError, NonFiniteError, ShapeError
from .layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    ActivityRegularization,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    Input,
    LastStep,
    Layer,
    Masking,
    OneHot,
    Recurrent,
    RepeatVector,
    Reversed,
    SimpleRNN,
    TimeDistributed,
    Words,
)
from .loading import load
from .model import Sequential
from .threads import get_num_threads, set_num_threads, threads
from .weights import Weights

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "Autoencoder",
    "BackendError",
    "Bidirectional",
    "Cell",
    "Dense",
    "Dropout",
    "DtypeError",
    "Embedding",
    "GaussianNoise",
    "Input",
    "LastStep",
    "Layer",
    "Masking",
    "ModelFormatError",
    "NonFiniteError",
    "OneHot",
    "Recurrent",
    "RepeatVector",
    "Reversed",
    "SequenceAutoencoder",
    "Sequential",
    "ShapeError",
    "SimpleRNN",
    "TimeDistributed",
    "Weights",
    "Words",
    "__version__",
    "callbacks",
    "diagnose",
    "estimators",
    "functional",
    "get_backend",
    "get_num_threads",
    "initializers",
    "interop",
    "load",
    "losses",
    "metrics",
    "optimizers",
    "plot",
    "samples",
    "schedules",
    "set_num_threads",
    "show_config",
    "tasks",
    "text",
    "threads",
    "use_backend",
]  # fmt: skip
