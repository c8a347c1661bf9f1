"""Text on its way in and out: vocabularies, tokens, files; and n-grams, to measure networks by."""

from .conllu import read_conllu, write_conllu
from .endings import WordsAndEndings
from .ngram import NGram
from .readers import read_labelled, read_text
from .tables import read_table
from .tokens import jamo, words
from .vocabulary import Vocabulary

__all__ = [
    "NGram",
    "Vocabulary",
    "WordsAndEndings",
    "jamo",
    "read_conllu",
    "read_labelled",
    "read_table",
    "read_text",
    "words",
    "write_conllu",
]
