"""Tagged sentences from templates, Korean and English, with the universal parts of speech.

Some words have two parts of speech, told by their neighbours alone: "can", "water", "light" and "play", and
in Korean 나는 ("I", or "flying").  Korean words are eojeol, particles included, as in the Korean treebanks
of Universal Dependencies.
"""

from __future__ import annotations

import numpy as np

from ..errors import sentence, unknown

Sentence = list[tuple[str, str]]

# Slots are tags, or words of one tag that only some places take: those of _TAGS.
_WORDS = {
    "en": {
        "PRON": "I you we they",
        "PROPN": "Mina John Seoul Anna London",
        "DET": "the a this every my",
        "ADJ": "small light old happy new red",
        "WHO": "dog teacher student friend bird",
        "NOUN": "water book play light can garden river",
        "NOUNS": "dogs books teachers gardens rivers students",
        "VERB": "water play read like carry light find see",
        "VERBS": "reads likes carries finds sees",
        "RUNS": "sleeps runs waits sings",
        "AUX": "can will must may",
        "ADP": "in with near under behind",
        "ADV": "often quickly here again today",
        "CCONJ": "and or but",
        "NUM": "two three 20 1999",
        "PUNCT": ". !",
    },
    "ko": {
        "PRON": "나는 그는 우리는 너는 그녀는",
        "PROPN": "민수는 지영이는 서울은 영희는 부산은",
        "DET": "이 그 저 새 모든",
        "WHO": "학생이 강아지가 선생님이 친구가 새가",
        "OBJECT": "책을 물을 밥을 영화를 노래를",
        "PLACE": "학교에 집에서 공원에서 바다로 도서관에",
        "ADJ": "작은 예쁜 오래된 좋은 빨간",
        "FLYING": "나는 자는 웃는 뛰는",
        "ADV": "오늘 자주 빨리 다시 천천히",
        "VERB": "읽는다 마셨다 보았다 먹겠다 불렀다",
        "GOES": "간다 왔다 뛰었다 앉았다 쉬겠다",
        "AND": "읽고 마시며 보면서 먹고 부르며",
        "QUALITY": "좋다 예쁘다 작았다 아프다",
        "CCONJ": "그리고 그러나 또는",
        "NUM": "두 세 20개의 1999년",
        "PUNCT": ". !",
    },
}
_TAGS = {"WHO": "NOUN", "NOUNS": "NOUN", "VERBS": "VERB", "RUNS": "VERB", "OBJECT": "NOUN", "PLACE": "NOUN",
         "FLYING": "VERB", "GOES": "VERB", "AND": "VERB", "QUALITY": "ADJ"}  # fmt: skip
_TEMPLATES = {
    "en": (
        "PRON AUX VERB DET NOUN PUNCT",
        "DET ADJ WHO RUNS PUNCT",
        "DET WHO RUNS ADP DET NOUN PUNCT",
        "PROPN VERBS DET ADJ NOUN ADV PUNCT",
        "PRON VERB NUM NOUNS ADP PROPN PUNCT",
        "PRON VERB DET NOUN CCONJ VERB DET NOUN PUNCT",
        "PROPN AUX ADV VERB DET NOUN PUNCT",
    ),
    "ko": (
        "PRON PLACE GOES PUNCT",
        "DET WHO OBJECT ADV VERB PUNCT",
        "ADJ WHO PLACE GOES PUNCT",
        "FLYING WHO PLACE GOES PUNCT",
        "PROPN ADV OBJECT VERB PUNCT",
        "PRON OBJECT AND PLACE GOES PUNCT",
        "DET WHO ADV QUALITY PUNCT",
        "CCONJ PRON NUM OBJECT VERB PUNCT",
    ),
}


def tagged(n: int, language: str = "en", *, seed: int = 0) -> list[Sentence]:
    """`n` sentences of (token, tag).

    language : "en" or "ko"

    >>> for one in tagged(2, "ko", seed=1):
    ...     print(" ".join(f"{token}/{tag}" for token, tag in one))
    뛰는/VERB 학생이/NOUN 바다로/NOUN 뛰었다/VERB !/PUNCT
    그녀는/PRON 학교에/NOUN 쉬겠다/VERB !/PUNCT
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(sentence("tagged", "n", "a whole number of at least 1", repr(n)))
    if language not in _WORDS:
        raise unknown("tagged", "language", language, tuple(_WORDS))
    rng = np.random.default_rng([seed, 3])
    words = {slot: choices.split() for slot, choices in _WORDS[language].items()}
    templates = [template.split() for template in _TEMPLATES[language]]
    chosen = (templates[k] for k in rng.integers(len(templates), size=n))
    return [[(str(rng.choice(words[one])), _TAGS.get(one) or one) for one in slots] for slots in chosen]
