"""A tape as files: exchanges in YAML, their bodies beside them."""

import json


def _flow(value):
    """A YAML flow mapping. JSON strings are YAML strings."""
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(key)}: {_flow(item)}" for key, item in value.items())
        return "{ " + inside + " }"
    return json.dumps(value) if isinstance(value, str) else str(value)


def _key(key):
    return key if key.replace("-", "").replace("_", "").replace(".", "").isalnum() else json.dumps(key)


class Tape:
    """Collects files by name: what they hold is exactly what is written."""

    def __init__(self):
        self.files = {}

    def exchanges(self, name, entries):
        """Writes `name` with its exchanges: `(about, request, responses)`, a response being a dict in which the key
        `file` is `(name, text)` of a body file."""
        folder = name.rsplit("/", 1)[0] + "/" if "/" in name else ""
        documents = []
        for about, request, responses in entries:
            lines = [f"about: {json.dumps(about) if chr(58) in about else about}", f"request: {_flow(request)}", "responses:"]
            for response in responses:
                written = {key: value for key, value in response.items() if key not in ("file", "body")}
                if "file" in response:
                    body_name, text = response["file"]
                    self._put(folder + body_name, text)
                    written["body_file"] = body_name
                if "body" not in response:
                    lines.append(f"  - {_flow(written)}")
                    continue
                head = [f"{_key(key)}: {_flow(value)}" for key, value in written.items()]
                # `|-` where the body has no line end of its own.
                body = response["body"]
                head.append("body: |" if body.endswith("\n") else "body: |-")
                lines.append("  - " + "\n    ".join(head))
                lines += [("      " + line).rstrip() for line in body.splitlines()]
            documents.append("\n".join(lines) + "\n")
        self._put(name, "---\n".join(documents))

    def _put(self, name, text):
        if self.files.get(name, text) != text:
            raise AssertionError(f"{name} is written twice")
        self.files[name] = text
