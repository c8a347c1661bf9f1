"""Pictures.  Each function draws on `ax`, or on a new figure of its own, and returns the Axes.

matplotlib is imported when something is drawn.  New figures do not pass through pyplot: nothing has to be
closed, and no display is needed.

    fr.plot.training_curves(model.fit(x, y, epochs=5)).figure.savefig("loss.png")
"""

from .completion import next_probabilities
from .curves import bars, training_curves
from .figure import COLORS, HANGUL, hangul_font, new_axes, shown
from .gates import gate_activity
from .gradients import gradient_norms
from .images import confusion_matrix, reconstructions
from .memory import memory_trace
from .running import running_probability
from .series import anomaly_scores, reconstruction
from .states import hidden_states
from .tags import tag_probabilities

__all__ = [
    "COLORS",
    "HANGUL",
    "anomaly_scores",
    "bars",
    "confusion_matrix",
    "gate_activity",
    "gradient_norms",
    "hangul_font",
    "hidden_states",
    "memory_trace",
    "new_axes",
    "next_probabilities",
    "reconstruction",
    "reconstructions",
    "running_probability",
    "shown",
    "tag_probabilities",
    "training_curves",
]
