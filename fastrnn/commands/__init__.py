"""The verbs of the tasks: ``fastrnn complete | tag | sentiment | blank | anomaly``, each with train, predict
and evaluate."""

from .command import Command, Failed

COMMANDS: tuple[Command, ...] = ()

__all__ = ["COMMANDS", "Command", "Failed"]
