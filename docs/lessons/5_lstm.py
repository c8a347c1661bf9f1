"""Lesson 5: the LSTM and its memory cell: he or she, a hundred words later.

제5과: LSTM과 메모리 셀. 백 단어 뒤에도 "그"인지 "그녀"인지 기억합니다.

"Tom closed his book.  Then Mary came in with a lamp.  It was late, and ___ was tired."  The word in the blank
depends on a person who was named long before.  A plain RNN writes its whole state anew at every word; an LSTM
has a cell that keeps what it holds until a gate lets it go.

빈칸에 들어갈 말은 한참 앞에 나온 사람에게 달려 있습니다. 단순 RNN은 단어를 읽을 때마다 상태 전체를 새로
쓰지만, LSTM에는 게이트가 열어 줄 때까지 내용을 지키는 셀이 있습니다.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastrnn as fr
from fastrnn.samples import stories


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def one_step(x: np.ndarray, h: np.ndarray, c: np.ndarray, p: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """The equations of the LSTM for one word. / 한 단어에 대한 LSTM의 식."""
    i, f, g, o = np.split(p["W_ih"] @ x + p["W_hh"] @ h + p["b"], 4)
    i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)  # gates, 0 shut and 1 open / 게이트: 0이면 닫힘, 1이면 열림
    g = np.tanh(g)  # what could be written / 새로 쓸 후보
    c = f * c + i * g  # keep, and add: no matrix stands on the way from c to c / 지키고 더한다
    return o * np.tanh(c), c


def main(out: Path, quick: bool) -> None:
    # 1. The equations, by hand, give the numbers of the library.
    #    식을 직접 계산하면 라이브러리와 같은 값이 나옵니다.
    rng = np.random.default_rng(0)
    shapes = {"W_ih": (12, 2), "W_hh": (12, 3), "b": (12,)}
    p = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    x, h, c = rng.standard_normal((1, 5, 2)), np.zeros(3), np.zeros(3)
    for t in range(5):
        h, c = one_step(x[0, t], h, c, p)
    _, (last_h, last_c), _ = fr.functional.lstm_forward(x, p)
    print("1. Five steps by hand and by fastrnn / 손으로 계산한 다섯 스텝과 fastrnn의 결과")
    print(f"   c: {c.round(4)}  {last_c[0].round(4)}")
    print(f"   h: {h.round(4)}  {last_h[0].round(4)}")

    # 2. Stories: the first sentence is about a person.  Then come 20 to 200 words that tell nothing, among
    #    them three sentences that name somebody else.
    #    이야기: 첫 문장에 주인공이 나옵니다. 그다음 20~200단어에는 단서가 없고, 다른 사람의 이름까지
    #    세 번 섞여 있습니다.
    #    An LSTM whose gates start open, some for a few words and some for 200, learns them (Tallec and
    #    Ollivier 2018).
    #    셀마다 게이트를 몇 단어에서 200단어까지 열어 둔 채로 시작하는 LSTM은 이것을 배웁니다.
    print("\n2. he or she / 그인가 그녀인가")
    n, epochs, most = (1200, 5, 40) if quick else (2500, 8, 200)
    train = stories(n, (20, most), distractors=3)
    unseen = stories(200, (20, most), distractors=3, split="test")
    print(f"   {stories(1, 20, distractors=1, seed=3)[0][0]}")
    lstm = fr.tasks.BlankFiller(units=32, memory=most, bidirectional=False, learning_rate=0.005, seed=0)
    lstm.fit(*train, epochs=epochs)
    print(f"   accuracy on new stories / 새 이야기에서의 정확도 {lstm.evaluate(*unseen)['accuracy']:.1%}")

    # 3. Korean works in the same way; only the candidates are others.
    #    한국어도 같습니다. 후보 단어만 다릅니다.
    print("\n3. 그는 / 그녀는")
    korean = fr.tasks.BlankFiller(("그는", "그녀는"), units=32, memory=30, learning_rate=0.005, seed=0)
    korean.fit(*stories(1200, (0, 30), language="ko"), epochs=5)
    for text in stories(2, 12, language="ko", split="test", seed=5)[0]:
        print(f"   {korean.fill(text)}   {korean.probabilities(text)}")

    # 4. The memory cell: the same words after "Tom" and after "Mary".  The cell that decides at the blank has
    #    been carrying the difference all the way.
    #    메모리 셀: "Tom" 뒤와 "Mary" 뒤에 똑같은 단어가 이어집니다. 빈칸에서 답을 정하는 셀은 그 차이를
    #    끝까지 지니고 갑니다.
    print("\n4. What the cell holds / 셀이 지니고 있는 것")
    text = stories(1, 26, distractors=1, split="test", seed=4)[0][0]
    rest = " came into the room. " + text.split(". ", 1)[1]
    tom, mary = (lstm.memory_trace(name + rest) for name in ("Tom", "Mary"))
    print(mary)

    # 5. RNN and LSTM as the distance grows: the same stories, as many steps.  The RNN mixes its state at
    #    every word, so the trace of the first sentence is buried under the others before training finds it.
    #    (An RNN can hold that one bit: with short stories first, or longer training, it may learn to.  But it
    #    is hard to learn from afar.)
    #    거리가 늘어날 때의 RNN과 LSTM입니다. 같은 이야기를 같은 횟수만큼 학습합니다. RNN은 단어마다 상태
    #    전체를 새로 섞기 때문에, 첫 문장의 흔적이 뒤에 오는 단어들에 묻혀 학습이 그것을 찾아내지 못합니다.
    #    (RNN이 기억 자체를 못 하는 것은 아닙니다. 짧은 이야기부터 가르치거나 더 오래 학습하면 해내기도
    #    합니다. 다만 멀리 떨어진 단서에서 배우기가 어렵습니다.)
    print("\n5. The distance grows / 거리가 늘어나면")
    rnn = fr.tasks.BlankFiller(cell="rnn", units=32, bidirectional=False, learning_rate=0.0003, seed=0)
    rnn.fit(*train, epochs=epochs)
    distances = [20, 30, 40] if quick else [20, 50, 75, 100, 150, 200]
    found: dict[str, list[float]] = {"RNN": [], "LSTM": []}
    for distance in distances:
        told = stories(300, distance, distractors=3, split="test", seed=1)
        found["RNN"].append(rnn.evaluate(*told)["accuracy"])
        found["LSTM"].append(lstm.evaluate(*told)["accuracy"])
        print(f"   {distance:>3} words / 단어: RNN {found['RNN'][-1]:.1%}, LSTM {found['LSTM'][-1]:.1%}")

    # The picture: above, the cell over the words of both stories; below, right answers by distance.
    # 그림: 위는 두 이야기를 읽는 동안의 셀, 아래는 거리에 따른 정답률입니다.
    figure = Figure(figsize=(7.6, 7.4), dpi=150, layout="constrained")
    above, below = figure.subplots(2)
    mary.plot(above, units=1)
    unit = mary.units[0]
    above.lines[0].set_label(f"Mary came into ...: ___ = {mary.answer}")
    above.plot(*tom.carried(unit), color=fr.plot.COLORS[1], label=f"Tom came into ...: ___ = {tom.answer}")
    above.set_title(f"The cell state of unit {unit} over the same words", fontsize="medium")
    above.legend(fontsize="small")
    for k, (name, values) in enumerate(found.items()):
        below.plot(distances, values, marker="o", color=fr.plot.COLORS[1 - k], label=name)
    below.axhline(0.5, color="0.6", linestyle=":", label="chance")
    below.set(xlabel="words between the person and the blank", ylabel="right answers", ylim=(0.3, 1.05))
    below.set_title("RNN and LSTM after the same training", fontsize="medium")
    below.grid(alpha=0.3)
    below.legend(fontsize="small")
    figure.savefig(out / "5_lstm.png")
    print(f"\n{out / '5_lstm.png'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short form, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the picture")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
