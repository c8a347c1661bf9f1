"""Pictures.  Each function draws on `ax`, or on a new figure of its own, and returns the Axes.

matplotlib is imported when something is drawn.  New figures do not pass through pyplot: nothing has to be
closed, and no display is needed.

    fr.plot.training_curves(model.fit(x, y, epochs=5)).figure.savefig("loss.png")
"""

from .curves import bars, gradient_norms, training_curves
from .figure import COLORS, HANGUL, hangul_font, new_axes, shown
from .images import confusion_matrix, reconstructions

__all__ = [
    "COLORS",
    "HANGUL",
    "bars",
    "confusion_matrix",
    "gradient_norms",
    "hangul_font",
    "new_axes",
    "reconstructions",
    "shown",
    "training_curves",
]
