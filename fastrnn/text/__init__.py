"""Text on its way in and out: vocabularies, tokens, files; and n-grams, to measure networks by."""

from .ngram import NGram
from .readers import read_labelled, read_text
from .tokens import jamo, words
from .vocabulary import Vocabulary

__all__ = ["NGram", "Vocabulary", "jamo", "read_labelled", "read_text", "words"]
