"""What the robots in Python share: one step a line on standard input, one answer a line on standard output.

Words are divided by tabs; a backslash, a tab and a line's end within a word are written as `\\\\`, `\\t` and `\\n`.
A robot is a class with a method for each step that its client can do; `clients/mod.rs` says what the steps are.
"""

import hashlib
import sys

ESCAPES = {"\\": "\\", "t": "\t", "n": "\n"}


def unescape(word):
    out, letters = [], iter(word)
    for letter in letters:
        out.append(ESCAPES[next(letters)] if letter == "\\" else letter)
    return "".join(out)


def escape(word):
    return word.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def text(value):
    """A value as psql would show it, as far as the cases need it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def rows(found):
    return ["rows", *(",".join(text(value) for value in row) for row in found)]


def digest(data):
    return ["rows", f"{len(data)},{hashlib.sha256(data.encode()).hexdigest()}"]


def lines(count):
    """Lines for COPY, so many."""
    return "".join(f"{number}\tline {number}\n" for number in range(1, int(count) + 1))


def steps():
    for line in sys.stdin:
        yield [unescape(word) for word in line.rstrip("\n").split("\t")]


def answer(words):
    print("\t".join(escape(word) for word in words), flush=True)
