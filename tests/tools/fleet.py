#!/usr/bin/env python3
"""A fleet in an AWS server, and what boto3 finds there.

    fleet.py create URL ROLE   # makes the fleet, in the ambient account and in the one of ROLE
    fleet.py list URL ROLE     # prints what there is as JSON, by the rules below

`list` knows nothing of muster: it asks boto3 for every page of every listing and writes down which endpoints there
are. The integration tests hold muster's scanners against it.
"""

import json
import sys

import boto3

REGIONS = ["us-east-1", "eu-west-1"]
# More than one page of a hundred.
MANY = 105


def sessions(url, role):
    """A session of the ambient account, and one of the role's."""
    ambient = boto3.Session(aws_access_key_id="AKIAAMBIENT111111111", aws_secret_access_key="secret")
    sts = ambient.client("sts", endpoint_url=url, region_name="us-east-1")
    given = sts.assume_role(RoleArn=role, RoleSessionName="fleet", ExternalId="fleet")["Credentials"]
    assumed = boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    return {session.client("sts", endpoint_url=url, region_name="us-east-1").get_caller_identity()["Account"]: session for session in (ambient, assumed)}


def tags(**pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def create(url, role):
    for number, (account, session) in enumerate(sessions(url, role).items()):
        for region in REGIONS:
            client = {name: session.client(name, endpoint_url=url, region_name=region) for name in ("rds", "docdb", "elasticache")}
            _instances(client["rds"], account, region, MANY if number == 0 and region == REGIONS[0] else 1)
            _cluster(client["rds"], "payments", "aurora-postgresql", "15.8", 3)
            client["rds"].create_db_cluster_endpoint(
                DBClusterIdentifier="payments", DBClusterEndpointIdentifier="analytics", EndpointType="READER", StaticMembers=["payments-2"]
            )
            if region == REGIONS[0]:
                _cluster(client["rds"], "loyalty", "aurora-mysql", "8.0.mysql_aurora.3.08.0", 1)
                _cluster(client["docdb"], "sessions", "docdb", "5.0.0", 2)
                _cluster(client["docdb"], "old-events", "docdb", "4.0.0", 1)
            _caches(client["elasticache"], account)


def _instances(rds, account, region, many):
    def make(name, engine, version, **labels):
        labels = {key.rstrip("_"): value for key, value in labels.items()}
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.m6g.large",
            Engine=engine,
            EngineVersion=version,
            AllocatedStorage=20,
            MasterUsername="dbadmin",
            MasterUserPassword="recorded-not-a-secret",
            EnableIAMDatabaseAuthentication=engine != "oracle-ee",
            Tags=tags(**labels),
        )

    for number in range(many):
        make(f"orders-{number:03}", "postgres", "16.4", env="prod", team="orders", account=account, place=region)
    make("catalog", "mysql", "8.0.39", env="prod", team="catalog")
    make("billing", "mariadb", "10.11.8", env="staging", engine_="oracle")
    make("wiki", "mariadb", "10.5.26", env="prod")
    make("erp", "oracle-ee", "19.0.0.0.ru-2024-10.rur-2024-10.r1", env="prod")
    make("nightly", "postgres", "15.8", env="test")
    rds.stop_db_instance(DBInstanceIdentifier="nightly")


def _cluster(client, name, engine, version, members):
    client.create_db_cluster(
        DBClusterIdentifier=name,
        Engine=engine,
        EngineVersion=version,
        MasterUsername="dbadmin",
        MasterUserPassword="recorded-not-a-secret",
        Tags=tags(env="prod", cluster=name),
    )
    for number in range(members):
        client.create_db_instance(
            DBInstanceIdentifier=f"{name}-{number}", DBInstanceClass="db.r6g.large", Engine=engine, DBClusterIdentifier=name
        )


def _caches(elasticache, account):
    def make(name, engine, version, **more):
        elasticache.create_replication_group(
            ReplicationGroupId=name,
            ReplicationGroupDescription=name,
            Engine=engine,
            EngineVersion=version,
            CacheNodeType="cache.r7g.large",
            Tags=tags(env="prod", account=account),
            **more,
        )

    make("cart", "redis", "7.1", NumNodeGroups=1, ReplicasPerNodeGroup=1, TransitEncryptionEnabled=True, AutomaticFailoverEnabled=True)
    make("legacy", "redis", "6.2", NumCacheClusters=1, TransitEncryptionEnabled=False)
    make("search", "valkey", "8.0", ClusterMode="enabled", NumNodeGroups=2, ReplicasPerNodeGroup=1, TransitEncryptionEnabled=True, AutomaticFailoverEnabled=True)


def pages(client, operation, key, **arguments):
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[key]


def find(url, role):
    """Every endpoint: `ARN#ROLE`, where it listens, and the tags."""
    found = []
    for account, session in sessions(url, role).items():
        for region in REGIONS:
            client = {name: session.client(name, endpoint_url=url, region_name=region) for name in ("rds", "elasticache")}

            def add(service, arn, role, host, port, engine, version, labels, state):
                found.append({
                    "id": f"{arn}#{role}", "service": service, "account": account, "region": region, "role": role, "host": host,
                    "port": port, "engine": engine, "version": version, "tags": {tag["Key"]: tag["Value"] for tag in labels}, "state": state,
                })

            for it in pages(client["rds"], "describe_db_instances", "DBInstances"):
                if not it.get("DBClusterIdentifier"):
                    add("rds", it["DBInstanceArn"], "instance", it["Endpoint"]["Address"], it["Endpoint"]["Port"], it["Engine"],
                        it["EngineVersion"], it["TagList"], it["DBInstanceStatus"])
            for it in pages(client["rds"], "describe_db_clusters", "DBClusters"):
                documents = it["Engine"] == "docdb"
                writers = [member["IsClusterWriter"] for member in it["DBClusterMembers"]]
                ends = []
                if any(writers):
                    ends.append(("cluster" if documents else "primary", it["Endpoint"]))
                if not all(writers):
                    ends.append(("reader", it["ReaderEndpoint"]))
                ends += [("custom:" + host.split(".cluster-custom-")[0], host) for host in it.get("CustomEndpoints", [])]
                for role, host in ends:
                    add("docdb" if documents else "rds", it["DBClusterArn"], role, host, it["Port"], it["Engine"], it["EngineVersion"], it["TagList"], it["Status"])
            for it in pages(client["elasticache"], "describe_replication_groups", "ReplicationGroups"):
                labels = client["elasticache"].list_tags_for_resource(ResourceName=it["ARN"])["TagList"]
                ends = []
                if it.get("ClusterEnabled") and it.get("ConfigurationEndpoint"):
                    ends.append(("configuration", it["ConfigurationEndpoint"]))
                else:
                    for node in it["NodeGroups"]:
                        ends += [(role, node[key]) for role, key in (("primary", "PrimaryEndpoint"), ("reader", "ReaderEndpoint")) if node.get(key)]
                for role, end in ends:
                    add("elasticache", it["ARN"], role, end["Address"], end["Port"], it.get("Engine"), None, labels, it["Status"])
    return sorted(found, key=lambda it: it["id"])


def main():
    what, url, role = sys.argv[1:]
    if what == "create":
        create(url, role)
    print(json.dumps(find(url, role), indent=1))


if __name__ == "__main__":
    main()
