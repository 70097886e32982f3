#!/usr/bin/env python3
"""A judge of tokens: an LDAP server that PostgreSQL asks (`ldap` in pg_hba.conf) whether a password is right.

It knows nothing of muster. A token of RDS is right when botocore makes the same one for the time that stands in it, from
the keys, host, port, region and user that the judge was told, and when that time is not longer ago than it says itself; a
token of Entra is right when it is the very text that the judge was told.

Prints its port. Then each line of its input is a JSON object that changes what it goes by, answered by `ok`; `seen` is
answered by the list of what it judged since. Ends when its input ends.

    {"kind": "rds", "host": .., "port": .., "region": .., "keys": {ACCESS_KEY_ID: [SECRET, SESSION_TOKEN or null]},
     "users": [..], "ahead": SECONDS}        # `ahead`: how far its clock is before the machine's
    {"kind": "text", "tokens": {USER: TOKEN}}
"""

import datetime
import json
import socketserver
import sys
import threading
import urllib.parse
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials

PREFIX, SUFFIX = "cn=", ",dc=judge"
SUCCESS, INVALID_CREDENTIALS = 0, 49


def parts(url):
    return sorted(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True, strict_parsing=True))


def rds(rule, user, token):
    """Why a token of RDS is wrong; nothing when it is right."""
    url = "https://" + token
    given = dict(parts(url))
    place = urllib.parse.urlsplit(url)
    if (place.hostname, place.port, place.path) != (rule["host"], rule["port"], "/"):
        return f"made for {place.hostname}:{place.port}"
    if (given.get("Action"), given.get("DBUser")) != ("connect", user) or user not in rule["users"]:
        return f"made for user {given.get('DBUser')}"
    key, _, scope = given["X-Amz-Credential"].partition("/")
    if key not in rule["keys"]:
        return f"made with the key {key}"
    secret, session = rule["keys"][key]
    made = datetime.datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    request = botocore.awsrequest.AWSRequest(
        method="GET", url=f"https://{rule['host']}:{rule['port']}/", params={"Action": "connect", "DBUser": user}
    )
    signer = botocore.auth.SigV4QueryAuth(
        botocore.credentials.Credentials(key, secret, session), "rds-db", rule["region"], expires=int(given["X-Amz-Expires"])
    )
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: made.replace(tzinfo=None)):
        signer.add_auth(request)
    if parts(request.prepare().url) != parts(url):
        return f"botocore signs otherwise: scope {scope}"
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=rule.get("ahead", 0))
    if not -60 <= (now - made).total_seconds() <= min(900, int(given["X-Amz-Expires"])):
        return f"made at {made}, and now it is {now}"
    return None


def text(rule, user, token):
    """Why a token is not the one that was handed out; nothing when it is."""
    if user not in rule["tokens"]:
        return "nobody of this name"
    return None if rule["tokens"][user] == token else f"another token, of {len(token)} letters: {token[:16]}…"


RULES = {"rds": rds, "text": text}


class Judge:
    def __init__(self):
        self.lock, self.rule, self.seen = threading.Lock(), {"kind": "text", "tokens": {}}, []

    def judges(self, name, token):
        with self.lock:
            user = name.removeprefix(PREFIX).removesuffix(SUFFIX)
            try:
                why = RULES[self.rule["kind"]](self.rule, user, token)
            except (KeyError, ValueError) as error:
                why = f"not a token: {error!r}"
            self.seen.append({"user": user, "right": why is None, "why": why})
            return why


JUDGE = Judge()


def element(data, at):
    """The tag, the content and the end of the BER element that begins there."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at : at + size], "big"), at + size
    return tag, data[at : at + length], at + length


def made(tag, content):
    size = len(content).to_bytes(4, "big")
    return bytes([tag, 0x84]) + size + content


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        while head := self.rfile.read(2):
            length, more = head[1], b""
            if length & 0x80:
                more = self.rfile.read(length & 0x7F)
                length = int.from_bytes(more, "big")
            message = self.rfile.read(length)
            _, number, at = element(message, 0)
            kind, request, _ = element(message, at)
            if kind != 0x60:
                # Good-bye, or what a judge is not asked.
                return
            _, _, at = element(request, 0)
            _, name, at = element(request, at)
            way, password, _ = element(request, at)
            why = "not a simple bind" if way != 0x80 else JUDGE.judges(name.decode(), password.decode())
            code = SUCCESS if why is None else INVALID_CREDENTIALS
            answer = made(0x0A, bytes([code])) + made(0x04, b"") + made(0x04, (why or "").encode())
            self.wfile.write(made(0x30, made(0x02, number) + made(0x61, answer)))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Conversation)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        change = json.loads(line)
        with JUDGE.lock:
            if change == "seen":
                print(json.dumps(JUDGE.seen), flush=True)
                JUDGE.seen = []
            else:
                JUDGE.rule = change
                print("ok", flush=True)


if __name__ == "__main__":
    main()
