"""How the demo shows a training: a bar over the epochs on a terminal, one line for it all elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from fastrnn.callbacks import Callback


class Epochs(Callback):
    """Counts epochs for the reader; give it to `fit` with verbose=0."""

    def __init__(self, label: str, epochs: int) -> None:
        self.label, self.epochs = label, epochs
        self.bar: Any = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.began = time.perf_counter()
        if sys.stdout.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            label = f"  {self.label}"
            self.bar = tqdm(total=self.epochs, desc=label, leave=False, dynamic_ncols=True, file=sys.stdout)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.loss = (logs or {}).get("loss", float("nan"))
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {self.loss:.4g}", refresh=False)
            self.bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self.bar is not None:
            self.bar.close()
        seconds = time.perf_counter() - self.began
        print(f"  {self.label}: {self.epochs} epochs, loss {self.loss:.4g}, {seconds:.1f} s", flush=True)
