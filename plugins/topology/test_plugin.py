"""Tests of the logic, by `python3 -m unittest`: no WebAssembly, no muster. tests.yaml has those of the component."""

import unittest

import grammar
import plugin
import regions
from muster_matcher import Pass, SettingsError, Skip, Undecided, database


def judge(name, region="eu-west-1", **more):
    return plugin.evaluate(database(name=name, region=region, **more))


class Names(unittest.TestCase):
    def setUp(self):
        plugin.configure(None)

    def test_a_name_by_the_grammar_becomes_labels(self):
        labels = {"system": "pay", "environment": "prod", "component": "orders", "ordinal": "2"}
        self.assertEqual(judge("pay-prd-euw1-orders-02"), Pass(labels))
        self.assertEqual(judge("PAY-PROD-EUW1-orders-2"), Pass(labels))

    def test_a_component_may_have_hyphens_and_the_number_may_be_left_out(self):
        self.assertEqual(judge("pay-d-euw1-order-read-model").labels["component"], "order-read-model")
        self.assertNotIn("ordinal", judge("pay-d-euw1-orders").labels)

    def test_a_name_that_can_be_read_in_two_ways_is_not_guessed(self):
        plugin.configure({"unnamed": "skip", "grammars": ["{system...}-{component...}"]})
        self.assertIn("several ways", judge("pay-core-orders").reason)
        # With the words known there is but one.
        plugin.configure({"grammars": ["{system...}-{component...}"], "words": {"system": {"pay-core": "payments"}}})
        self.assertEqual(judge("pay-core-orders"), Pass({"system": "payments", "component": "orders"}))

    def test_a_number_at_the_end_is_part_of_nothing_else(self):
        parts = grammar.parse("{component...}-{ordinal?}")
        words = {"component": grammar.Words(pattern=".*[a-z]"), "ordinal": grammar.Words(pattern="[0-9]+")}
        self.assertEqual(grammar.readings(parts, words, "a-b-7"), [{"component": "a-b", "ordinal": "7"}])

    def test_other_names_pass_or_are_skipped(self):
        for name in ["orders", "pay-prd-orders", "pay-xyz-euw1-orders", "pay--euw1-orders", "-", "a-" * 200]:
            plugin.configure(None)
            self.assertEqual(judge(name), Pass())
            plugin.configure({"unnamed": "skip"})
            self.assertEqual(judge(name), Skip("its name is by none of the grammars"))

    def test_a_name_that_the_region_contradicts(self):
        moved = "its name says euw1, and it is in us-east-1"
        self.assertEqual(judge("pay-prd-euw1-orders", "us-east-1"), Undecided(moved))
        plugin.configure({"contradiction": "skip"})
        self.assertEqual(judge("pay-prd-euw1-orders", "us-east-1"), Skip(moved))
        plugin.configure({"contradiction": "label"})
        self.assertEqual(judge("pay-prd-euw1-orders", "us-east-1").labels["contradicts-name"], moved)

    def test_a_name_that_a_tag_contradicts(self):
        plugin.configure({"tags": {"environment": "env"}})
        name = "pay-prd-euw1-orders"
        self.assertIsInstance(judge(name, tags={"env": "Production"}), Pass)
        self.assertIsInstance(judge(name), Pass)
        self.assertIsInstance(judge(name, tags={"env": "dev"}), Undecided)
        self.assertIsInstance(judge(name, facts={"unread": "tags"}), Undecided)

    def test_settings_that_cannot_be_used_are_refused_all_at_once(self):
        with self.assertRaises(SettingsError) as refused:
            plugin.configure(
                {
                    "grammars": ["{a}-b", "{a}-{a}"],
                    "patterns": {"a": "("},
                    "words": {"b": ["c"]},
                    "unnamed": "x",
                    "more": 1,
                }
            )
        self.assertEqual(
            sorted(refused.exception.problems),
            ["grammars[0]", "grammars[1]", "more", "patterns.a", "unnamed", "words.b"],
        )


class Regions(unittest.TestCase):
    def test_abbreviations(self):
        for code, region in {
            "euw1": "eu-west-1", "apse2": "ap-southeast-2", "usgw1": "us-gov-west-1", "cnnw1": "cn-northwest-1",
            "weu": "westeurope", "gwc": "germanywestcentral", "dub": "eu-west-1",
        }.items():  # fmt: skip
            self.assertTrue(regions.names(region, code, {"dub": "eu-west-1"}), code)
            self.assertTrue(regions.is_code(code, {"dub": "eu-west-1"}), code)
            self.assertFalse(regions.names("me-south-1", code, {}), code)
        for word in ["orders", "eu", "", "prod", "eu1"]:
            self.assertFalse(regions.is_code(word, {}), word)


if __name__ == "__main__":
    unittest.main()
