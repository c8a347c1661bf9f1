"""The verbs of the tasks: ``fastrnn complete | tag | sentiment | blank | anomaly``, each with train, predict
and evaluate."""

from .anomaly import Anomaly
from .blank import Blank
from .command import Command, Failed
from .complete import Complete
from .sentiment import Sentiment
from .tag import Tag

COMMANDS: tuple[Command, ...] = (Anomaly(), Blank(), Complete(), Sentiment(), Tag())

__all__ = ["COMMANDS", "Command", "Failed"]
