"""Where a database belongs, out of its name: system, environment, region, component, number.

grammar.py reads names, regions.py knows abbreviations; this holds what a name says against what the cloud says.
"""

import re

import grammar
import regions
from muster_matcher import Database, Pass, SettingsError, Skip, Undecided, Verdict

DESCRIPTION = {
    "name": "topology",
    "version": "1.0.0",
    "author": "muster",
    "licence": "Apache-2.0",
    "summary": "System, environment, component and number out of names by a grammar, held against region and tags.",
    "settings": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "grammars": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Tried in this order; the first that fits counts. "
                "Default: {system}-{environment}-{region}-{component...}-{ordinal?}",
            },
            "words": {
                "type": "object",
                "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
                "description": "What a part may be, and what each spelling means: {environment: {prd: prod}}",
            },
            "patterns": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "What a part may be, as a regular expression.",
            },
            "regions": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Abbreviations of your own: {dub: eu-west-1}",
            },
            "tags": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Tags that must say the same as a part, where they are there: {environment: env}",
            },
            "unnamed": {
                "enum": ["pass", "skip"],
                "description": "What becomes of a name that no grammar fits, or that has two meanings. Default: pass.",
            },
            "contradiction": {
                "enum": ["undecided", "skip", "label"],
                "description": "What becomes of a name that the cloud contradicts. Default: undecided.",
            },
        },
    },
}

ENVIRONMENTS = {
    "d": "dev", "dev": "dev", "development": "dev", "t": "test", "tst": "test", "test": "test", "qa": "test",
    "s": "staging", "stg": "staging", "stage": "staging", "staging": "staging",
    "p": "prod", "prd": "prod", "prod": "prod", "production": "prod", "live": "prod",
}  # fmt: skip

DEFAULTS = {
    "grammars": ["{system}-{environment}-{region}-{component...}-{ordinal?}"],
    "words": {},
    "patterns": {},
    "regions": {},
    "tags": {},
    "unnamed": "pass",
    "contradiction": "undecided",
}
CHOICES = {"unnamed": ("pass", "skip"), "contradiction": ("undecided", "skip", "label")}

settings = DEFAULTS
grammars: list[list[grammar.Part]] = []
words_of: dict[str, grammar.Words] = {}


class RegionWords(grammar.Words):
    """What looks like a region."""

    def meaning(self, word: str) -> str | None:
        return word if regions.is_code(word, settings["regions"]) else None


def configure(given: dict | None) -> None:
    global settings, grammars, words_of
    settings = {**DEFAULTS, **(given or {})}
    problems = {key: "there is no such setting" for key in settings if key not in DEFAULTS}

    for key, choices in CHOICES.items():
        if settings[key] not in choices:
            problems[key] = f"must be one of {', '.join(choices)}"
    for key in ("patterns", "regions", "tags"):
        if not _is_table(settings[key]):
            problems[key] = "must be a table of texts"
    if not isinstance(settings["words"], dict):
        problems["words"] = "must be a table"
    else:
        for part, spellings in settings["words"].items():
            if not _is_table(spellings):
                problems[f"words.{part}"] = "must be a table of texts"

    grammars = []
    if not isinstance(settings["grammars"], list) or not settings["grammars"]:
        problems["grammars"] = "must be a list of texts, one at least"
    else:
        for place, text in enumerate(settings["grammars"]):
            try:
                grammars.append(grammar.parse(str(text)))
            except grammar.GrammarError as error:
                problems[f"grammars[{place}]"] = str(error)

    words_of = {"environment": grammar.Words(ENVIRONMENTS), "region": RegionWords()}
    words_of["ordinal"] = grammar.Words(pattern="[0-9]{1,4}")
    if "patterns" not in problems:
        for part, pattern in settings["patterns"].items():
            try:
                words_of[part] = grammar.Words(pattern=pattern)
            except re.error as error:
                problems[f"patterns.{part}"] = f"is no regular expression: {error}"
    if not any(path.startswith("words") for path in problems):
        for part, spellings in settings["words"].items():
            words_of[part] = grammar.Words({key.lower(): value for key, value in spellings.items()})
    for parts in grammars:
        for part in parts:
            words_of.setdefault(part.name, grammar.Words())
    if problems:
        raise SettingsError(problems)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def evaluate(database: Database) -> Verdict:
    for parts in grammars:
        readings = grammar.readings(parts, words_of, database.name)
        if len(readings) > 1:
            return _unnamed(f"its name can be read in several ways: {_shown(readings[0])}; {_shown(readings[1])}")
        if readings:
            return _placed(database, readings[0])
    return _unnamed("its name is by none of the grammars")


def _placed(database: Database, reading: dict[str, str]) -> Verdict:
    labels = {part: meaning for part, meaning in reading.items() if part not in ("region", "ordinal")}
    if "ordinal" in reading:
        # So that 2, 02 and 002 are one.
        labels["ordinal"] = str(int(reading["ordinal"])) if reading["ordinal"].isdecimal() else reading["ordinal"]

    contradictions = []
    code = reading.get("region")
    if code is not None and database.region and not regions.names(database.region, code, settings["regions"]):
        contradictions.append(f"its name says {code}, and it is in {database.region}")
    unread = (database.fact("unread") or "").split(",")
    for part, tag in settings["tags"].items():
        if part in reading and "tags" in unread:
            return Undecided("its tags could not be read")
        said = database.tag(tag)
        if part not in reading or said is None:
            continue
        meaning = words_of[part].meaning(said.strip().lower())
        if meaning != reading[part]:
            contradictions.append(f"its name says {part} {reading[part]}, and its tag {tag} says something else")

    if not contradictions:
        return Pass(labels)
    why = "; ".join(contradictions)
    if settings["contradiction"] == "skip":
        return Skip(why)
    if settings["contradiction"] == "label":
        return Pass({**labels, "contradicts-name": why})
    return Undecided(why)


def _unnamed(why: str) -> Verdict:
    return Skip(why) if settings["unnamed"] == "skip" else Pass()


def _shown(reading: dict[str, str]) -> str:
    return ", ".join(f"{part} {meaning}" for part, meaning in reading.items())
