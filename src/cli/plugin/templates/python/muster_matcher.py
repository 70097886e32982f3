"""What a matcher in Python needs of muster: a database to ask, verdicts to give, a log.

It hides the contract in wit/, where texts cross once a batch and everything else is the place of a text.
It belongs to the template and not to you: a newer muster may bring a newer one.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, Optional, Union


def _text(name: str, doc: str) -> property:
    def text(database: "Database") -> str:
        return database._texts[getattr(database._record, name)]

    return property(text, doc=doc)


class Database:
    """One database as a scanner saw it. What is not known is the empty text, None in a lookup, or 0."""

    __slots__ = ("_texts", "_pairs", "_record")

    def __init__(self, batch: Any, record: Any) -> None:
        self._texts = batch.texts
        self._pairs = batch.pairs
        self._record = record

    id = _text("id", "The cloud's own id (ARN, ARM id), `#`, and the endpoint's role.")
    name = _text("name", "What a person called it: the cloud's identifier.")
    provider = _text("provider", "aws, azure")
    kind = _text("kind", "The product: rds, aurora, docdb, elasticache, azure-postgresql, ...")
    protocol = _text("protocol", "postgres, mysql, mongodb, redis")
    engine = _text("engine", "The cloud's name of the engine: postgres, aurora-mysql, valkey, ...")
    engine_version = _text("engine_version", "")
    state = _text("state", "As the cloud spells it; the fact `availability` says what it means.")
    account = _text("account", "Account number or subscription id.")
    region = _text("region", "")
    role = _text("role", "instance, primary, reader, custom:NAME, cluster, configuration, serverless, server")
    host = _text("host", "Empty while it is stopped or being made.")

    @property
    def port(self) -> int:
        return self._record.port

    def tag(self, key: str) -> Optional[str]:
        """Set by the owner of the cloud account: not to be trusted."""
        return self._value(self._record.tags, key)

    def derived(self, key: str) -> Optional[str]:
        """A label that muster derived itself: `region`, `account-id`, ..."""
        return self._value(self._record.derived, key)

    def label(self, key: str) -> Optional[str]:
        """The labels so far: derived ones, tags, and what the steps before this one made of them."""
        return self._value(self._record.labels, key)

    def fact(self, key: str) -> Optional[str]:
        """Everything else that is known: `public`, `tls`, `availability`, ..."""
        return self._value(self._record.facts, key)

    def tags(self) -> dict[str, str]:
        return dict(self._all(self._record.tags))

    def all_derived(self) -> dict[str, str]:
        return dict(self._all(self._record.derived))

    def labels(self) -> dict[str, str]:
        return dict(self._all(self._record.labels))

    def facts(self) -> dict[str, str]:
        return dict(self._all(self._record.facts))

    def _value(self, span: Any, key: str) -> Optional[str]:
        texts, pairs = self._texts, self._pairs
        for at in range(2 * span.start, 2 * (span.start + span.len), 2):
            if texts[pairs[at]] == key:
                return texts[pairs[at + 1]]
        return None

    def _all(self, span: Any) -> Iterator[tuple[str, str]]:
        for at in range(2 * span.start, 2 * (span.start + span.len), 2):
            yield self._texts[self._pairs[at]], self._texts[self._pairs[at + 1]]


@dataclass
class Enroll:
    """To be enrolled. Without a name muster names it. Labels are added to those so far, or replace them."""

    name: Optional[str] = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    hints: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass
class Skip:
    """Not to be enrolled, and why."""

    reason: str


@dataclass
class Pass:
    """No opinion: labels to be added, and the next step is asked."""

    labels: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Undecided:
    """It cannot be said this time, and why: what is needed could not be read, or contradicts itself.

    What is enrolled stays, what is not is not added, and no step after this one is asked.
    """

    reason: str


Verdict = Union[Enroll, Skip, Pass, Undecided]


class SettingsError(Exception):
    """What is wrong with the settings: `SettingsError({"tags[0]": "is no text"})`, all of it at once."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in problems.items()))
        self.problems = dict(problems)


class Log:
    """Lines for whoever runs the matcher; in native tests they go nowhere. muster keeps 64 of 1 KiB a batch."""

    _host: Any = None

    def debug(self, message: object) -> None:
        self._write("DEBUG", message)

    def info(self, message: object) -> None:
        self._write("INFO", message)

    def warn(self, message: object) -> None:
        self._write("WARN", message)

    def _write(self, level: str, message: object) -> None:
        if self._host is not None:
            self._host.log(getattr(self._host.Level, level), str(message))


log = Log()


@dataclass
class _Span:
    start: int
    len: int


class _Plain:
    pass


_FIELDS = (
    "id", "name", "provider", "kind", "protocol", "engine", "engine_version", "state", "account", "region", "role",
    "host",
)


def database(
    *,
    tags: Optional[Mapping[str, str]] = None,
    derived: Optional[Mapping[str, str]] = None,
    labels: Optional[Mapping[str, str]] = None,
    facts: Optional[Mapping[str, str]] = None,
    port: int = 0,
    **texts: str,
) -> Database:
    """For tests: a database made of plain values, such as `database(name="orders", tags={"env": "prod"})`."""
    batch, record = _Plain(), _Plain()
    batch.texts, batch.pairs = [""], []

    def place(text: str) -> int:
        batch.texts.append(text)
        return len(batch.texts) - 1

    def span(values: Mapping[str, str]) -> _Span:
        start = len(batch.pairs) // 2
        for key, value in values.items():
            batch.pairs += [place(key), place(value)]
        return _Span(start, len(batch.pairs) // 2 - start)

    unknown = set(texts) - set(_FIELDS)
    if unknown:
        raise TypeError(f"a database has no {', '.join(sorted(unknown))}")
    for name in _FIELDS:
        setattr(record, name, place(texts[name]) if name in texts else 0)
    tags, derived = tags or {}, derived or {}
    record.port = port
    record.tags, record.derived = span(tags), span(derived)
    record.labels = span({**tags, **derived} if labels is None else labels)
    record.facts = span(facts or {})
    return Database(batch, record)


def _where(error: BaseException) -> str:
    # Not by `traceback`, which looks for the source, and there are no files.
    lines = [f"{type(error).__name__}: {error}"]
    at = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        lines.append(f"at {code.co_name} ({code.co_filename}:{at.tb_lineno})")
        at = at.tb_next
    return "\n".join(lines)


def component(matcher: Any) -> type:
    """Turns a module with `DESCRIPTION`, `configure` and `evaluate` into what muster asks for. Called by app.py."""
    # These are there while the component is made, and only then.
    from componentize_py_types import Err
    from wit_world import exports
    from wit_world.imports import host, types

    Log._host = host

    def pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(key, str(value)) for key, value in values.items()]

    def told(function: Any, *arguments: Any) -> Any:
        # What is raised ends the batch, and its message with it: so it is logged first.
        try:
            return function(*arguments)
        except SettingsError:
            raise
        except Exception as error:
            log.warn(_where(error))
            raise

    def verdict(given: Verdict) -> Any:
        if isinstance(given, Enroll):
            return types.Verdict_Enroll(
                types.Enrollment(given.name, pairs(given.labels), pairs(given.hints), given.reason)
            )
        if isinstance(given, Skip):
            return types.Verdict_Skip(given.reason)
        if isinstance(given, Pass):
            return types.Verdict_Pass(pairs(given.labels))
        if isinstance(given, Undecided):
            return types.Verdict_Undecided(given.reason)
        raise TypeError(f"a verdict is Enroll, Skip, Pass or Undecided, not {given!r}")

    class Plugin(exports.Plugin):
        def describe(self) -> Any:
            given = matcher.DESCRIPTION
            settings = given.get("settings")
            return types.Description(
                name=given["name"],
                version=given["version"],
                author=given.get("author", ""),
                licence=given.get("licence", ""),
                summary=given.get("summary", ""),
                settings_schema="" if settings is None else json.dumps(settings),
                facts=pairs(given.get("facts", {})),
            )

        def configure(self, settings: str) -> None:
            try:
                told(lambda: matcher.configure(json.loads(settings)))
            except SettingsError as error:
                raise Err([types.Problem(path, message) for path, message in error.problems.items()])

        def evaluate(self, batch: Any) -> list[Any]:
            return told(lambda: [verdict(matcher.evaluate(Database(batch, record))) for record in batch.databases])

    return Plugin
