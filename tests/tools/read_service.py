#!/usr/bin/env python3
"""Reads what a running service shows, with readers that are not muster's own.

Lines on standard input are requests, each is answered with one line of JSON:

    metrics URL   every sample of a scrape: family, type, name, labels, value. It is scraped twice, as OpenMetrics and
                  in the older format, and both must have the same metrics and series.
    api URL       checks the OpenAPI document, asks every path in it, and checks every answer by its schema. Says what
                  was asked, and what is wrong.
"""

import http.client
import json
import sys
import urllib.parse

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def ask(url, path, method="GET", headers=None):
    """Status, content type, body."""
    address = urllib.parse.urlsplit(url).netloc
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("content-type"), answer.read()
    finally:
        connection.close()


# === metrics ===


def metrics(url):
    # Between two scrapes a series can come to be, seldom often.
    for _ in range(10):
        samples, same = scrape(url)
        if same:
            return samples
    raise AssertionError("the two formats have different metrics or series")


def scrape(url):
    status, content, body = ask(url, "/metrics", headers={"accept": OPENMETRICS + ",text/plain;q=0.5"})
    assert (status, content) == (200, OPENMETRICS), (status, content)
    families = list(openmetrics.text_string_to_metric_families(body.decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "a family is there twice"
    status, content, body = ask(url, "/metrics")
    assert (status, content) == (200, TEXT), (status, content)
    older = list(read_text(body.decode()))
    kinds = lambda them: {family.name: (family.type, family.documentation) for family in them}
    series = lambda them: {(it.name, *sorted(it.labels.items())) for family in them for it in family.samples}
    samples = [
        [family.name, family.type, sample.name, sample.labels, sample.value]
        for family in families
        for sample in family.samples
    ]
    return samples, kinds(families) == kinds(older) and series(families) == series(older)


# === API ===


class Api:
    """One walk over everything that the document names."""

    def __init__(self, url):
        self.url = url
        self.asked = []
        self.wrong = []
        status, content, body = ask(url, "/openapi.json")
        assert (status, content) == (200, "application/json"), (status, content)
        self.document = json.loads(body)
        validate(self.document)

    def walk(self):
        for path, item in self.document["paths"].items():
            assert set(item) <= {"get", "parameters"}, f"{path} has more than GET"
            known = self.known(path)
            for asked in known:
                self.check(path, asked, "200")
            for asked in known[:1]:
                self.check_methods(path, asked)
            if "{" in path:
                self.check(path, filled(path, "no-such-thing"), "404")
            if path.startswith("/api/"):
                self.check(path, filled(path, "x") + "?no-such-parameter=1", "400")
            if path.startswith("/api/") and self.parameter(path, "limit"):
                self.check_pages(path)
        self.check_problem("/api/v1/nothing", "404")
        return {"asked": self.asked, "wrong": self.wrong}

    def known(self, path):
        """Paths to ask, with what there is for what varies."""
        if "{" not in path:
            queries = [""]
            if self.parameter(path, "limit"):
                queries += ["?limit=1", "?limit=1000"]
            if self.parameter(path, "selector"):
                queries += ["?selector=env=prod", "?selector=env=*&selector=team=^pl.*$"]
            if self.parameter(path, "verbose"):
                queries += ["?verbose"]
            return [path + query for query in queries]
        collection, name = path.split("/{")
        name = name.rstrip("}")
        keys = {"id": lambda it: it["database"]["id"], "name": lambda it: it["id"], "number": lambda it: str(it["number"])}
        return [filled(path, keys[name](item)) for item in self.items(collection, 1000)]

    def items(self, collection, limit):
        items, cursor = [], ""
        while True:
            status, _, body = ask(self.url, f"{collection}?limit={limit}{cursor}")
            assert status == 200, (collection, status, body)
            page = json.loads(body)
            assert len(page["items"]) <= limit, f"{collection} has more than {limit}"
            items += page["items"]
            if page.get("next") is None:
                return items
            cursor = "&cursor=" + urllib.parse.quote(page["next"])

    def parameter(self, path, name):
        operation = self.document["paths"][path]["get"]
        return any(it["name"] == name and it["in"] == "query" for it in operation.get("parameters", []))

    def check(self, path, asked, expected):
        for accept in (None, "application/json"):
            status, content, body = ask(self.url, asked, headers={"accept": accept} if accept else {})
            self.asked.append(asked)
            answers = self.document["paths"][path]["get"]["responses"]
            if str(status) != expected:
                self.wrong.append(f"{asked}: {status}, not {expected}: {body[:200]!r}")
            answer = answers.get(str(status)) or answers.get(f"{status // 100}XX") or answers.get("default")
            answer = self.resolved(answer)
            if content not in answer.get("content", {}):
                self.wrong.append(f"{asked}: {status} in {content} is not described")
            elif "json" in content:
                self.check_schema(asked, answer["content"][content]["schema"], json.loads(body))

    def resolved(self, answer):
        while answer and "$ref" in answer:
            name = answer["$ref"].removeprefix("#/components/responses/")
            answer = self.document["components"]["responses"][name]
        return answer or {}

    def check_schema(self, asked, schema, value):
        whole = {**schema, "components": self.document["components"]}
        checker = Draft202012Validator(whole, format_checker=FormatChecker())
        for error in checker.iter_errors(value):
            self.wrong.append(f"{asked}: {error.json_path}: {error.message[:300]}")

    def check_methods(self, path, asked):
        _, content, _ = ask(self.url, asked)
        status, head, body = ask(self.url, asked, "HEAD")
        if (status, head, body) != (200, content, b""):
            self.wrong.append(f"HEAD {asked}: {status} in {head} with {len(body)} bytes")
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            self.check_problem(asked, "405", method)

    def check_problem(self, asked, expected, method="GET"):
        status, content, body = ask(self.url, asked, method)
        if (str(status), content) != (expected, "application/problem+json"):
            self.wrong.append(f"{method} {asked}: {status} in {content}, not {expected}")
            return
        problem = self.document["components"]["schemas"]["Problem"]
        self.check_schema(f"{method} {asked}", problem, json.loads(body))

    def check_pages(self, path):
        """Small pages hold what a large one holds, each thing once and in the same order."""
        small, large = self.items(path, 3), self.items(path, 1000)
        keys = lambda items: [json.dumps(item.get("id") or item.get("database", {}).get("id") or item, sort_keys=True) for item in items]
        if path != "/api/v1/scopes" and keys(small) != keys(large):
            self.wrong.append(f"{path}: {len(small)} by pages of 3, {len(large)} at once")
        if len(small) != len(large):
            self.wrong.append(f"{path}: {len(small)} by pages of 3, {len(large)} at once")


def filled(path, value):
    if "{" not in path:
        return path
    return path.split("{")[0] + urllib.parse.quote(value, safe="")


READERS = {"metrics": metrics, "api": lambda url: Api(url).walk()}

for line in sys.stdin:
    what, url = line.split()
    print(json.dumps(READERS[what](url)), flush=True)
