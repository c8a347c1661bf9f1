"""Lesson 4: sentiment analysis, one answer for a whole sentence.

제4과: 감성 분석. 문장 전체에 답을 하나만 냅니다.

A many-to-one network: an LSTM reads the tokens one by one, and only its last state goes on to the output
layer.  If that layer is asked after every token, one sees how its opinion moves while it reads.

다대일(many-to-one) 신경망입니다. LSTM이 토큰을 하나씩 읽고, 마지막 상태만 출력층으로 넘어갑니다.
토큰을 읽을 때마다 출력층에 물어보면, 읽는 동안 판단이 어떻게 바뀌어 가는지 볼 수 있습니다.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

import fastrnn as fr
from fastrnn.samples import reviews

# The last words turn them round. / 마지막 말이 뜻을 뒤집는 문장들입니다.
KOREAN = "음악이 좋지만 영화가 재미있지 않다."  # "The music is good, but the film is not fun."
ENGLISH = "The music was good, but the film was not exciting at all."


def trained(language: str, quick: bool) -> fr.tasks.SentimentClassifier:
    """A classifier for the made reviews of one language. / 한 언어의 영화평으로 학습한 분류기."""
    # It reads in one direction only, so that a step knows what was read and nothing else.
    # 한 방향으로만 읽습니다. 그래야 각 스텝이 그때까지 읽은 것만 알고 있습니다.
    classifier = fr.tasks.SentimentClassifier(
        units=32, embedding=16, bidirectional=False, dropout=0.2, token_dropout=0, learning_rate=0.01, seed=0
    )
    texts, labels = reviews(600 if quick else 2000, language, seed=1)
    classifier.fit(texts, labels, epochs=10 if quick else 15)
    return classifier


def main(out: Path, quick: bool) -> None:
    # 1. The data: made reviews in which single words do not tell, because of "not", "but" and "although".
    #    데이터: 만들어 낸 영화평입니다. "-지 않다", "-지만", "-ㄹ 줄 알았는데"가 뜻을 바꾸므로,
    #    낱말 하나만 보아서는 알 수 없습니다.
    print("1. Reviews / 영화평")
    for language in ("ko", "en"):
        for text, label in zip(*reviews(3, language, seed=3), strict=True):
            print(f"   {label:<9} {text}")

    # 2. Training: a softmax over the labels, on the last state alone.  The loss is the cross-entropy.
    #    학습: 마지막 상태에만 소프트맥스를 씌워 레이블의 확률을 구합니다. 손실은 교차 엔트로피입니다.
    print("\n2. Training / 학습")
    korean, english = trained("ko", quick), trained("en", quick)
    english.model.summary()

    # 3. Reviews it has not seen.  A token is a word in English and a syllable in Korean: an eojeol such as
    #    "재미있지만" has too many forms to be learnt as one.
    #    처음 보는 영화평으로 평가합니다. 토큰은 영어에서는 단어, 한국어에서는 음절입니다.
    #    "재미있지만"처럼 어절은 활용형이 너무 많아서 통째로 배우기 어렵기 때문입니다.
    print("\n3. Reviews it has not seen / 처음 보는 영화평")
    for classifier, language in ((korean, "ko"), (english, "en")):
        figures = classifier.evaluate(*reviews(500, language, seed=2))
        print(f"   {language}: accuracy / 정확도 {figures['accuracy']:.1%}, tokens / 토큰 {classifier.level}")

    # 4. The same words in another order are another opinion.
    #    같은 낱말도 순서가 바뀌면 다른 의견이 됩니다.
    print("\n4. The order decides / 순서가 뜻을 정한다")
    pairs = (
        (english, "The plot was good, although the cast was dull.",
         "Although the plot was good, the cast was dull."),
        (korean, "영화가 지루할 줄 알았는데 재미있다.", "영화가 재미있을 줄 알았는데 지루하다."),
    )  # fmt: skip
    for classifier, *texts in pairs:
        for text, label in zip(texts, classifier.predict(texts), strict=True):
            print(f"   {label:<9} {text}")

    # 5. The probability after each token: the output layer is asked at every step.
    #    토큰마다의 확률: 스텝마다 출력층에 물어봅니다.
    print("\n5. The running probability / 읽는 동안의 확률")
    told = {"긍정": korean.explain(KOREAN), "positive": english.explain(ENGLISH)}
    for text, running in zip((KOREAN, ENGLISH), told.values(), strict=True):
        print(f"\n{text}\n{running}")

    # The picture: praise raises the line, and the last words bring it down.
    # 그림: 칭찬을 읽으면 선이 올라가고, 마지막 말을 읽으면 내려갑니다.
    figure = Figure(figsize=(7.6, 6.4), dpi=150, layout="constrained")
    axes = figure.subplots(2)
    for ax, (label, running), title in zip(axes, told.items(), ("Korean", "English"), strict=True):
        running.plot(ax, label=label)
        ax.set_title(f"{title}: the probability after each token", fontsize="medium")
    figure.savefig(out / "4_sentiment.png")
    print(f"\n{out / '4_sentiment.png'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short form, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the picture")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
