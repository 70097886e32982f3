#!/usr/bin/env python3
"""Scanning many databases: the processor time of muster beside botocore's, on the same answers in the same run.

    bench_scan.py [--databases 10000] [--rounds 5] [--binary PATH]

Without --binary it builds the example scan_bench with the profile `bench`. Both sides read the same pages from the
same local replayer; its own time counts for neither. Needs botocore (`tests/tools/servers.sh`).
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build():
    command = ["cargo", "build", "--locked", "--profile", "bench", "-p", "muster-discovery", "--example", "scan_bench", "--message-format", "json-render-diagnostics"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    built = [message for message in map(json.loads, lines) if message.get("executable") and message["target"]["name"] == "scan_bench"]
    return built[-1]["executable"]


def botocore_lists(url, rounds):
    """In a process of its own: microseconds of processor time a round, and how many endpoints there are."""
    import botocore.session

    client = botocore.session.get_session().create_client(
        "rds", region_name="us-east-1", endpoint_url=url, aws_access_key_id="ASIABENCH111111111111", aws_secret_access_key="secret"
    )
    spent = []
    # The first round loads the service's model and is not counted.
    for _ in range(rounds + 1):
        before = time.process_time()
        pages = {}
        for operation, key in (("describe_db_instances", "DBInstances"), ("describe_db_clusters", "DBClusters")):
            pages[key] = [record for page in client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 100}) for record in page[key]]
        spent.append((time.process_time() - before) * 1e6)
    single = sum(1 for record in pages["DBInstances"] if not record.get("DBClusterIdentifier"))
    ends = sum(1 + any(not member["IsClusterWriter"] for member in record["DBClusterMembers"]) for record in pages["DBClusters"])
    print(json.dumps({"databases": single + ends, "whole_us": [each / (single + ends) for each in spent[1:]]}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--databases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--binary")
    parser.add_argument("--botocore", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.botocore:
        return botocore_lists(options.botocore, options.rounds)

    binary = options.binary or build()
    server = subprocess.Popen([binary, "serve", str(options.databases)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()

        def run(*command):
            return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

        ours = run(binary, "scan", url, str(options.rounds))
        theirs = run(sys.executable, __file__, "--botocore", url, "--rounds", str(options.rounds))
    finally:
        server.stdin.close()
        server.wait(timeout=30)

    if ours["databases"] != theirs["databases"]:
        sys.exit(f"muster found {ours['databases']} databases, botocore {theirs['databases']}")
    whole, own, other = (statistics.median(values) for values in (ours["whole_us"], ours["own_us"], theirs["whole_us"]))
    print(f"{ours['databases']} databases, median of {options.rounds} rounds, processor time a database:")
    print(f"  muster, whole scan      {whole:8.1f} us   ({min(ours['whole_us']):.1f} to {max(ours['whole_us']):.1f})")
    print(f"  muster's own part       {own:8.1f} us   ({min(ours['own_us']):.1f} to {max(ours['own_us']):.1f})")
    print(f"  botocore, same listing  {other:8.1f} us   ({min(theirs['whole_us']):.1f} to {max(theirs['whole_us']):.1f})")
    print(f"  muster / botocore       {whole / other:8.3f}")
    return None


if __name__ == "__main__":
    main()
