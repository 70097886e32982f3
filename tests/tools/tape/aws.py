"""Records as RDS, DocumentDB and ElastiCache return them."""

import base64
import hashlib

from .wire import time

ZONES = "abc"


def _hash(*parts):
    return hashlib.sha256("/".join(parts).encode()).digest()


def _id(prefix, length, *parts):
    return prefix + base64.b32encode(_hash(*parts)).decode().strip("=")[:length]


def _hex(prefix, length, *parts):
    return prefix + _hash(*parts).hex()[:length]


def tag_list(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Place:
    """One account and region: what its records have in common."""

    def __init__(self, account, region):
        self.account, self.region = account, region
        self.vpc = _hex("vpc-0", 16, account, region)
        self.zone = "c" + base64.b32encode(_hash("zone", account, region)).decode().lower()[:11]
        self.cache_zone = base64.b32encode(_hash("cache", account, region)).decode().lower()[:6]
        self.key = f"arn:aws:kms:{region}:{account}:key/" + _hex("", 8, "kms", account, region) + "-1111-4222-8333-444455556666"

    def rds_arn(self, kind, name):
        return f"arn:aws:rds:{self.region}:{self.account}:{kind}:{name}"

    def cache_arn(self, kind, name):
        return f"arn:aws:elasticache:{self.region}:{self.account}:{kind}:{name}"

    def rds_host(self, name):
        return f"{name}.{self.zone}.{self.region}.rds.amazonaws.com"

    def subnets(self):
        return [_hex("subnet-0", 16, self.vpc, zone) for zone in ZONES[:2]]

    def subnet_group(self):
        return {
            "DBSubnetGroupName": "data",
            "DBSubnetGroupDescription": "Private subnets for databases",
            "VpcId": self.vpc,
            "SubnetGroupStatus": "Complete",
            "Subnets": [
                {
                    "SubnetIdentifier": subnet,
                    "SubnetAvailabilityZone": {"Name": self.region + zone},
                    "SubnetOutpost": {},
                    "SubnetStatus": "Active",
                }
                for zone, subnet in zip(ZONES, self.subnets())
            ],
            "SupportedNetworkTypes": ["IPV4"],
        }


PORTS = {"postgres": 5432, "aurora-postgresql": 5432, "docdb": 27017}


def family(engine, version):
    """The parameter group family: `postgres16`, `mysql8.0`, `aurora-postgresql16`."""
    parts = version.split(".")
    number = parts[0] if "postgres" in engine and int(parts[0]) > 9 else ".".join(parts[:2])
    return engine + number


def instance(place, name, engine, version, tags, *, status="available", size="db.m6g.large", created="2024-03-11T08:15:27",
             iam=True, port=None, endpoint=True, host=None, cluster=None, tier=None, public=False, ca="rds-ca-rsa2048-g1", zone="a", **more):
    """One DBInstance. `cluster` makes it a member of a cluster."""
    port = port or PORTS.get(engine, 1521 if engine.startswith("oracle") else 3306)
    record = {
        "DBInstanceIdentifier": name,
        "DBInstanceClass": size,
        "Engine": engine,
        "DBInstanceStatus": status,
        "MasterUsername": "dbadmin",
        "AllocatedStorage": 1 if cluster else 200,
        "PreferredBackupWindow": "03:12-03:42",
        "BackupRetentionPeriod": 7,
        "DBSecurityGroups": [],
        "VpcSecurityGroups": [{"VpcSecurityGroupId": _hex("sg-0", 16, place.vpc, "data"), "Status": "active"}],
        "DBParameterGroups": [{"DBParameterGroupName": "default." + family(engine, version), "ParameterApplyStatus": "in-sync"}],
        "AvailabilityZone": place.region + zone,
        "DBSubnetGroup": place.subnet_group(),
        "PreferredMaintenanceWindow": "sun:04:30-sun:05:00",
        "PendingModifiedValues": {},
        "MultiAZ": False,
        "EngineVersion": version,
        "AutoMinorVersionUpgrade": True,
        "ReadReplicaDBInstanceIdentifiers": [],
        "LicenseModel": "bring-your-own-license" if engine.startswith("oracle") else "postgresql-license" if "postgres" in engine else "general-public-license",
        "OptionGroupMemberships": [{"OptionGroupName": "default:" + family(engine, version).replace(".", "-"), "Status": "in-sync"}],
        "PubliclyAccessible": public,
        "StorageType": "aurora" if cluster else "gp3",
        "DbInstancePort": 0,
        "StorageEncrypted": True,
        "KmsKeyId": place.key,
        "DbiResourceId": _id("db-", 26, place.account, place.region, name),
        "CACertificateIdentifier": ca,
        "DomainMemberships": [],
        "CopyTagsToSnapshot": True,
        "MonitoringInterval": 0,
        "DBInstanceArn": place.rds_arn("db", name),
        "IAMDatabaseAuthenticationEnabled": iam,
        "PerformanceInsightsEnabled": False,
        "DeletionProtection": tags.get("env") == "prod",
        "AssociatedRoles": [],
        "TagList": tag_list(tags),
        "CustomerOwnedIpEnabled": False,
        "NetworkType": "IPV4",
        "ActivityStreamStatus": "stopped",
        "BackupTarget": "region",
        "CertificateDetails": {"CAIdentifier": ca, "ValidTill": time("2027-03-11T08:20:00")},
        "DedicatedLogVolume": False,
        "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
    }
    if endpoint:
        record["Endpoint"] = {"Address": host or place.rds_host(name), "Port": port, "HostedZoneId": "Z2R2ITUGPM61AM"}
        record["InstanceCreateTime"] = time(created)
    if cluster:
        record |= {"DBClusterIdentifier": cluster, "PromotionTier": tier}
        del record["LicenseModel"]
    return record | more


def cluster(place, name, engine, version, tags, members, *, status="available", created="2024-05-02T14:03:10", iam=True,
            custom=(), reader=True, **more):
    """One DBCluster. `members` are `(instance, is writer)`."""
    port = PORTS.get(engine, 3306)
    record = {
        "AllocatedStorage": 1,
        "AvailabilityZones": [place.region + zone for zone in ZONES],
        "BackupRetentionPeriod": 7,
        "DBClusterIdentifier": name,
        "DBClusterParameterGroup": "default." + family(engine, version),
        "DBSubnetGroup": "data",
        "Status": status,
        "Endpoint": f"{name}.cluster-{place.rds_host('')[1:]}",
        "MultiAZ": len(members) > 1,
        "Engine": engine,
        "EngineVersion": version,
        "Port": port,
        "MasterUsername": "dbadmin",
        "PreferredBackupWindow": "02:20-02:50",
        "PreferredMaintenanceWindow": "sat:05:10-sat:05:40",
        "ReadReplicaIdentifiers": [],
        "DBClusterMembers": [
            {
                "DBInstanceIdentifier": member,
                "IsClusterWriter": writer,
                "DBClusterParameterGroupStatus": "in-sync",
                "PromotionTier": 0 if writer else 1,
            }
            for member, writer in members
        ],
        "VpcSecurityGroups": [{"VpcSecurityGroupId": _hex("sg-0", 16, place.vpc, "data"), "Status": "active"}],
        "HostedZoneId": "Z2R2ITUGPM61AM",
        "StorageEncrypted": True,
        "KmsKeyId": place.key,
        "DbClusterResourceId": _id("cluster-", 26, place.account, place.region, name),
        "DBClusterArn": place.rds_arn("cluster", name),
        "AssociatedRoles": [],
        "ClusterCreateTime": time(created),
        "DeletionProtection": True,
    }
    if reader:
        record["ReaderEndpoint"] = f"{name}.cluster-ro-{place.rds_host('')[1:]}"
    if engine == "docdb":
        record["TagList"] = tag_list(tags)
    else:
        record |= {
            "IAMDatabaseAuthenticationEnabled": iam,
            "EngineMode": "provisioned",
            "HttpEndpointEnabled": False,
            "CopyTagsToSnapshot": True,
            "CrossAccountClone": False,
            "DomainMemberships": [],
            "TagList": tag_list(tags),
            "AutoMinorVersionUpgrade": True,
            "NetworkType": "IPV4",
        }
    if custom:
        record["CustomEndpoints"] = [f"{end}.cluster-custom-{place.rds_host('')[1:]}" for end in custom]
    return record | more


def replication_group(place, name, engine, *, tls=True, sharded=False, shards=1, replicas=1, status="available",
                      created="2024-08-20T10:41:00", groups=(), description=""):
    """One ReplicationGroup."""
    tail = f"{place.cache_zone}.{_region_code(place.region)}.cache.amazonaws.com"

    def host(kind):
        # With encryption in transit the kind comes first, without it the group's name does.
        if sharded:
            return f"clustercfg.{name}.{tail}" if tls else f"{name}.{place.cache_zone}.clustercfg.{_region_code(place.region)}.cache.amazonaws.com"
        if tls:
            return f"{kind}.{name}.{tail}"
        return f"{name}{'-ro' if kind == 'replica' else ''}.{place.cache_zone}.ng.0001.{_region_code(place.region)}.cache.amazonaws.com"

    nodes, members = [], []
    for shard in range(1, shards + 1):
        node = {"NodeGroupId": f"{shard:04}", "Status": "available", "NodeGroupMembers": []}
        if sharded:
            step = 16384 // shards
            node["Slots"] = f"{step * (shard - 1)}-{16383 if shard == shards else step * shard - 1}"
        else:
            node["PrimaryEndpoint"] = {"Address": host("master"), "Port": 6379}
            node["ReaderEndpoint"] = {"Address": host("replica"), "Port": 6379}
        for copy in range(1, replicas + 2):
            member = f"{name}-{shard:04}-{copy:03}" if sharded else f"{name}-{copy:03}"
            members.append(member)
            entry = {"CacheClusterId": member, "CacheNodeId": "0001", "PreferredAvailabilityZone": place.region + ZONES[copy % 3]}
            if not sharded:
                entry["CurrentRole"] = "primary" if copy == 1 else "replica"
                entry["ReadEndpoint"] = {"Address": f"{member}.{name}.{tail}", "Port": 6379}
            node["NodeGroupMembers"].append(entry)
        nodes.append(node)
    record = {
        "ReplicationGroupId": name,
        "Description": description or name.replace("-", " "),
        "GlobalReplicationGroupInfo": {},
        "Status": status,
        "PendingModifiedValues": {},
        "MemberClusters": members,
        "NodeGroups": nodes,
        "AutomaticFailover": "enabled" if replicas else "disabled",
        "MultiAZ": "enabled" if replicas else "disabled",
        "SnapshotRetentionLimit": 1,
        "SnapshotWindow": "04:00-05:00",
        "ClusterEnabled": sharded,
        "CacheNodeType": "cache.r7g.large",
        "AuthTokenEnabled": False,
        "TransitEncryptionEnabled": tls,
        "AtRestEncryptionEnabled": True,
        "ARN": place.cache_arn("replicationgroup", name),
        "UserGroupIds": list(groups),
        "LogDeliveryConfigurations": [],
        "ReplicationGroupCreateTime": time(created),
        "DataTiering": "disabled",
        "AutoMinorVersionUpgrade": True,
        "NetworkType": "ipv4",
        "IpDiscovery": "ipv4",
        "ClusterMode": "enabled" if sharded else "disabled",
        "Engine": engine,
    }
    if sharded:
        record["ConfigurationEndpoint"] = {"Address": host("clustercfg"), "Port": 6379}
    if tls:
        record["TransitEncryptionMode"] = "required"
    return record


def cache_clusters(place, group, version):
    """The CacheClusters that are a replication group's members: they alone carry the engine's version."""
    return [
        {
            "CacheClusterId": member,
            "CacheNodeType": group["CacheNodeType"],
            "Engine": group["Engine"],
            "EngineVersion": version,
            "CacheClusterStatus": "available",
            "NumCacheNodes": 1,
            "PreferredAvailabilityZone": place.region + "a",
            "CacheClusterCreateTime": group["ReplicationGroupCreateTime"],
            "PreferredMaintenanceWindow": "mon:06:00-mon:07:00",
            "PendingModifiedValues": {},
            "CacheSecurityGroups": [],
            "CacheParameterGroup": {
                "CacheParameterGroupName": f"default.{group['Engine']}{version.split('.')[0]}",
                "ParameterApplyStatus": "in-sync",
                "CacheNodeIdsToReboot": [],
            },
            "CacheSubnetGroupName": "caches",
            "AutoMinorVersionUpgrade": True,
            "SecurityGroups": [{"SecurityGroupId": _hex("sg-0", 16, place.vpc, "caches"), "Status": "active"}],
            "ReplicationGroupId": group["ReplicationGroupId"],
            "SnapshotRetentionLimit": 0,
            "SnapshotWindow": "04:00-05:00",
            "AuthTokenEnabled": False,
            "TransitEncryptionEnabled": group["TransitEncryptionEnabled"],
            "AtRestEncryptionEnabled": True,
            "ARN": place.cache_arn("cluster", member),
            "ReplicationGroupLogDeliveryEnabled": False,
            "LogDeliveryConfigurations": [],
            "NetworkType": "ipv4",
            "IpDiscovery": "ipv4",
        }
        for member in group["MemberClusters"]
    ]


def cache_subnet_groups(place):
    return [
        {
            "CacheSubnetGroupName": "caches",
            "CacheSubnetGroupDescription": "Private subnets for caches",
            "VpcId": place.vpc,
            "Subnets": [
                {
                    "SubnetIdentifier": subnet,
                    "SubnetAvailabilityZone": {"Name": place.region + zone},
                    "SubnetOutpost": {},
                    "SupportedNetworkTypes": ["ipv4"],
                }
                for zone, subnet in zip(ZONES, place.subnets())
            ],
            "ARN": place.cache_arn("subnetgroup", "caches"),
            "SupportedNetworkTypes": ["ipv4"],
        }
    ]


def serverless_cache(place, name, engine, major, full, *, status="available", created="2025-01-15T09:00:00", group=None):
    """One ServerlessCache."""
    tail = f"{place.cache_zone}.serverless.{_region_code(place.region)}.cache.amazonaws.com"
    record = {
        "ServerlessCacheName": name,
        "Description": name.replace("-", " "),
        "CreateTime": time(created),
        "Status": status,
        "Engine": engine,
        "MajorEngineVersion": major,
        "FullEngineVersion": full,
        "CacheUsageLimits": {"DataStorage": {"Maximum": 10, "Unit": "GB"}, "ECPUPerSecond": {"Maximum": 10000}},
        "SecurityGroupIds": [_hex("sg-0", 16, place.vpc, "caches")],
        "Endpoint": {"Address": f"{name}-{tail}", "Port": 6379},
        "ReaderEndpoint": {"Address": f"{name}-{tail}", "Port": 6380},
        "ARN": place.cache_arn("serverlesscache", name),
        "SubnetIds": place.subnets(),
        "SnapshotRetentionLimit": 0,
        "DailySnapshotTime": "05:00",
        "NetworkType": "ipv4",
    }
    return record | ({"UserGroupId": group} if group else {})


def ec2_subnets(place):
    """The Subnets: a serverless cache names subnets, and only they name the VPC."""
    return [
        {
            "SubnetId": subnet,
            "VpcId": place.vpc,
            "State": "available",
            "CidrBlock": f"10.20.{number}.0/24",
            "AvailabilityZone": place.region + zone,
            "OwnerId": place.account,
            "SubnetArn": f"arn:aws:ec2:{place.region}:{place.account}:subnet/{subnet}",
        }
        for number, (zone, subnet) in enumerate(zip(ZONES, place.subnets()))
    ]


def _region_code(region):
    """ElastiCache's short form: `use1`, `euw1`."""
    area, side, number = region.split("-")
    return area + {"northeast": "ne", "southeast": "se"}.get(side, side[0]) + number
