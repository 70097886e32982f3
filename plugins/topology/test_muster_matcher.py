"""Tests of what the template brings: what muster asks for, and what it is told.

The modules that exist only while a component is made are stood in for.
"""

import sys
import types as python
import unittest
from dataclasses import make_dataclass

import muster_matcher
from muster_matcher import Enroll, Pass, SettingsError, Skip, Undecided


class Err(Exception):
    """As componentize-py has it."""

    def __init__(self, value):
        self.value = value


def stand_in():
    """The generated modules, and what is logged."""
    logged = []
    host = python.SimpleNamespace(
        Level=python.SimpleNamespace(DEBUG="debug", INFO="info", WARN="warn"),
        log=lambda level, message: logged.append((level, message)),
    )
    fields = {
        "Description": ["name", "version", "author", "licence", "summary", "settings_schema", "facts"],
        "Enrollment": ["name", "labels", "hints", "reason"],
        "Problem": ["path", "message"],
        "Verdict_Enroll": ["value"],
        "Verdict_Skip": ["value"],
        "Verdict_Pass": ["value"],
        "Verdict_Undecided": ["value"],
    }
    types = python.SimpleNamespace(**{name: make_dataclass(name, given) for name, given in fields.items()})
    sys.modules["componentize_py_types"] = python.SimpleNamespace(Err=Err)
    sys.modules["wit_world"] = python.SimpleNamespace(exports=python.SimpleNamespace(Plugin=object))
    sys.modules["wit_world.imports"] = python.SimpleNamespace(host=host, types=types)
    return types, logged


def span(start, length):
    return python.SimpleNamespace(start=start, len=length)


BATCH = python.SimpleNamespace(
    texts=["", "orders", "env", "prod", "Umlaut ä"],
    pairs=[2, 3, 4, 0],
    databases=[
        python.SimpleNamespace(
            **{name: 0 for name in muster_matcher._FIELDS if name != "name"},
            name=1,
            port=5432,
            tags=span(0, 2),
            derived=span(1, 1),
            labels=span(0, 2),
            facts=span(0, 0),
        )
    ],
)


class Contract(unittest.TestCase):
    def setUp(self):
        self.types, self.logged = stand_in()

    def tearDown(self):
        muster_matcher.Log._host = None

    def plugin(self, evaluate, configure=lambda settings: None):
        matcher = python.SimpleNamespace(
            DESCRIPTION={"name": "x", "version": "1.0.0", "settings": {"type": "object"}},
            configure=configure,
            evaluate=evaluate,
        )
        return muster_matcher.component(matcher)()

    def test_a_database_is_what_the_numbers_say(self):
        seen = []
        self.plugin(lambda database: seen.append(database) or Pass()).evaluate(BATCH)
        database = seen[0]
        self.assertEqual((database.name, database.region, database.port), ("orders", "", 5432))
        self.assertEqual(database.tag("env"), "prod")
        self.assertEqual(database.tag("Umlaut ä"), "")
        self.assertIsNone(database.derived("env"))
        self.assertEqual(database.tags(), {"env": "prod", "Umlaut ä": ""})
        self.assertEqual(database.facts(), {})

    def test_each_verdict_is_its_case(self):
        types = self.types
        for given, wanted in [
            (
                Enroll(name="n", labels={"a": 1}, reason="r"),
                types.Verdict_Enroll(types.Enrollment("n", [("a", "1")], [], "r")),
            ),
            (Skip("s"), types.Verdict_Skip("s")),
            (Pass({"a": "b"}), types.Verdict_Pass([("a", "b")])),
            (Undecided("u"), types.Verdict_Undecided("u")),
        ]:
            self.assertEqual(self.plugin(lambda _, given=given: given).evaluate(BATCH), [wanted])

    def test_what_is_raised_is_told_first_with_where(self):
        def evaluate(database):
            raise ValueError("boom")

        with self.assertRaises(ValueError):
            self.plugin(evaluate).evaluate(BATCH)
        level, message = self.logged[0]
        self.assertEqual(level, "warn")
        self.assertIn("ValueError: boom", message)
        self.assertIn("at evaluate (", message)
        self.assertIn("test_muster_matcher.py:", message)

    def test_no_verdict_is_a_mistake_that_is_told(self):
        with self.assertRaises(TypeError):
            self.plugin(lambda database: None).evaluate(BATCH)
        self.assertIn("not None", self.logged[0][1])

    def test_wrong_settings_are_problems_and_other_errors_are_not(self):
        def refuse(settings):
            raise SettingsError({"a[0].b": "is wrong"})

        with self.assertRaises(Err) as refused:
            self.plugin(None, refuse).configure("null")
        self.assertEqual(refused.exception.value, [self.types.Problem("a[0].b", "is wrong")])
        self.assertEqual(self.logged, [])
        with self.assertRaises(TypeError):
            self.plugin(None, lambda settings: settings["a"]).configure("null")
        self.assertIn("TypeError", self.logged[0][1])

    def test_a_description_has_all_that_the_contract_asks_for(self):
        wanted = self.types.Description("x", "1.0.0", "", "", "", '{"type": "object"}', [])
        self.assertEqual(self.plugin(None).describe(), wanted)


if __name__ == "__main__":
    unittest.main()
