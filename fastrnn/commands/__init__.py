"""The verbs: ``fastrnn inspect | convert`` for model files; ``complete | tag | sentiment | blank | anomaly``
for the tasks, each with train, predict and evaluate."""

from .anomaly import Anomaly
from .blank import Blank
from .command import Failed, Verb
from .complete import Complete
from .convert import Convert
from .inspect import Inspect
from .sentiment import Sentiment
from .tag import Tag

COMMANDS: tuple[Verb, ...] = (Inspect(), Convert(), Anomaly(), Blank(), Complete(), Sentiment(), Tag())

__all__ = ["COMMANDS", "Failed", "Verb"]
