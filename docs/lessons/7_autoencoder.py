"""Lesson 7: build a model layer by layer: an autoencoder, and the anomalies that it finds.

제7과: 모델을 층층이 쌓아 만듭니다. 오토인코더를 만들고, 그것으로 이상을 찾습니다.

An autoencoder learns to say x again, though x has to pass through a narrow code:
오토인코더는 x를 좁은 코드에 통과시킨 뒤 다시 x를 말하도록 배웁니다.

    code = encoder(x),   x' = decoder(code),   loss = mean((x - x')^2)

What it has seen often comes back well.  What comes back badly is unusual.
자주 본 것은 잘 돌아옵니다. 잘 돌아오지 않는 것이 이상한 것입니다.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastrnn as fr
from fastrnn.samples import daily

DAY = 48  # half hours
UNITS = 16


def network() -> fr.Sequential:
    """Encoder, code, decoder: the same lines as in Keras."""
    return fr.Sequential(
        [
            fr.Input((DAY, 1)),
            fr.LSTM(UNITS, name="encoder"),
            fr.RepeatVector(DAY),
            fr.LSTM(UNITS, return_sequences=True, name="decoder"),
            fr.TimeDistributed(fr.Dense(1)),
        ],
        seed=0,
    )


def main(out: Path, quick: bool) -> None:
    # 1. The data: sixty days of a machine, a value each half hour.  The first thirty are normal; later come a
    #    spike, half a day on another level, and half a day without rhythm.
    #    데이터: 어떤 기계를 60일 동안 30분마다 잰 값입니다. 처음 30일은 정상이고, 그 뒤에 갑자기 튀는 값,
    #    수준이 달라진 반나절, 리듬이 사라진 반나절이 한 번씩 나옵니다.
    series, truth = daily(days=60, normal=30)
    normal = series[: 30 * DAY]
    mean, std = normal.mean(), normal.std()
    windows = np.lib.stride_tricks.sliding_window_view(normal, DAY)[::4]  # of a day, every two hours
    x = ((windows - mean) / std).astype("float32")[..., None]
    print(f"1. {len(x)} windows of a day / 하루 길이의 구간(윈도) {len(x)}개: {list(x.shape)}")

    # 2. Build, compile, look at it.  The drawing is an SVG file: open it in a browser.
    #    쌓고, 컴파일하고, 들여다봅니다. 모델 그림은 SVG 파일이니 브라우저로 열어 보세요.
    print("\n2. The model / 모델")
    model = network()
    model.compile(optimizer=fr.optimizers.Adam(0.005, global_clipnorm=1.0), loss="mse")
    model.summary()
    model.draw(out / f"{Path(__file__).stem}.svg")

    # 3. Train: the target is x itself.
    #    학습: 정답이 곧 입력 x입니다.
    history = model.fit(x, x, epochs=4 if quick else 120, batch_size=16, verbose=0).history
    print(f"\n3. Loss / 손실: {history['loss'][0]:.3f} -> {history['loss'][-1]:.3f}")

    # 4. Weights out, and into a second model: the same answers, bit for bit.
    #    가중치를 꺼내 새 모델에 넣으면, 마지막 비트까지 같은 답이 나옵니다.
    weights = model.get_weights()
    twin = network()
    twin.set_weights(weights)
    same = np.array_equal(twin.predict(x), model.predict(x))
    print(f"\n4. {len(weights)} arrays / 배열 {len(weights)}개, the same answers / 답이 같은가: {same}")

    # 5. The same network ready-made, with what autoencoders are for: the code, and the error of each window.
    #    같은 신경망이 fr.SequenceAutoencoder에 준비되어 있습니다. 코드와 윈도별 오차를 바로 얻을 수 있습니다.
    ready = fr.SequenceAutoencoder(UNITS, seed=0)
    ready.fit(x, epochs=1, verbose=0)  # the model is made when it sees x; here the weights come from step 4
    ready.model.set_weights(weights)
    print(f"\n5. Code of a day / 하루의 코드: {ready.encode(x[:1])[0][:4].round(2)} ... ({UNITS})")
    print(f"   from {DAY} numbers to {UNITS} / 숫자 {DAY}개를 {UNITS}개로")
    print(f"   Mean error / 평균 오차: {ready.score_samples(x).mean():.3f}")

    # 6. For a long series there is a detector: it cuts windows, scores each half hour, sets a threshold on
    #    normal data it was not trained on, and names the stretches.
    #    긴 시계열에는 AnomalyDetector를 씁니다. 시계열을 윈도로 자르고, 시점마다 점수를 매기고, 학습에 쓰지
    #    않은 정상 데이터로 문턱값을 정한 다음, 이상 구간을 알려 줍니다.
    detector = fr.tasks.AnomalyDetector("lstm", window=DAY, units=UNITS, quantile=1.0, learning_rate=0.005)
    detector.fit(normal, epochs=4 if quick else None, verbose=0)
    print("\n6. The detector on the last thirty days / 나머지 30일에 대한 탐지기")
    print("   threshold / 문턱값    found / 찾은 이상    false alarms / 오경보")
    highest = detector.threshold  # of the normal data held out; how far above it to go is for the user to say
    for factor in (1, 3):
        detector.threshold = factor * highest
        found = detector.evaluate(series[len(normal) :], truth[len(normal) :])
        told = f"{found['stretches_found']} of {found['stretches']}"
        print(f"   {detector.threshold:18.3f}  {told:>19}  {found['false_alarms']:23}")
    intervals = detector.intervals(series, gap=DAY // 2)
    for start, stop in intervals:
        begin, end = start / DAY, stop / DAY
        print(f"   day {begin:.1f} to {end:.1f} / {begin:.1f}일째부터 {end:.1f}일째까지")

    # 7. The picture: a normal day, the day of the shift, and the score over time.
    #    그림: 정상인 하루, 수준이 달라진 하루, 그리고 시간에 따른 이상 점수.
    figure = Figure(figsize=(10, 6.4), dpi=130, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(2, 3))
    rebuilt = detector.reconstruct(series)
    shift = int(np.flatnonzero(truth)[1]) - DAY // 4
    left, right = top.subplots(1, 2)
    for ax, start, title in ((left, 10 * DAY, "a normal day"), (right, shift, "a day with a shift")):
        day = slice(start, start + DAY)
        fr.plot.reconstruction(series[day], rebuilt[day], ax).set_title(title)
    ax = bottom.subplots()
    options = {"times": np.arange(len(series)) / DAY, "intervals": intervals}
    fr.plot.anomaly_scores(detector.score(series), detector.threshold, series, ax, **options)
    ax.child_axes[1].set_xlabel("day")
    figure.savefig(out / f"{Path(__file__).stem}.png")
    print(f"\nPicture / 그림: {out / Path(__file__).stem}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short form, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
