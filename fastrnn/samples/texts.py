"""Everyday sentences to complete: who does what, where and when; the place decides what is done."""

from __future__ import annotations

import numpy as np

from ..errors import sentence, unknown
from ..layers.base import check_units

_WHO = {
    "ko": "나는 동생은 친구는 어머니는 아버지는 할머니는 선생님은 민수는 영희는 우리는".split(),
    "en": "I,my brother,my friend,my mother,my father,my grandmother,the teacher,Tom,Mary,we".split(","),
}
_WHEN = {
    "ko": "아침마다,저녁에,오늘도,주말이면,비가 그치면,방학 때".split(","),
    "en": "every morning,in the evening,today,at weekends,after the rain,in the holidays".split(","),
}
# Place, thing, verb; the English verb as with "I" and as with "she".
_WHAT = {
    "ko": (
        "학교에서 책을 읽는다", "시장에서 사과를 산다", "부엌에서 밥을 짓는다", "공원에서 자전거를 탄다",
        "방에서 음악을 듣는다", "강가에서 물고기를 잡는다", "마당에서 꽃을 심는다", "극장에서 영화를 본다",
        "도서관에서 편지를 쓴다", "바닷가에서 그림을 그린다",
    ),
    "en": (
        "at school,read|reads,a book", "at the market,buy|buys,apples", "in the kitchen,cook|cooks,rice",
        "in the park,ride|rides,a bicycle", "at home,hear|hears,music", "by the river,catch|catches,fish",
        "in the garden,plant|plants,flowers", "at the cinema,watch|watches,a film",
        "in the library,write|writes,letters", "at the beach,paint|paints,pictures",
    ),
}  # fmt: skip


def sentences(n: int, language: str = "ko", seed: int = 0) -> list[str]:
    """n sentences, drawn; about six hundred different ones exist in each language.

    language : "ko" or "en"

    >>> sentences(2, "ko")
    ['할머니는 방학 때 바닷가에서 그림을 그린다.', '할머니는 저녁에 도서관에서 편지를 쓴다.']
    >>> sentences(1, "en")
    ['At the beach my grandmother paints pictures in the holidays.']
    """
    n = check_units("sentences", "n", n, 0)
    if language not in _WHO:
        raise unknown("sentences", "language", language, tuple(_WHO))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(sentence("sentences", "seed", "a whole number of at least 0", repr(seed)))
    rng = np.random.default_rng([seed, 1])
    who, when, what = _WHO[language], _WHEN[language], _WHAT[language]
    drawn = rng.integers((len(who), len(when), len(what)), size=(n, 3))
    made = _korean if language == "ko" else _english
    return [made(who[i], when[j], what[k]) for i, j, k in drawn]


def _korean(who: str, when: str, what: str) -> str:
    return f"{who} {when} {what}."


def _english(who: str, when: str, what: str) -> str:
    place, verbs, thing = what.split(",")
    verb = verbs.split("|")[who not in ("I", "we")]
    text = f"{place} {who} {verb} {thing} {when}."
    return text[0].upper() + text[1:]
