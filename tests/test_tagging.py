"""Part-of-speech tagging: `fr.tasks.PosTagger`, ``fastrnn tag`` and the picture of probabilities."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn import cli, serialization
from fastrnn.samples import tagged
from fastrnn.tasks import PosTagger
from fastrnn.text.conllu import conllu, parse_conllu, read_conllu
from fastrnn.text.spelling import Spelling, word

SMALL: dict[str, Any] = {"units": 16, "character_units": 8, "word_dim": 32, "character_dim": 8}
TRAIN = tagged(150, "en") + tagged(150, "ko")
TEST = tagged(80, "en", seed=1) + tagged(80, "ko", seed=1)
KOREAN, ENGLISH = ["나는", "새가", "집에서", "뛰었다", "."], "the bird sings near the can .".split()


def taught(**options: Any) -> PosTagger:
    tagger = PosTagger(**SMALL, seed=0, **options)
    tagger.fit(TRAIN, epochs=20, learning_rate=0.01, verbose=0)
    return tagger


@pytest.fixture(scope="module")
def tagger() -> PosTagger:
    return taught()


# ---------------------------------------------------------------------- what it says


def test_it_learns_korean_and_english_at_once(tagger: PosTagger) -> None:
    found = tagger.evaluate(TEST)
    assert found["accuracy"] > 0.97 and found["words"] == sum(map(len, TEST))
    # 나는 is "I" or "flying", light a noun, a verb or an adjective: the neighbours tell.
    assert tagger.tag(["나는", "집에서", "뛰었다", "."]) == ["PRON", "NOUN", "VERB", "PUNCT"]
    assert tagger.tag(KOREAN) == ["VERB", "NOUN", "NOUN", "VERB", "PUNCT"]
    assert tagger.tag("I can light a light .".split()) == ["PRON", "AUX", "VERB", "DET", "NOUN", "PUNCT"]


def test_a_word_that_was_never_seen_is_told_by_its_spelling(tagger: PosTagger) -> None:
    assert tagger.tag(["나는", "신문을", "읽는다", "."]) == ["PRON", "NOUN", "VERB", "PUNCT"]
    assert not tagger.spelling.knows("신문을")


def test_probabilities_are_those_of_each_word(tagger: PosTagger) -> None:
    p = tagger.probabilities(KOREAN)
    assert p.shape == (5, len(tagger.tags)) and p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert [tagger.tags[k] for k in p.argmax(axis=1)] == tagger.tag(KOREAN)
    both = tagger.probabilities([KOREAN, [], ENGLISH])
    assert (both[0] == p).all() and both[1].shape == (0, len(tagger.tags)) and len(both[2]) == len(ENGLISH)


def test_one_sentence_or_many(tagger: PosTagger) -> None:
    one, other = tagger.tag(KOREAN), tagger.tag(ENGLISH)
    assert tagger.tag([KOREAN, ENGLISH, []]) == [one, other, []]
    assert tagger.tag((tuple(KOREAN), tuple(ENGLISH))) == [one, other]
    assert tagger.tag([]) == [] and tagger.probabilities([]).shape == (0, len(tagger.tags))
    letters = "\u1102\u1161\u1102\u1173\u11ab"  # 나는 as macOS writes the names of files
    assert tagger.tag([letters, *KOREAN[1:]]) == one


def test_evaluate_counts(tagger: PosTagger) -> None:
    sentences = [["나는", "간다"], ["The", "zebra", "sleeps"]]
    given = tagger.tag(sentences)
    true = [list(one) for one in given]
    true[1][2] = "ADV" if given[1][2] != "ADV" else "NOUN"
    found = tagger.evaluate(sentences, true)
    assert found["words"] == 5 and found["accuracy"] == 0.8 and found["sentence_accuracy"] == 0.5
    assert found["unknown_words"] == 1 and found["unknown_accuracy"] == 1.0
    missed = found["per_tag"][true[1][2]]
    assert missed["words"] - round(missed["accuracy"] * missed["words"]) == 1
    assert json.loads(json.dumps(found)) == found
    assert tagger.evaluate([["the", "A"]], [["DET", "DET"]])["unknown_accuracy"] is None


def test_the_figures_of_a_tag() -> None:
    told = [["A", "A", "A", "B", "C"]]
    tagger = PosTagger()
    tagger.tags = ["A", "B", "C", "D"]
    tagger.tag = lambda tokens: [["A", "A", "B", "A", "C"]]  # type: ignore[method-assign]
    tagger._spelling = Spelling.of([["v"]])
    per_tag = tagger.evaluate([list("vwxyz")], told)["per_tag"]
    assert per_tag["A"] == {"words": 3, "accuracy": 2 / 3, "precision": 2 / 3, "f1": 2 / 3}
    assert per_tag["B"] == {"words": 1, "accuracy": 0.0, "precision": 0.0, "f1": 0.0}
    assert per_tag["C"] == {"words": 1, "accuracy": 1.0, "precision": 1.0, "f1": 1.0}
    assert set(per_tag) == set("ABC")
    matrix, labels = tagger.confusion_matrix([list("vwxyz")], [["A", "A", "A", "B", "Z"]])
    assert labels == ["A", "B", "C", "D", "Z"]
    assert matrix.tolist() == [[2, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0] * 5, [0] * 5, [0, 0, 1, 0, 0]]


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads() -> None:
    found = []
    for threads, seed in ((1, 3), (3, 3), (1, 4)):
        with fr.threads(threads):
            tagger = PosTagger(**{**SMALL, "units": 64}, seed=seed)
            tagger.fit(TRAIN[:20] + TRAIN[-20:], epochs=2, batch_size=8, verbose=0)
            found.append(tagger.probabilities([KOREAN, ENGLISH]))
    assert all((a == b).all() for a, b in zip(found[0], found[1], strict=True))
    assert (found[0][0] != found[2][0]).any()


# ---------------------------------------------------------------------- how it learns


def test_validation_keeps_the_best_epoch_and_patience_ends_the_training(capsys: Any) -> None:
    tagger = PosTagger(**SMALL, seed=0)
    history = tagger.fit(TRAIN[-60:], validation_data=TEST[-40:], epochs=40, patience=2, learning_rate=0.02)
    values = history.history["val_accuracy"]
    assert len(values) < 40 and values.index(max(values)) == len(values) - 3
    assert tagger.evaluate(TEST[-40:])["accuracy"] == pytest.approx(max(values))
    assert "epoch 1/40" in capsys.readouterr().out


def test_every_form_of_data_teaches_the_same(tmp_path: Path) -> None:
    pairs, held = TRAIN[:10], TEST[:5]
    path, dev = tmp_path / "train.conllu", tmp_path / "dev.conllu"
    path.write_text("".join(map(conllu, pairs)), encoding="utf-8")
    dev.write_text("".join(map(conllu, held)), encoding="utf-8")
    apart = [([t for t, _ in one], [g for _, g in one]) for one in pairs]
    apart_held = [[t for t, _ in one] for one in held], [[g for _, g in one] for one in held]
    found = []
    for data, validation in (
        ((pairs,), held), ((path,), dev), (tuple(map(list, zip(*apart, strict=True))), apart_held)
    ):  # fmt: skip
        tagger = PosTagger(**SMALL)
        history = tagger.fit(*data, validation_data=validation, epochs=2, verbose=0)
        found.append((tagger.probabilities(ENGLISH).tobytes(), history.history))
    assert found[0] == found[1] == found[2]


def test_fit_begins_anew(tagger: PosTagger) -> None:
    again = taught()
    again.fit(TRAIN, epochs=20, learning_rate=0.01, verbose=0)
    assert (again.probabilities(KOREAN) == tagger.probabilities(KOREAN)).all()


def test_a_tag_of_the_validation_data_alone_is_no_error() -> None:
    tagger = PosTagger(**SMALL)
    tagger.fit([[("a", "X"), ("b", "Y")]], validation_data=[[("c", "Z")]], epochs=1, verbose=0)
    assert tagger.tags == ["X", "Y", "Z"]


def test_jamo_where_there_is_hangul() -> None:
    for sentences, expected in ((TRAIN[:20], ["characters"]), (TRAIN, ["characters", "jamo"])):
        tagger = PosTagger(**SMALL)
        tagger.fit(sentences, epochs=1, verbose=0)
        assert tagger.spelling.names == expected
    tagger = PosTagger(**SMALL, spellings=("jamo",), depth=2)
    tagger.fit(TRAIN[:20], epochs=1, verbose=0)
    assert tagger.spelling.names == ["jamo"] and len(tagger.model.layers) == 7


def test_spelling_of_long_and_unknown_words() -> None:
    spelling = Spelling.of([["x" * 10 + "y" * 30, "7"]])
    assert spelling.width == 25
    row = spelling.encode([["x" * 10 + "y" * 30]])[0][0]
    assert row[0] == 1 and (row[1:] > 1).all() and len(set(row[1:13])) == 2 and len(set(row[13:])) == 1
    assert spelling.encode([["q8"]])[0][0].tolist() == [0, 1, 1, *[0] * 22]
    assert word("Ab19") == "ab00" and spelling.knows("5") and not spelling.knows("55")
    assert spelling.encode([[]])[0].shape == (0, 25)


# ---------------------------------------------------------------------- files


def test_what_was_saved_is_what_is_loaded(tagger: PosTagger, tmp_path: Path) -> None:
    tagger.save(tmp_path / "m")
    for back in (fr.load(tmp_path / "m"), PosTagger.load(tmp_path / "m")):
        assert isinstance(back, PosTagger) and back.tags == tagger.tags and back.arguments == tagger.arguments
        for tokens in (KOREAN, ENGLISH):
            assert (back.probabilities(tokens) == tagger.probabilities(tokens)).all()
        assert back.evaluate(TEST) == tagger.evaluate(TEST)


@pytest.mark.parametrize(
    "damage",
    [
        lambda extra: extra["learnt"]["spelling"]["lengths"].append(3),
        lambda extra: extra["learnt"]["spelling"].update(lengths=[1, 2]),
        lambda extra: extra["learnt"]["spelling"]["words"].pop(),
        lambda extra: extra["learnt"].update(tags=["A", "A"]),
        lambda extra: extra["learnt"]["tags"].pop(),
        lambda extra: extra["learnt"].pop("spelling"),
        lambda extra: extra["learnt"]["spelling"].update(names=["characters", "morse"]),
        lambda extra: extra["arguments"].update(units=10**9),
        lambda extra: extra["arguments"].update(colour="red"),
        lambda extra: extra["arguments"].pop("units"),
    ],
)
def test_an_edited_description_is_no_tagger(
    tagger: PosTagger, damage: Callable[[Any], Any], tmp_path: Path
) -> None:
    extra = json.loads(json.dumps({"arguments": tagger.arguments, "learnt": tagger.learnt()}))
    damage(extra)
    serialization.save(tmp_path / "m", tagger.model, "PosTagger", extra)
    with pytest.raises(fr.ModelFormatError, match="does not describe a PosTagger"):
        fr.load(tmp_path / "m")


def test_another_kind_of_file(tagger: PosTagger, tmp_path: Path) -> None:
    tagger.model.save(tmp_path / "m")
    with pytest.raises(fr.ModelFormatError, match=r"PosTagger.load: .* holds a Sequential"):
        PosTagger.load(tmp_path / "m")


def test_a_description_cannot_ask_for_more_than_the_file_holds(tagger: PosTagger, tmp_path: Path) -> None:
    layers, tensors = serialization.describe(tagger.model)
    serialization.check_sizes(layers["layers"], tensors)
    for name, value in (("alphabets", [10**12, 3]), ("character_dim", 10**12), ("units", 10**12)):
        config = {**layers["layers"][0]["config"], name: value}
        with pytest.raises(ValueError, match=name):
            serialization.check_sizes([{"class": "Words", "config": config}], tensors)


# ---------------------------------------------------------------------- errors


def fit(*data: Any, **options: Any) -> Any:
    return PosTagger(**SMALL).fit(*(data or (TRAIN[:5],)), **{"verbose": 0, "epochs": 1, **options})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: PosTagger(units=0), ValueError, "PosTagger: units must be a whole number of at least 1"),
        (lambda: PosTagger(depth=1.5), ValueError, "PosTagger: depth must be a whole number"),
        (lambda: PosTagger(dropout=1), ValueError, "PosTagger: dropout must be a number in [0, 1), got 1."),
        (lambda: PosTagger(unknown="a"), ValueError, "PosTagger: unknown must be a number in [0, 1)"),
        (lambda: PosTagger(spellings="jamo"), ValueError,
         "PosTagger: spellings must be names such as (\"characters\", \"jamo\"), got 'jamo'."),
        (lambda: PosTagger(spellings=()), ValueError, "PosTagger: spellings must be names such as"),
        (lambda: PosTagger(spellings=("jamos",)), ValueError, "Did you mean 'jamo'?"),
        (lambda: PosTagger(spellings=("jamo", "jamo")), ValueError, "spellings must be different names"),
        (lambda: PosTagger(dtype="int8"), fr.DtypeError, "PosTagger: dtype must be float32 or float64"),
        (lambda: PosTagger().tag(["a"]), RuntimeError, "PosTagger: call fit first, or load a saved one."),
        (lambda: PosTagger().save("m"), RuntimeError, "PosTagger: call fit first, or load a saved one."),
        (lambda: fit([]), ValueError, "PosTagger.fit: sentences must be at least one with words, got none."),
        (lambda: fit([[], []]), ValueError, "PosTagger.fit: sentences must be at least one with words"),
        (lambda: fit(["나는 간다"], ["PRON VERB"]), TypeError,
         "PosTagger.fit: sentences[0] must be a list of words, got '나는 간다'. Cut it into words first"),
        (lambda: fit(None), TypeError, "PosTagger.fit: sentences must be a CoNLL-U path, or sentences of"),
        (lambda: fit("nowhere.conllu"), FileNotFoundError, "nowhere.conllu"),
        (lambda: fit(epochs=0), ValueError, "PosTagger.fit: epochs must be a whole number of at least 1"),
        (lambda: fit(batch_size=0), ValueError, "PosTagger.fit: batch_size must be a whole number"),
        (lambda: fit(learning_rate=0), ValueError, "PosTagger.fit: learning_rate must be a number in (0,"),
        (lambda: fit(learning_rate=np.nan), ValueError, "PosTagger.fit: learning_rate must be a number in"),
        (lambda: fit(patience=0, validation_data=TEST[:1]), ValueError, "PosTagger.fit: patience must be a"),
        (lambda: fit(patience=2), ValueError, "PosTagger.fit: patience needs validation_data, got None."),
        (lambda: fit(validation_data=(TEST, TEST, TEST)), ValueError,
         "PosTagger.fit: validation_data must be a CoNLL-U path, sentences of (token, tag), or (sentences,"),
        (lambda: fit(validation_data=TEST[:2], callbacks=5), TypeError,
         "fit: callbacks must be a list of fastrnn.callbacks.Callback, got 5."),
        (lambda: fit(validation_data=[["나는"]]), TypeError,
         "PosTagger.fit: validation_data[0][0] must be (token, tag), two strings that are not empty, got"),
        (lambda: fit(validation_data=[]), ValueError,
         "PosTagger.fit: validation_data must be at least one sentence with words, got none."),
    ],
)  # fmt: skip
def test_messages(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("나는 간다", "tokens must be a list of words, got '나는 간다'. Cut it into words first"),
        (["나는", 3], "tokens[1] must be a string that is not empty, got 3."),
        (["나는", ""], "tokens[1] must be a string that is not empty, got ''."),
        (["나는", ["간다"]], "tokens[1] must be a string that is not empty, got ['간다']."),
        ([["나는"], [5]], "tokens[1][0] must be a string that is not empty, got 5."),
        (None, "tokens must be a list of words, got None."),
    ],
)
def test_what_is_no_list_of_words(tagger: PosTagger, tokens: Any, message: str) -> None:
    for name in ("tag", "probabilities"):
        with pytest.raises(TypeError) as caught:
            getattr(tagger, name)(tokens)
        assert str(caught.value).startswith(f"PosTagger.{name}: {message}")


def test_nothing_to_evaluate(tagger: PosTagger) -> None:
    with pytest.raises(ValueError, match=r"PosTagger.evaluate: sentences must be at least one with words"):
        tagger.evaluate([[]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tagged(0), "tagged: n must be a whole number of at least 1, got 0."),
        (lambda: tagged(2, "de"), "tagged: language must be one of en, ko, got 'de'."),
    ],
)
def test_messages_of_the_samples(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match="tagged") as caught:
        make()
    assert str(caught.value).startswith(message)


def test_samples_are_the_same_for_the_same_seed_and_have_words_of_two_kinds() -> None:
    assert tagged(50, "ko", seed=7) == tagged(50, "ko", seed=7) != tagged(50, "ko", seed=8)
    for language, token in (("ko", "나는"), ("en", "light")):
        kinds = {tag for one in tagged(300, language) for word, tag in one if word == token}
        assert len(kinds) > 1


# ---------------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tag")
    for name, sentences in (("train", TRAIN), ("dev", TEST[::2]), ("test", TEST)):
        (folder / f"{name}.conllu").write_text("".join(map(conllu, sentences)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(files: Path) -> Path:
    return train(files)


def train(files: Path) -> Path:
    """The model that a process of its own trained."""
    done = subprocess.run(
        [sys.executable, "-m", "fastrnn", "tag", "train", files / "train.conllu",
         "--dev", files / "dev.conllu",
         "--units", "32", "--epochs", "40", "--patience", "15", "--model", files / "m.fastrnn"],
        capture_output=True, encoding="utf-8", cwd=files,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "dev accuracy" in done.stdout and "epoch 1/40" in done.stdout
    return files / "m.fastrnn"


def run(capsys: Any, *arguments: Any) -> str:
    capsys.readouterr()
    assert cli.main(["tag", *map(str, arguments)]) == 0
    return str(capsys.readouterr().out)


def test_a_process_tags_its_standard_input(model: Path) -> None:
    text = "우리는 집에서 쉬겠다.\n\nYou can read a book!\n"
    command = [sys.executable, "-m", "fastrnn", "tag", "predict", "--model", str(model)]
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "우리는/PRON 집에서/NOUN 쉬겠다/VERB ./PUNCT",
        "You/PRON can/AUX read/VERB a/DET book/NOUN !/PUNCT",
    ]
    done = subprocess.run([*command, "--json"], input=text, capture_output=True, encoding="utf-8")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["tokens"] == ["우리는", "집에서", "쉬겠다", "."] and second["tags"][1] == "AUX"
    tagger = fr.load(model)
    p = tagger.probabilities(first["tokens"])
    for row, given in zip(p, first["probabilities"], strict=True):
        assert list(given) == tagger.tags
        np.testing.assert_allclose(list(given.values()), row, atol=1e-6)


def test_tokens_between_spaces_and_conllu(model: Path, files: Path, capsys: Any) -> None:
    (files / "a.txt").write_text("You can't read.\n", encoding="utf-8")
    out = run(capsys, "predict", "--model", model, files / "a.txt", "--tokenized")
    assert [one.split("/")[0] for one in out.split()] == ["You", "can't", "read."]
    text = (
        "# sent_id = 1\n1-2\t나는\t_\t_\t_\t_\t_\t_\t_\t_\n"
        + "".join(f"{k}\t{token}\tlemma{k}\t_\tXPOS\tCase=Nom\t0\troot\t_\tMisc=Yes\n"
                  for k, token in enumerate(KOREAN, 1))
        + "\n" + conllu([(token, "_") for token in ENGLISH])
    )  # fmt: skip
    (files / "bare.conllu").write_text(text, encoding="utf-8")
    out = run(capsys, "predict", "--model", model, "--conllu", files / "bare.conllu")
    tagger = fr.load(model)
    before, after = list(parse_conllu(text)), list(parse_conllu(out))
    assert out == "".join(f"{one.tagged(tagger.tag(one.tokens))}\n" for one in before)
    assert [one.tags for one in after] == tagger.tag([KOREAN, ENGLISH])
    out = run(capsys, "predict", "--model", model, "--conllu", "--json", files / "bare.conllu")
    assert [json.loads(one)["tags"] for one in out.splitlines()] == [one.tags for one in after]


def test_evaluate_prints_every_tag_and_draws(model: Path, files: Path, capsys: Any) -> None:
    found = json.loads(run(capsys, "evaluate", "--model", model, files / "test.conllu", "--json"))
    assert found == fr.load(model).evaluate(files / "test.conllu") and found["accuracy"] > 0.97
    pytest.importorskip("matplotlib")
    out = run(capsys, "evaluate", "--model", model, files / "test.conllu", "--plot", files / "c.png")
    assert "NOUN" in out and "precision" in out and "unknown accuracy" in out
    assert (files / "c.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_without_matplotlib(model: Path, files: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    arguments = ["evaluate", "--model", model, files / "test.conllu", "--plot", files / "d.png"]
    assert cli.main(["tag", *map(str, arguments)]) == 1
    assert 'pip install "fastrnn[plot]"' in capsys.readouterr().err


def test_a_model_of_python_serves_the_command_line(tagger: PosTagger, files: Path, capsys: Any) -> None:
    tagger.save(files / "python.fastrnn")
    (files / "k.txt").write_text(" ".join(KOREAN), encoding="utf-8")
    out = run(capsys, "predict", "--model", files / "python.fastrnn", files / "k.txt")
    assert [one.rsplit("/", 1)[1] for one in out.split()] == tagger.tag(KOREAN)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train"], 2, "the following arguments are required"),
        (["predict", "--model", "{m}", "--conllu", "--tokenized"], 2, "not allowed with argument"),
        (["train", "{f}/none.conllu", "--model", "{f}/x"], 1, "none.conllu"),
        (["train", "{f}/test.conllu", "--model", "{f}/no/x"], 1, "there is no folder"),
        (["train", "{f}/broken.conllu", "--model", "{f}/x"], 1, "broken.conllu, line 1: expected 10 columns"),
        (["train", "{f}/test.conllu", "--patience", "3", "--model", "{f}/x"], 1, "patience needs validation"),
        (["predict", "--model", "{f}/other", "{f}/test.conllu"], 1, "holds a Sequential, this verb needs a"),
        (["predict", "--model", "{m}", "--conllu", "{f}/broken.conllu"], 1, "line 1: expected 10 columns"),
        (["evaluate", "--model", "{m}", "{f}/empty.conllu"], 1, "sentences must be at least one with words"),
        (["evaluate", "--model", "{m}", "{f}/test.conllu", "--plot", "{f}/no/c.png"], 1, "is no folder"),
        (["evaluate", "--model", "{m}", "{f}/test.conllu", "--plot", "{f}/c.abc"], 1, "abc"),
    ],
)  # fmt: skip
def test_exit_codes(
    model: Path, files: Path, arguments: list[str], code: int, message: str, capsys: Any
) -> None:
    (files / "broken.conllu").write_text("1 I PRON\n", encoding="utf-8")
    (files / "empty.conllu").write_text("", encoding="utf-8")
    other = fr.Sequential([fr.Input((3,)), fr.Dense(1)], seed=0)
    other.save(files / "other")
    assert cli.main(["tag", *(one.format(m=model, f=files) for one in arguments)]) == code
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------------- the picture, and real data


def test_the_picture_has_a_column_a_word_and_a_row_a_tag() -> None:
    pytest.importorskip("matplotlib")
    p = np.array([[0.7, 0.3, 0.0], [0.001, 0.009, 0.99]])
    ax = fr.plot.tag_probabilities(p, ["I", "run"], ["A", "B", "C"])
    assert [text.get_text() for text in ax.texts] == ["70", "30", "99"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["I", "run"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["A", "B", "C"]
    again = fr.plot.tag_probabilities(p, ["to", "run"], ["A", "B", "C"], fr.plot.new_axes(), least=0.005)
    assert len(again.texts) == 4
    with pytest.raises(fr.ShapeError) as caught:
        fr.plot.tag_probabilities(p, ["I"], ["A", "B", "C"])
    expected = "probabilities must be [T, K] = [1, 3], a row a token and a column a tag, got [2, 3] float64."
    assert str(caught.value) == f"tag_probabilities: {expected}"


@pytest.mark.data("ud_korean_gsd")
def test_a_part_of_the_korean_treebank(data_set: Path) -> None:
    sentences = read_conllu(data_set / "ko_gsd-ud-dev.conllu")
    pairs = [list(zip(one.tokens, one.tags, strict=True)) for one in sentences]
    tagger = PosTagger(units=64, seed=0)
    tagger.fit(pairs[:600], epochs=4, learning_rate=0.006, verbose=0)
    assert tagger.spelling.names == ["characters", "jamo"]
    assert tagger.evaluate(pairs[600:])["accuracy"] > 0.82
