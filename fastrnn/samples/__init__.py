"""Small data sets that are made, not read: every task can be tried and tested on any machine."""

from .puzzles import adding_problem, temporal_order
from .reviews import reviews
from .series import daily
from .stories import stories
from .tagged import tagged
from .texts import sentences

__all__ = ["adding_problem", "daily", "reviews", "sentences", "stories", "tagged", "temporal_order"]
