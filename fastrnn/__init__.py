"""fastrnn: recurrent networks on CPUs."""

from . import functional
from ._version import __version__
from .backends import get_backend, use_backend
from .errors import BackendError, DtypeError, ModelFormatError, NonFiniteError, ShapeError
from .threads import get_num_threads, set_num_threads, threads
