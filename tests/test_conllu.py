"""CoNLL-U: everything comes back as it was read, and what is malformed is named by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrnn.text.conllu import ConlluSentence, conllu, parse_conllu, read_conllu, write_conllu
from fastrnn.text.tagged import check_tokens, tagged_sentences, token_sentences


def line(*columns: str) -> str:
    """A line of ten columns, the last ones empty."""
    return "\t".join([*columns, *"_" * (10 - len(columns))]) + "\n"


TEXT = (
    "# newdoc id = d1\n# text = I don't know\n"
    + line("1", "I", "I", "PRON", "PRP", "Case=Nom|Number=Sing", "4", "nsubj", "_", "_")
    + line("2-3", "don't", "_", "_", "_", "_", "_", "_", "_", "SpaceAfter=No")
    + line("2", "do", "do", "AUX") + line("3", "n't", "not", "PART") + line("3.1", "really", "really", "ADV")
    + line("4", "know", "know", "VERB") + "\n"
    + "# text = 나는 새가 _ 간다\n"
    + line("1", "나는", "날+는", "VERB", "VV+ETM") + line("2", "새가", "새+가", "NOUN")
    + line("3", "_", "_", "SYM") + line("4", "간다", "가+ㄴ다", "_") + "\n"
)  # fmt: skip


def test_what_is_read_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(TEXT, encoding="utf-8")
    sentences = read_conllu(tmp_path / "a.conllu")
    write_conllu(tmp_path / "b.conllu", sentences)
    assert (tmp_path / "b.conllu").read_bytes() == TEXT.encode()
    english, korean = sentences
    assert english.tokens == ["I", "do", "n't", "know"] and english.tags == ["PRON", "AUX", "PART", "VERB"]
    assert korean.tokens == ["나는", "새가", "_", "간다"] and korean.tags == ["VERB", "NOUN", "SYM", "_"]
    assert english.comments == ("# newdoc id = d1", "# text = I don't know")
    assert (english.line, korean.line) == (1, 10)


def test_tags_take_column_four_and_nothing_else() -> None:
    first, second = parse_conllu(TEXT)
    before, after = str(first).splitlines(), str(first.tagged(["A", "B", "C", "D"])).splitlines()
    changed = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert [before[k].split("\t")[0] for k in changed] == ["1", "2", "3", "4"]
    for k, tag in zip(changed, "ABCD", strict=True):
        old, new = before[k].split("\t"), after[k].split("\t")
        assert new[3] == tag and old[:3] == new[:3] and old[4:] == new[4:]
    assert first.tags[0] == "PRON"  # the sentence itself is as it was
    assert str(second.tagged(second.tags)) == str(second)


@pytest.mark.parametrize("text", [TEXT.rstrip("\n"), "\n\n" + TEXT + "\n \n", TEXT.replace("\n", "\r\n"),
                                  "\ufeff" + TEXT])  # fmt: skip
def test_ends_of_lines_and_of_the_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_bytes(text.encode())
    found = [one.rows for one in read_conllu(tmp_path / "a.conllu")]
    assert found == [one.rows for one in parse_conllu(TEXT)]


def test_a_form_may_hold_any_white_space_but_a_tab() -> None:
    (one,) = parse_conllu(line("1", "3\u00a0000", "_", "NUM") + line("2", "a\u2028b", "_", "X"))
    assert one.tokens == ["3\u00a0000", "a\u2028b"]


def test_an_empty_text_has_no_sentences() -> None:
    assert list(parse_conllu("")) == list(parse_conllu("\n\n")) == []


def test_pairs_become_a_file() -> None:
    pairs = [("나는", "PRON"), ("간다", "VERB"), (".", "PUNCT")]
    (one,) = parse_conllu(conllu(pairs))
    assert list(zip(one.tokens, one.tags, strict=True)) == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n1 I PRON\n", "f, line 2: expected 10 columns, got 1. Columns are separated by tabs."),
        (line("1", "I") + "2\tam\t_\n", "f, line 2: expected 10 columns, got 3."),
        (line("1", "", "a"), 'f, line 1: expected something in every column, got nothing in column 2. An'),
        (line("2", "I"), 'f, line 1: expected the ID 1, "1-n" or "0.n", got \'2\'.'),
        (line("1", "I") + line("1", "am"), 'f, line 2: expected the ID 2, "2-n" or "1.n", got \'1\'.'),
        (line("1", "I") + line("3-4", "am"), "got '3-4'."),
        (line("2-1", "I"), "got '2-1'."),
        (line("1", "I") + line("2-1", "am"), "got '2-1'."),
        (line("one", "I"), "got 'one'."),
        (line("²", "I"), "got '²'."),
        (line("1", "I") + "# text = I\n", "f, line 2: expected a word or an empty line, got a comment in"),
        ("# text = I\n\n" + line("1", "I"), "f, line 2: expected the words of a sentence after its comments"),
        ("# text = I", "f, line 2: expected the words of a sentence after its comments, got none."),
    ],
)  # fmt: skip
def test_malformed_lines_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="line") as caught:
        list(parse_conllu(text, "f"))
    assert message in str(caught.value)


def test_as_many_tags_as_words() -> None:
    sentence = ConlluSentence((), (tuple(line("1", "I").rstrip("\n").split("\t")),))
    with pytest.raises(ValueError, match="tags must be 1, one a word, got 2"):
        sentence.tagged(["A", "B"])


@pytest.mark.data("ud_english_ewt")
def test_a_treebank_comes_back_byte_for_byte(data_set: Path, tmp_path: Path) -> None:
    path = data_set / "en_ewt-ud-test.conllu"  # with multiword tokens and empty nodes
    write_conllu(tmp_path / "copy", read_conllu(path))
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


# ---------------------------------------------------------------------- tagged sentences in any form


def test_three_forms_are_one(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    pairs = [[("나는", "PRON"), ("간다", "VERB")], [("Go", "VERB"), ("!", "PUNCT")]]
    path.write_text("".join(map(conllu, pairs)), encoding="utf-8")
    expected = [["나는", "간다"], ["Go", "!"]], [["PRON", "VERB"], ["VERB", "PUNCT"]]
    for given in ((path,), (str(path),), (pairs,), expected, ([list(map(list, one)) for one in pairs],)):
        assert tagged_sentences("f", *given) == expected
    assert tagged_sentences("f", []) == ([], [])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((5,), TypeError, "f: sentences must be a CoNLL-U path, or sentences of (token, tag), got 5."),
        (([["I", "run"]],), TypeError,
         "f: sentences[0][0] must be (token, tag), two strings that are not empty, got 'I'. Give tags"),
        ((["I run"],), TypeError, "f: sentences[0] must be a list of (token, tag), got 'I run'."),
        (([[("I", 3)]],), TypeError, "f: sentences[0][0] must be (token, tag), two strings that are not"),
        (([[("", "X")]],), TypeError, "got ('', 'X')."),
        (([[("a", "b", "c")]],), TypeError, "got ('a', 'b', 'c')."),
        ((["I run"], [["X", "Y"]]), TypeError,
         "f: sentences[0] must be a list of words, got 'I run'. Cut it into words first, with fastrnn.text."),
        (([["I"]], [["X"], ["Y"]]), ValueError, "f: tags must be 1 sentences, as many as sentences, got 2."),
        (([["I"]], [["X", "Y"]]), ValueError, "f: tags[0] must be 1 tags, one a word, got 2."),
        (([["I"]], [[None]]), TypeError, "f: tags[0][0] must be a string that is not empty, got None."),
        (("a.conllu", [["X"]]), ValueError, "f: tags must be None beside the path of a file, got [['X']]."),
    ],
)  # fmt: skip
def test_messages(given: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        tagged_sentences("f", *given)
    assert message in str(caught.value)


def test_a_file_without_tags_teaches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(TEXT, encoding="utf-8")
    with pytest.raises(ValueError, match="line") as caught:
        tagged_sentences("fit", path)
    expected = "the sentence from line 10: every word must have a tag (column 4), got none for '간다'."
    assert str(caught.value) == f"fit: {path}, {expected}"


def test_tokens_are_lists_of_strings() -> None:
    assert check_tokens("f", ("a", "b")) == ["a", "b"] and token_sentences("f", [[], ["가"]]) == [[], ["가"]]
    with pytest.raises(TypeError, match="f: sentences must be a list of sentences, got 'a'"):
        token_sentences("f", "a")
    with pytest.raises(TypeError, match="f: tokens must be a list of words, got b'a'"):
        check_tokens("f", b"a")
