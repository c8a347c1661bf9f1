"""Short film reviews, positive or negative; not words (in Korean syllables) tell which, but their order.

"Not bad at all" and "재미있지 않다" turn a word round; "but", "although", "지만" and "줄 알았는데" say which
half of a sentence counts.
"""

from __future__ import annotations

import numpy as np

from ..errors import sentence, unknown

LABELS = {"en": ("positive", "negative"), "ko": ("긍정", "부정")}

_THINGS = {
    "en": "plot acting film music story ending dialogue camera cast script".split(),
    "ko": "줄거리가 연기가 영화가 음악이 이야기가 결말이 대사가 화면이 배우가 각본이".split(),
}
# Praise, then blame.  In Korean a stem, and its form before 줄 알았는데.
_ENGLISH = (
    "good great funny moving brilliant clever lovely exciting".split(),
    "bad dull silly boring awful clumsy ugly tiresome".split(),
)
_KOREAN = (
    [("재미있", "재미있을"), ("좋", "좋을"), ("훌륭하", "훌륭할"), ("뛰어나", "뛰어날"),
     ("감동적이", "감동적일"), ("멋지", "멋질"), ("신선하", "신선할")],
    [("지루하", "지루할"), ("나쁘", "나쁠"), ("어색하", "어색할"), ("뻔하", "뻔할"), ("엉성하", "엉성할"),
     ("답답하", "답답할"), ("유치하", "유치할")],
)  # fmt: skip
_OPENINGS = {
    "en": ("", "", "", "Honestly, ", "We saw it yesterday, and ", "In short, "),
    "ko": ("", "", "", "솔직히 ", "어제 보았는데 ", "한마디로 "),
}


def reviews(n: int, language: str = "en", *, seed: int = 0) -> tuple[list[str], list[str]]:
    """`n` texts and their labels, "positive" or "negative", in Korean "긍정" or "부정".

    >>> texts, labels = reviews(3, "ko", seed=3)
    >>> for text, label in zip(texts, labels):
    ...     print(label, text)
    긍정 어제 보았는데 이야기가 유치하지만 줄거리가 멋지다.
    부정 각본이 전혀 감동적이지 않다.
    부정 배우가 좋지만 결말이 조금도 뛰어나지 않다.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ValueError(sentence("reviews", "n", "a whole number of at least 0", repr(n)))
    if language not in LABELS:
        raise unknown("reviews", "language", language, tuple(LABELS))
    rng = np.random.default_rng([seed, 4])
    write = _english if language == "en" else _korean
    kinds = rng.integers(2, size=n).tolist()
    return [write(rng, kind) for kind in kinds], [LABELS[language][kind] for kind in kinds]


def _pick(rng: np.random.Generator, values: list[str] | tuple[str, ...]) -> str:
    return values[int(rng.integers(len(values)))]


def _two_things(rng: np.random.Generator, language: str) -> tuple[str, str]:
    i, j = rng.permutation(len(_THINGS[language]))[:2]
    return _THINGS[language][i], _THINGS[language][j]


def _english(rng: np.random.Generator, kind: int) -> str:
    def clause(what: str, kind: int) -> str:
        if rng.random() < 0.5:
            return f"the {what} was {_pick(rng, _ENGLISH[kind])}"
        how = _pick(rng, ("at all", "in the least", "for a minute"))
        return f"the {what} was not {_pick(rng, _ENGLISH[1 - kind])} {how}"

    one, other = _two_things(rng, "en")
    counts, against = clause(one, kind), clause(other, 1 - kind)
    hoped, came = _pick(rng, _ENGLISH[1 - kind]), _pick(rng, _ENGLISH[kind])
    forms = (
        counts,
        f"{against}, but {counts}",
        f"although {against}, {counts}",
        f"{counts}, although {against}",
        f"I thought the {one} would be {hoped}, but it was {came}",
    )
    text = _pick(rng, _OPENINGS["en"]) + _pick(rng, forms) + "."
    return text[0].upper() + text[1:]


def _korean(rng: np.random.Generator, kind: int) -> str:
    def word(kind: int) -> tuple[str, str]:
        return _KOREAN[kind][int(rng.integers(len(_KOREAN[kind])))]

    one, other = _two_things(rng, "ko")
    (own, _), (opposite, hoped) = word(kind), word(1 - kind)
    counts = f"{one} {own}다"
    if rng.random() < 0.5:
        counts = f"{one} {_pick(rng, ('', '전혀 ', '조금도 '))}{opposite}지 않다"
    forms = (
        counts,
        f"{other} {word(1 - kind)[0]}지만 {counts}",
        f"{other} {word(kind)[0]}지는 않지만 {counts}",
        f"{one} {hoped} 줄 알았는데 {own}다",
    )
    return _pick(rng, _OPENINGS["ko"]) + _pick(rng, forms) + "."
