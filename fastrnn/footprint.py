"""The memory of a step, followed as the step goes (`fastrnn.training.step`, `fastrnn.prediction.outputs`):
what is held, what comes and goes, and the moment at which they are most together.
"""

from __future__ import annotations

from typing import Any

from .allocations import ID, LOGITS, Batch, Needs, Place, hands_on, keeps_input, takes_tail
from .crossentropy import SparseCategoricalCrossentropy
from .layers import OneHot, Recurrent

LINE, SMALL, HUGE, MOST = 64, 1 << 16, 1 << 21, 1 << 26  # as in fastrnn/kernels/_memory.pyx
FREED = 1 << 25  # bytes above which glibc gives a block that is freed back to the system


class Ledger:
    """What is held, by what it is for, and what was held when it was most.

    Blocks that are given back stay, for whoever needs one of about that size, up to a limit.
    """

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.spare: list[tuple[int, int]] = []  # (size of the block, bytes of it that were ever touched)

    def hold(self, kind: str, size: int) -> None:
        """Until `free`."""
        self.held[kind] = self.held.get(kind, 0) + size
        if sum(self.held.values()) > sum(self.most.values()):
            self.most = dict(self.held)

    def free(self, kind: str, size: int) -> None:
        """What was held."""
        self.held[kind] -= size

    def brief(self, size: int) -> None:
        """Comes and goes."""
        self.hold("work", size)
        self.free("work", size)

    def borrow(self, kind: str, size: int) -> tuple[int, int]:
        """A block, to be given back."""
        step = HUGE if size >= HUGE // 8 else LINE
        fitting = [block for block in self.spare if size + step <= block[0] <= 2 * (size + step)]
        # What lies in a large block lies in huge pages.  The last one is touched as a whole where the block
        # has room for it behind a start that may be anywhere: so the mean of that.
        rest = -size % HUGE if size + step >= 2 * HUGE else 0
        touched = size + rest * (HUGE - rest) // HUGE
        if size >= SMALL and fitting:
            block = min(fitting)
            self.spare.remove(block)
            self.free("spare", block[1])
            block = (block[0], max(block[1], touched))
        else:
            block = (size + step, touched)
        self.hold(kind, block[1])
        return block

    def give_back(self, kind: str, *blocks: tuple[int, int]) -> None:
        """Lend the blocks on."""
        for block in blocks:
            self.free(kind, block[1])
            if block[0] >= SMALL:
                self.hold("spare", block[1])
                self.spare.append(block)
        while sum(size for size, _ in self.spare) > MOST:
            self.free("spare", self.spare.pop(0)[1])

    def lend(self, sizes: list[int], beside: int = 0) -> None:
        """Blocks that come and go, all at once, and what comes and goes beside them."""
        blocks = [self.borrow("work", size) for size in sizes]
        self.brief(beside)
        self.give_back("work", *blocks)


def training_step(batch: Batch) -> dict[str, int]:
    """What is held at the worst moment of a training step, the second or a later one."""
    model, book = batch.model, Ledger()
    weights = sum(int(p.nbytes) for p in model.named_params().values())
    book.hold("weights", weights)
    book.hold("optimizer", weights * len(model.optimizer.slot_names()) if model.optimizer else 0)
    x = batch.places[0].rows * batch.width(model.layers[0].in_shape)
    sparse = isinstance(model.loss, SparseCategoricalCrossentropy)
    y = batch.places[-1].rows_out * (ID if sparse else batch.width(model.layers[-1].out_shape))
    book.hold("inputs", x + y)
    for _ in range(2):  # the second finds the blocks of the first
        _step(batch, book, x, y)
    return {kind: size for kind, size in book.most.items() if size}


def _step(batch: Batch, book: Ledger, x: int, y: int) -> None:
    model, tail = batch.model, takes_tail(batch.model)
    always = {kind: book.held.get(kind, 0) for kind in ("weights", "optimizer", "inputs")}
    book.held["gradients"] = 0  # those of the step before
    _pack(batch, book, x)
    places = batch.places[:-1] if tail else batch.places
    needs = [batch.needs(place) for place in places]
    index = ID * batch.places[0].rows  # the layout's; without it no sequence finds its end
    book.hold("work", index)
    book.brief(2 * index)
    blocks = _forward(batch, book, places, needs)
    if model.layers[-1].out_shape.sequence:
        book.hold("work", index)
        book.brief(2 * index)  # who owns a target, while it is looked up
    book.hold("activations", y)  # the targets, beside the rows
    dy, first = _loss(batch, book, tail), True
    packed = []
    for place, n, own in zip(reversed(places), reversed(needs), reversed(blocks), strict=True):
        packed += [book.borrow("packed weights", size) for size in n.packed_back]
        gradients = sum(int(p.nbytes) for p in place.layer.named_params().values())
        book.hold("gradients", gradients)
        book.hold("activations", n.dx)
        book.lend(n.backward_lent, n.backward)
        if not first:  # the step itself holds the gradient of the loss
            book.free("activations", dy)
        dy, first = n.dx, False
        # The cache is held until the end of the step, but another layer may write into these already.
        book.give_back("caches", *own)
    book.give_back("packed weights", *packed)
    book.held = {**always, "gradients": book.held["gradients"], "spare": book.held.get("spare", 0)}


def inference(batch: Batch) -> dict[str, int]:
    """What is held at the worst moment of `predict` with one batch of this size, but for the first call."""
    model, book = batch.model, Ledger()
    book.hold("weights", sum(int(p.nbytes) for p in model.named_params().values()))
    x = batch.places[0].rows * batch.width(model.layers[0].in_shape)
    book.hold("inputs", x)
    _pack(batch, book, x)
    book.hold("work", ID * batch.places[0].rows)
    given = x
    for place in batch.places:
        layer, n = place.layer, batch.needs(place)
        if layer.passes or isinstance(layer, OneHot):
            continue  # what it was given is what the next one gets
        output = place.rows_out * batch.width(layer.out_shape)  # type: ignore[arg-type]
        for size in n.packed:
            book.borrow("packed weights", size)
        book.hold("activations", output)
        # Kernels leave out what nobody sees; array code does not.
        unseen = (
            isinstance(layer, Recurrent) and not layer.return_sequences
            and layer.cell.name not in batch.kernels
        )  # fmt: skip
        book.lend(n.forward_lent, n.forward + unseen * place.rows * _state_width(layer) * batch.word)
        book.free("activations", given)
        given = output
    book.hold("activations", given)  # the outputs in the caller's order
    book.free("activations", given)
    book.brief(given)  # and all batches as one array
    return {kind: size for kind, size in book.most.items() if size}


def _state_width(layer: Any) -> int:
    return int(layer.state_widths[0]) if isinstance(layer, Recurrent) else 0


def _pack(batch: Batch, book: Ledger, x: int) -> None:
    """The rows of the batch: examples are picked, and then turned to stand in the order of time."""
    turned = batch.model.layers[0].in_shape.sequence and batch.B > 1 and batch.T > 1
    if turned and x <= FREED:
        # What was picked is freed below what was turned, and the C library keeps it for something smaller.
        book.hold("work", x)
    elif turned:
        book.brief(2 * x)
    book.hold("activations", x)


def _forward(batch: Batch, book: Ledger, places: list[Place], needs: list[Needs]) -> list[list[Any]]:
    """All layers in training; returns the blocks that each has borrowed for its cache."""
    held, blocks = 0, []
    for place, n in zip(places, needs, strict=True):
        for size in n.packed:
            book.borrow("packed weights", size)
        book.hold("caches", n.cache)
        blocks.append([book.borrow("caches", size) for size in n.lent])
        book.hold("activations", n.output)
        book.lend(n.forward_lent, n.forward)
        if hands_on(place.layer) or isinstance(place.layer, OneHot):
            continue  # what it was given is what the next one gets
        if not keeps_input(place.layer):
            book.free("activations", held)
        held = n.output
    return blocks


def _loss(batch: Batch, book: Ledger, tail: bool) -> int:
    """The loss and its gradient, of which the bytes are returned."""
    last = batch.places[-1]
    N, w, layer = last.rows_out, batch.word, last.layer
    if not tail:
        dy = N * batch.width(layer.out_shape)  # type: ignore[arg-type]
        book.hold("activations", dy)
        book.brief(dy + 2 * ID * N)
        return dy
    I, V = layer.in_shape.width, layer.units  # type: ignore[union-attr, attr-defined]
    book.hold("gradients", sum(int(p.nbytes) for p in layer.named_params().values()))
    dx = N * I * w
    book.hold("activations", dx + ID * N)  # and the class of the largest logit
    if "crossentropy" in batch.kernels:
        chunk = -(-N // max(-(-N // max(128, LOGITS // V)), 1))
        blocks = [chunk * (V + 16) * w, chunk * -(-V // 512) * 24, batch.padded(V) * I * w,
                  batch.padded(I) * V * w, batch.team(N * V * I) * batch.collect(V, I)]  # fmt: skip
        book.lend(blocks, (ID + w) * N)
    else:
        book.brief(3 * N * V * w + 2 * ID * N)
    return dx
