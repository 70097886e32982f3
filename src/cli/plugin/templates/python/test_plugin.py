"""Tests of the logic, by `python3 -m unittest`: no WebAssembly, no muster. tests.yaml has those of the component."""

import unittest

import plugin
from muster_matcher import Enroll, SettingsError, Skip, database


class Environment(unittest.TestCase):
    def setUp(self):
        plugin.configure(None)

    def test_spellings_of_one_environment_are_one(self):
        for value in ["prod", "PRD", "Production", "live"]:
            verdict = plugin.evaluate(database(name="orders", tags={"env": value}))
            self.assertIsInstance(verdict, Enroll)
            self.assertEqual(verdict.labels, {"environment": "prod"})

    def test_without_a_tag_it_is_skipped(self):
        self.assertIsInstance(plugin.evaluate(database(name="orders")), Skip)

    def test_the_settings_say_which_tags_count(self):
        plugin.configure({"tags": ["tier"]})
        verdict = plugin.evaluate(database(tags={"env": "prod", "tier": "dev"}))
        self.assertEqual(verdict.reason, "the tag tier says dev")

    def test_settings_that_cannot_be_used_are_refused(self):
        for tags in ["env", [1], []]:
            with self.assertRaises(SettingsError):
                plugin.configure({"tags": tags})


if __name__ == "__main__":
    unittest.main()
