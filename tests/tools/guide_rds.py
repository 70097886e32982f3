#!/usr/bin/env python3
"""What somebody has who begins the guide for Aurora and RDS: databases in an AWS server, and where they are.

    guide_rds.py URL REGION PORT    # prints {NAME: {"host": .., "resource": ..}} as JSON
"""

import json
import sys

import boto3


def main():
    url, region, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    session = boto3.Session(aws_access_key_id="AKIADEMO111111111111", aws_secret_access_key="recorded")
    rds = session.client("rds", endpoint_url=url, region_name=region)
    tags = [{"Key": "env", "Value": "prod"}]
    login = {"MasterUsername": "dbadmin", "MasterUserPassword": "recorded-not-a-secret"}

    def instance(name, iam, **more):
        rds.create_db_instance(
            DBInstanceIdentifier=name, DBInstanceClass="db.m6g.large", Engine="postgres", EngineVersion="16.4", AllocatedStorage=20,
            Port=port, EnableIAMDatabaseAuthentication=iam, Tags=tags, **login, **more,
        )

    instance("orders", True)
    instance("ledger", False)
    rds.create_db_cluster(
        DBClusterIdentifier="aurora", Engine="aurora-postgresql", EngineVersion="15.8", Port=port,
        EnableIAMDatabaseAuthentication=True, Tags=tags, **login,
    )
    rds.create_db_instance(
        DBInstanceIdentifier="aurora-1", DBInstanceClass="db.r6g.large", Engine="aurora-postgresql", DBClusterIdentifier="aurora"
    )
    found = {
        it["DBInstanceIdentifier"]: {"host": it["Endpoint"]["Address"], "port": it["Endpoint"]["Port"], "resource": it["DbiResourceId"]}
        for it in rds.describe_db_instances()["DBInstances"]
    }
    for it in rds.describe_db_clusters()["DBClusters"]:
        found[it["DBClusterIdentifier"]] = {"host": it["Endpoint"], "port": it["Port"], "resource": it["DbClusterResourceId"]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
