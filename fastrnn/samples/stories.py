"""Stories with a blank: a person comes in, much is said that is of no use, and ``___`` is that person.

Who came in is said by the first sentence alone, so a network has to remember it over all the words between.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import sentence, unknown

PEOPLE = {  # men, women
    "en": (
        "Tom John David Peter Mark Paul James Robert George Henry Frank Simon Martin Walter Edward "
        "Oscar".split(),
        "Mary Anna Susan Laura Emma Helen Alice Julia Sarah Karen Linda Maria Nancy Rachel Diana "
        "Sophie".split(),
    ),
    "ko": (
        "철수 민수 영호 준호 동현 성민 지훈 현우 상철 영수 소년 아저씨 할아버지 삼촌 아버지 왕자".split(),
        "영희 순희 미영 지영 은정 수진 민지 혜진 미숙 서연 소녀 아주머니 할머니 이모 어머니 공주".split(),
    ),
}
PRONOUNS = {"en": ("he", "she"), "ko": ("그는", "그녀는")}

_OPENINGS = {
    "en": (
        "{} came into the room.", "{} sat down by the window.", "{} walked along the street.",
        "{} arrived early in the morning.", "{} was waiting at the station.", "{} opened the door quietly.",
    ),
    "ko": (
        "{} 방에 들어왔다.", "{} 창가에 앉았다.", "{} 길을 걷고 있었다.", "{} 아침 일찍 도착했다.",
        "{} 역에서 기다리고 있었다.", "{} 조용히 문을 열었다.",
    ),
}  # fmt: skip
_CLOSINGS = {
    "en": (
        "Then ___ went home.", "At last ___ smiled.", "After that ___ fell asleep.",
        "Later ___ wrote a letter.", "In the evening ___ was tired.", "Finally ___ drank some tea.",
    ),
    "ko": (
        "그리고 ___ 집으로 갔다.", "마침내 ___ 웃었다.", "그 뒤에 ___ 잠이 들었다.",
        "나중에 ___ 편지를 썼다.", "저녁에 ___ 피곤했다.", "끝으로 ___ 차를 마셨다.",
    ),
}  # fmt: skip
# A filler sentence takes one of each line; none of the words tells who the story is about.
_FILLER = {
    "en": [
        "The|An old|A small|The other|One|The last|A wooden|The red|A heavy|The new",
        "clock|table|train|river|garden|lamp|bridge|piano|kettle|bicycle|cloud|market|ship|tower|dog",
        "stood|waited|was seen|appeared|stayed|was left|shone|could be heard|was kept|rested",
        "near the church|under the trees|behind the house|in the rain|beside a wall|across the square|"
        "by the sea|in the kitchen|on the hill|at the corner|below the roof|before noon",
    ],
    "ko": [
        "낡은|작은|커다란|빨간|새|무거운|하얀|오래된|나무로 된|마지막",
        "시계가|탁자가|기차가|강이|정원이|등불이|다리가|구름이|시장이|배가|탑이|개가",
        "교회 옆에|나무 아래에|집 뒤에|빗속에|담 곁에|광장 건너에|바닷가에|언덕 위에|지붕 아래에|문 앞에",
        "서 있었다|남아 있었다|보였다|나타났다|놓여 있었다|멈춰 있었다|그대로 있었다|쉬고 있었다",
    ],
}
# Sentences about other people, who are not the one that the blank stands for.
_OTHERS = {
    "en": (
        "A letter to {} lay on the desk.", "The house once belonged to {}.",
        "A picture of {} hung on the wall.", "Nobody had heard from {} for years.",
    ),
    "ko": (
        "{}에게 온 편지가 책상에 있었다.", "그 집은 예전에 {}의 집이었다.", "벽에는 {}의 사진이 걸려 있었다.",
        "{}의 소식은 오랫동안 없었다.",
    ),
}  # fmt: skip
_HELD_OUT = 5  # one filler sentence in five occurs in the test stories, and in them alone


def stories(
    count: int, distance: int | tuple[int, int] = (20, 200), *, language: str = "en", distractors: int = 0,
    split: str = "train", seed: int = 0,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """Stories with one ``___`` each, and the words that belong there.

    Parameters
    ----------
    count : number of stories; half of them are about a man, half about a woman
    distance : words between the first sentence and the one with the blank, or (least, most), drawn evenly
    language : "en", answered by "he" and "she", or "ko", by "그는" and "그녀는"
    distractors : sentences among those words that name somebody else, of either gender
    split : "train" or "test"; they have the people in common, but no filler sentence
    seed : the same seed gives the same stories

    Returns
    -------
    texts, answers : two lists of `count` strings

    >>> texts, answers = stories(1, distance=6, seed=3)
    >>> print(texts[0], "->", answers[0])
    Oscar was waiting at the station. The red ship was left behind ... Then ___ went home. -> he
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 0:
        raise ValueError(sentence("stories", "count", "a whole number of at least 0", repr(count)))
    if language not in PEOPLE:
        raise unknown("stories", "language", language, tuple(PEOPLE))
    if split not in ("train", "test"):
        raise unknown("stories", "split", split, ("train", "test"))
    if isinstance(distractors, bool) or not isinstance(distractors, (int, np.integer)) or distractors < 0:
        raise ValueError(
            sentence("stories", "distractors", "a whole number of at least 0", repr(distractors))
        )
    low, high = _range(distance)
    rng = np.random.default_rng([seed, 0x5709 + (split == "test")])
    genders = rng.permutation(np.arange(count) % 2)
    texts = []
    for gender in genders:
        person = _pick(rng, PEOPLE[language][gender])
        opening = _pick(rng, _OPENINGS[language]).format(_subject(person, language))
        others = [_someone_else(rng, person, language) for _ in range(distractors)]
        filler = _filler(rng, int(rng.integers(low, high + 1)), language, others, split == "test")
        texts.append(" ".join([opening, *filler, _pick(rng, _CLOSINGS[language])]))
    return texts, [PRONOUNS[language][gender] for gender in genders]


def _range(distance: Any) -> tuple[int, int]:
    pair = distance if isinstance(distance, (tuple, list)) else (distance, distance)
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in pair)
    if len(pair) != 2 or not whole or not 0 <= pair[0] <= pair[1]:
        expected = "a number of words of at least 0, or (least, most)"
        raise ValueError(sentence("stories", "distance", expected, repr(distance)))
    return int(pair[0]), int(pair[1])


def _pick(rng: np.random.Generator, several: Any) -> str:
    return str(several[rng.integers(len(several))])


def _subject(person: str, language: str) -> str:
    """A Korean subject gets 이 after a consonant and 가 after a vowel."""
    if language != "ko":
        return person
    return person + ("이" if (ord(person[-1]) - 0xAC00) % 28 else "가")


def _someone_else(rng: np.random.Generator, person: str, language: str) -> str:
    """A sentence that names somebody else, of either gender."""
    group = [name for name in PEOPLE[language][rng.integers(2)] if name != person]
    return _pick(rng, _OTHERS[language]).format(_pick(rng, group))


def _filler(
    rng: np.random.Generator, distance: int, language: str, others: list[str], test: bool
) -> list[str]:
    """Exactly `distance` words of filler; the last sentence breaks off where it would be too long."""
    sentences: list[str] = []
    left = distance
    for other in others:
        if len(other.split()) <= left:
            sentences.append(other)
            left -= len(other.split())
    columns = [line.split("|") for line in _FILLER[language]]
    while left:
        chosen = [int(rng.integers(len(column))) for column in columns]
        if (sum(chosen) % _HELD_OUT == 0) != test:
            continue
        words = " ".join(column[k] for column, k in zip(columns, chosen, strict=True)).split()
        end = "." if len(words) <= left else " ..."
        sentences.append(" ".join(words[:left]) + end)
        left -= min(left, len(words))
    broken = sentences[-1:] if sentences and sentences[-1].endswith("...") else []
    whole = sentences[: len(sentences) - len(broken)]
    return [whole[k] for k in rng.permutation(len(whole))] + broken
