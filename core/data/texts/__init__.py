"""Texts: a vocabulary of pieces of words, and texts as sequences of token numbers."""
