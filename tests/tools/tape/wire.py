"""Writes answers as AWS writes them, and reads each one back with botocore before it is kept.

The shapes come from botocore's service models (element names, wrappers, list members, time formats). The reading is
done by botocore's own parsers, which are the oracle: what they return must be what was meant.
"""

import datetime
import hashlib
import json
from xml.sax.saxutils import escape

import botocore.parsers
import botocore.session

_SESSION = botocore.session.get_session()
_MODELS = {}


def model(service):
    """The service model of botocore's `service`."""
    if service not in _MODELS:
        _MODELS[service] = _SESSION.get_service_model(service)
    return _MODELS[service]


def time(text):
    """A point in time, as the parsers return it."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


def request_id(*parts):
    """A request id that is always the same for the same parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def answer(service, operation, result, key=""):
    """The body of a successful answer of one AWS operation, and proof that botocore reads it back."""
    described = model(service).operation_model(operation)
    protocol = described.service_model.metadata["protocol"]
    if protocol == "json":
        body = json.dumps(result, indent=1) + "\n"
    else:
        body = _xml(described, protocol, result, request_id(service, operation, key, json.dumps(result, default=str)))
    parsed = botocore.parsers.create_parser(protocol).parse(
        {"status_code": 200, "headers": {"x-amzn-requestid": "r"}, "body": body.encode()}, described.output_shape
    )
    parsed.pop("ResponseMetadata", None)
    if parsed != result:
        raise AssertionError(f"{service} {operation}: botocore reads\n{parsed}\ninstead of\n{result}")
    return body


def error(service, status, code, message, key=""):
    """The body of an AWS error answer, and proof that botocore reads it back."""
    protocol = model(service).metadata["protocol"]
    ident = request_id(service, status, code, message, key)
    if protocol == "json":
        body = json.dumps({"__type": code, "message": message}) + "\n"
    elif protocol == "ec2":
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{escape(code)}</Code>'
            f"<Message>{escape(message)}</Message></Error></Errors><RequestID>{ident}</RequestID></Response>\n"
        )
    else:
        space = model(service).metadata["xmlNamespace"]
        kind = "Receiver" if status >= 500 else "Sender"
        body = (
            f'<ErrorResponse xmlns="{space}">\n  <Error>\n    <Type>{kind}</Type>\n    <Code>{escape(code)}</Code>\n'
            f"    <Message>{escape(message)}</Message>\n  </Error>\n  <RequestId>{ident}</RequestId>\n</ErrorResponse>\n"
        )
    parsed = botocore.parsers.create_parser(protocol).parse(
        {"status_code": status, "headers": {"x-amzn-requestid": "r"}, "body": body.encode()}, None
    )
    read = (parsed["Error"]["Code"], parsed["Error"]["Message"])
    if read != (code, message):
        raise AssertionError(f"{service} error: botocore reads {read} instead of {(code, message)}")
    return body


def _xml(described, protocol, result, ident):
    space = described.service_model.metadata["xmlNamespace"]
    name = described.name
    shape = described.output_shape
    lines = [f'<{name}Response xmlns="{space}">']
    if protocol == "ec2":
        lines.append(f" <requestId>{ident}</requestId>")
        _members(lines, shape, result, 1)
    else:
        wrapper = shape.serialization["resultWrapper"]
        lines.append(f" <{wrapper}>")
        _members(lines, shape, result, 2)
        lines.append(f" </{wrapper}>")
        lines.append(f" <ResponseMetadata>\n  <RequestId>{ident}</RequestId>\n </ResponseMetadata>")
    lines.append(f"</{name}Response>")
    return "\n".join(lines) + "\n"


def _members(lines, shape, value, depth):
    unknown = set(value) - set(shape.members)
    if unknown:
        raise AssertionError(f"{shape.name} has no members {sorted(unknown)}")
    for name, member in shape.members.items():
        if name in value:
            _element(lines, member.serialization.get("name", name), member, value[name], depth)


def _element(lines, tag, shape, value, depth):
    pad = " " * depth
    if shape.type_name == "structure":
        lines.append(f"{pad}<{tag}>")
        _members(lines, shape, value, depth + 1)
        lines.append(f"{pad}</{tag}>")
    elif shape.type_name == "list":
        inner = shape.member.serialization.get("name", "member")
        if shape.serialization.get("flattened"):
            for item in value:
                _element(lines, inner, shape.member, item, depth)
        elif value:
            lines.append(f"{pad}<{tag}>")
            for item in value:
                _element(lines, inner, shape.member, item, depth + 1)
            lines.append(f"{pad}</{tag}>")
        else:
            lines.append(f"{pad}<{tag}/>")
    else:
        lines.append(f"{pad}<{tag}>{escape(_text(shape, value))}</{tag}>")


def _text(shape, value):
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return str(value)
