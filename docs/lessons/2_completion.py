"""Lesson 2: sentence completion, one-hot vectors in and the probability of the next token out.

제2과: 문장 완성. 원-핫 벡터를 넣으면 다음에 올 글자나 단어의 확률이 나옵니다.

The network reads a text one token after the other and is asked at every step: what comes next?  The answer is
in the text itself, so nobody has to label anything.

신경망은 글을 한 토큰씩 읽으면서, 단계마다 "다음에 무엇이 올까?"라는 질문을 받습니다. 정답이 글 안에 이미
있으므로 사람이 따로 정답을 달아 줄 필요가 없습니다.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastrnn as fr
from fastrnn.samples import sentences

KOREAN, ENGLISH = "영희는 주말이면 도서관에서", "In the library Mary"


def best(completer: fr.tasks.SentenceCompleter, prompt: str, n: int = 5) -> dict[str, float]:
    """The n likeliest next tokens."""
    return dict(list(completer.next_probabilities(prompt).items())[:n])


def main(out: Path, quick: bool) -> None:
    # 1. One-hot encoding: a word is a vector with a single one.
    #    원-핫 인코딩: 단어 하나는 1이 하나뿐인 벡터입니다.
    words = "나는 학교에 간다".split()
    vocabulary = fr.text.Vocabulary.of(words)
    ids = vocabulary.encode(words)
    x = np.eye(vocabulary.size)[ids]
    print("1. One-hot vectors (place 0: unknown words) / 원-핫 벡터 (0번 자리: 모르는 단어)")
    for word, row in zip(words, x, strict=True):
        print(f"   {row.astype(int)}  {word}")

    # 2. A = W x + b: the product with a one-hot vector picks a column of W, so it need not be multiplied.
    #    A = W x + b: 원-핫 벡터와 곱하면 W의 열 하나를 골라내므로, 실제로 곱할 필요가 없습니다.
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(3, vocabulary.size)).round(1), np.array([0.1, 0.2, 0.3])
    print("\n2. A = W x + b for 학교에 / 학교에의 A = W x + b")
    print("   W x + b                      ", W @ x[1] + b)
    print(f"   column / 열 {ids[1]} of / 의 W, + b   ", W[:, ids[1]] + b)

    # 3. A text to learn: made sentences, Korean and English.  Others of the same kind are held out.
    #    학습할 글: 틀에서 만든 한국어와 영어 문장입니다. 같은 종류의 다른 문장은 평가용으로 남깁니다.
    n = 150 if quick else 600
    train = sentences(n, "ko") + sentences(n, "en")
    held_out = sentences(100, "ko", seed=1) + sentences(100, "en", seed=1)
    print("\n3. The text / 학습할 글")
    for line in (*train[:2], *train[n : n + 2]):
        print("  ", line)

    # 4. Training.  The text is read from beginning to end, the state is carried on, the gradient goes back 64
    #    characters.  val_loss is in nats a character; its exp says among how many characters it hesitates.
    #    학습: 글을 처음부터 끝까지 읽으며 상태를 이어 가고, 기울기는 64글자 앞까지만 거슬러 갑니다.
    #    val_loss의 단위는 글자당 nat이고, exp를 취하면 몇 글자 사이에서 망설이는지를 뜻합니다.
    print("\n4. Training on characters / 글자 단위 학습")
    completer = fr.tasks.SentenceCompleter("char", cell="lstm", units=64, seed=0)
    history = completer.fit(train, epochs=3 if quick else 10, learning_rate=0.01, validation_text=held_out)
    print(f"   perplexity / 혼란도: {completer.perplexity(held_out):.2f}")

    # 5. What comes next?  Probabilities of all characters, and they sum to one.
    #    다음에 올 글자는? 모든 글자의 확률이 나오고, 더하면 1입니다.
    print("\n5. The next character / 다음 글자")
    for prompt in ("영희는 주말이면 도서", ENGLISH + " writes lett"):
        print("  ", prompt, {token: round(p, 3) for token, p in best(completer, prompt, 3).items()})

    # 6. Completion.  A low temperature is careful, a high one is bold; a beam looks for the likeliest ending.
    #    문장 완성: 온도가 낮으면 조심스럽고, 높으면 과감합니다. 빔 탐색은 가장 그럴듯한 끝맺음을 찾습니다.
    print("\n6. Completion / 문장 완성")
    for prompt in (KOREAN, ENGLISH):
        for temperature in (0.0, 0.7, 1.5):
            written = completer.complete(prompt, 60, temperature=temperature, seed=1, stop="\n")
            print(f"   temperature / 온도 {temperature}:  {prompt}|{written.strip(chr(10))}")
        print(f"   beam / 빔 5:  {prompt}|{completer.complete(prompt, 60, beam=5, stop='.')}")

    # 7. The same with words (eojeol) instead of characters.
    #    글자 대신 단어(어절)로 해도 똑같습니다.
    print("\n7. Words / 단어")
    by_word = fr.tasks.SentenceCompleter("word", cell="lstm", units=64, seed=0)
    by_word.fit(train, epochs=4 if quick else 12, learning_rate=0.01, verbose=0)
    for prompt in (KOREAN, ENGLISH):
        print("  ", prompt, {word: round(p, 3) for word, p in best(by_word, prompt, 3).items()})

    # 8. The picture: the training, and the next word after each prompt.
    #    그림: 학습 곡선과, 각 문장의 다음 단어 확률입니다.
    figure = Figure(figsize=(11.0, 3.8), dpi=150, layout="constrained")
    curves, korean, english = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
    fr.plot.training_curves(history, curves, ylabel="nats per character").set_title("training")
    for ax, prompt in ((korean, KOREAN), (english, ENGLISH + " writes letters")):
        fr.plot.next_probabilities(best(by_word, prompt), ax, prompt=prompt)
    figure.savefig(out / f"{Path(__file__).stem}.png")
    print(f"\nPicture / 그림: {out / Path(__file__).stem}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short form, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the picture")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
