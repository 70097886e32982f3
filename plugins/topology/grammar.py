"""Names by a grammar: `{system}-{environment}-{region}-{component...}-{ordinal?}`.

A name is words between hyphens, and a part of the grammar takes one of them, some (`...`), or perhaps none (`?`). Which
words a part may take can be a list, a pattern, or anything. So one name may be read in several ways, and all of them are
found: a regular expression would give the first and keep silent about the others.
"""

import re
from dataclasses import dataclass
from typing import Iterator, Mapping, Optional, Sequence

# A name of 63 characters has 32 words; a part that takes many then has that many ends. Beyond this nothing is searched.
MOST_WORDS = 40
# So many readings are told apart; more are as ambiguous as that.
MOST_READINGS = 8
ANYTHING = r"(?:.*-)?[^-]*[^0-9-][^-]*"


@dataclass(frozen=True)
class Part:
    """One `{part}` of a grammar."""

    name: str
    many: bool = False
    optional: bool = False


class GrammarError(ValueError):
    """The grammar cannot be used."""


def parse(grammar: str) -> list[Part]:
    """The parts of a grammar, in order."""
    parts = []
    for text in grammar.split("-"):
        found = re.fullmatch(r"\{([a-z][a-z0-9]*)(\.\.\.)?(\?)?\}", text)
        if found is None:
            raise GrammarError(f"`{text}` is no part: {{name}}, {{name...}}, {{name?}} or {{name...?}}")
        parts.append(Part(found[1], found[2] is not None, found[3] is not None))
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise GrammarError(f"`{twice[0]}` is there twice")
    return parts


class Words:
    """What a part may be: spellings with what they mean, a pattern, or anything that does not end with a bare number.

    A bare number is an ordinal. If it could be the end of a component too, every name with one had two readings.
    """

    def __init__(self, spellings: Optional[Mapping[str, str]] = None, pattern: Optional[str] = None) -> None:
        self._spellings = spellings
        self._pattern = re.compile(ANYTHING if pattern is None else pattern)

    def meaning(self, word: str) -> Optional[str]:
        """What the word means as this part; None when it cannot be it."""
        if self._spellings is not None:
            return self._spellings.get(word)
        return None if self._pattern.fullmatch(word) is None else word


def readings(parts: Sequence[Part], words_of: Mapping[str, Words], name: str) -> list[dict[str, str]]:
    """All ways to read the name, each a meaning for every part that is there; at most MOST_READINGS."""
    words = name.lower().split("-")
    if len(words) > MOST_WORDS or "" in words:
        return []
    found: list[dict[str, str]] = []
    for reading in _read(parts, words_of, words):
        if reading not in found:
            found.append(reading)
        if len(found) == MOST_READINGS:
            break
    return found


def _read(parts: Sequence[Part], words_of: Mapping[str, Words], words: Sequence[str]) -> Iterator[dict[str, str]]:
    if not parts:
        if not words:
            yield {}
        return
    part, rest = parts[0], parts[1:]
    needed = sum(1 for other in rest if not other.optional)
    most = len(words) - needed if part.many else min(1, len(words) - needed)
    for count in range(most, -1 if part.optional else 0, -1):
        if count == 0:
            yield from _read(rest, words_of, words)
            continue
        meaning = words_of[part.name].meaning("-".join(words[:count]))
        if meaning is None:
            continue
        for reading in _read(rest, words_of, words[count:]):
            yield {part.name: meaning, **reading}
