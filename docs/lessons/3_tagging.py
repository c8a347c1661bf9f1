"""Lesson 3: part-of-speech tagging, for each word the probability of each tag.

제3과: 품사 태깅. 단어마다 각 품사의 확률을 구합니다.

A many-to-many network: it reads one word per step and answers at every step.  What a word is often depends
on the words behind it, so the LSTM reads the sentence in both directions.

다대다(many-to-many) 신경망입니다. 한 스텝에 단어를 하나씩 읽고, 스텝마다 답을 하나씩 냅니다.
단어의 품사는 뒤에 오는 단어를 보아야 알 수 있을 때가 많으므로, LSTM이 문장을 양쪽 방향에서 모두 읽습니다.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

import fastrnn as fr
from fastrnn.samples import tagged
from fastrnn.text import jamo, words

# Both have words that the data does not have: 숲으로 ("to the woods"), 떠났다 ("left") and "lamp".
KOREAN = "나는 새가 숲으로 떠났다."
ENGLISH = "You can light the old lamp!"


def show(tagger: fr.tasks.PosTagger, text: str) -> None:
    """Print the three most probable tags of each word."""
    tokens = words(text)
    for token, row in zip(tokens, tagger.probabilities(tokens), strict=True):
        best = sorted(zip(row, tagger.tags, strict=True), reverse=True)[:3]
        print(f"  {token:<8}", "   ".join(f"{tag:<5} {100 * p:5.1f} %" for p, tag in best))


def line(tagger: fr.tasks.PosTagger, text: str) -> str:
    """The text as word/TAG."""
    tokens = words(text)
    return "   " + " ".join(f"{token}/{tag}" for token, tag in zip(tokens, tagger.tag(tokens), strict=True))


def main(out: Path, quick: bool) -> None:
    # 1. The data: sentences whose words have tags.  They are made from templates, in both languages.
    #    데이터: 단어마다 품사가 달린 문장입니다. 두 언어 모두 틀(template)에서 만들어 냅니다.
    n = 200 if quick else 300
    train = tagged(n, "ko", seed=1) + tagged(n, "en", seed=1)
    test = tagged(200, "ko", seed=2) + tagged(200, "en", seed=2)
    print("1. Tagged sentences / 품사가 달린 문장")
    for one in (train[0], train[n]):
        print("  ", " ".join(f"{token}/{tag}" for token, tag in one))

    # 2. What the network sees: the word, its characters and, for Korean, the letters (jamo) of its syllables.
    #    Endings such as -는다 or -에서 are told by them, even in words that were never seen.
    #    신경망이 보는 것: 단어 자체, 글자, 그리고 한국어에서는 음절을 이루는 자모입니다.
    #    자모를 보면 처음 보는 단어라도 "-는다", "-에서" 같은 어미와 조사를 알아볼 수 있습니다.
    print(f"\n2. 학교에서 = {len('학교에서')} syllables / 음절 = {len(jamo('학교에서'))} jamo / 자모")

    # 3. Training: at every step a softmax over the tags, and the cross-entropy of the right one.
    #    학습: 스텝마다 품사에 대한 소프트맥스를 구하고, 정답 품사의 교차 엔트로피를 줄여 나갑니다.
    print("\n3. Training / 학습")
    tagger = fr.tasks.PosTagger(units=32, character_units=16, word_dim=32, seed=0)
    tagger.fit(train, epochs=8, learning_rate=0.01)
    tagger.model.summary()

    # 4. The answer of each step is a row of probabilities, and they sum to one.
    #    각 스텝의 답은 확률의 한 줄이고, 모두 더하면 1이 됩니다.
    print("\n4. The probability of each tag, for each word / 단어마다 각 품사의 확률")
    for text in (KOREAN, ENGLISH):
        print(text)
        show(tagger, text)

    # 5. One word, two tags: 나는 is "I" or "flying", and light a verb or a noun.  Only the neighbours tell.
    #    같은 단어, 다른 품사: "나는"은 대명사일 수도, '날다'의 활용형일 수도 있습니다.
    #    이웃한 단어를 보아야 압니다.
    print("\n5. One word, two tags / 같은 단어, 다른 품사")
    for text in ("나는 바다로 간다.", "나는 새가 바다로 간다."):
        print(line(tagger, text))

    # 6. Words that were never seen: the spelling tells.   처음 보는 단어: 철자를 보고 압니다.
    print("\n6. New words: 신문을, 던졌다, trees / 처음 보는 단어: 신문을, 던졌다, trees")
    for text in ("우리는 신문을 던졌다.", "They carry two trees near London."):
        print(line(tagger, text))
    accuracy = tagger.evaluate(test)["accuracy"]
    print(f"\nAccuracy on other sentences / 학습에 쓰지 않은 문장의 정확도: {accuracy:.1%}")

    # 7. The picture: a column a word, a row a tag.   그림: 가로는 단어, 세로는 품사입니다.
    figure = Figure(figsize=(8.4, 4.2), dpi=150, layout="constrained")
    for ax, text in zip(figure.subplots(1, 2, sharey=True), (KOREAN, ENGLISH), strict=True):
        fr.plot.tag_probabilities(tagger.probabilities(words(text)), words(text), tagger.tags, ax)
    figure.savefig(out / f"{Path(__file__).stem}.png")
    print(f"\nPicture / 그림: {out / Path(__file__).stem}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short form, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the picture")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
