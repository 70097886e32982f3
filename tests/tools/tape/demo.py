"""The fleet of `muster demo`: two AWS accounts, two Azure subscriptions, and what makes people curious."""

from . import aws, azure
from .files import Tape
from .wire import answer, error, time

SHOP, DATA = "111111111111", "222222222222"
ROLE, EXTERNAL_ID = f"arn:aws:iam::{DATA}:role/muster-discovery", "muster-demo"
PRODUCTION, DEVELOPMENT = "0a1b2c3d-1111-4aaa-8bbb-0c0d0e0f1011", "9f8e7d6c-2222-4ccc-8ddd-f0e0d0c0b0a0"
REGIONS = {SHOP: ["us-east-1", "eu-west-1"], DATA: ["us-east-1", "eu-west-1", "ap-southeast-2"]}


def tags(env, team, **more):
    return {"env": env, "team": team} | {key.replace("__", ":").replace("_", "-"): value for key, value in more.items()}


def fleet(run):
    """What there is in run 1 and in run 2, by account and region."""
    fleet = {(account, region): Region(account, region) for account, regions in REGIONS.items() for region in regions}
    _shop_us(fleet[SHOP, "us-east-1"], run)
    _shop_eu(fleet[SHOP, "eu-west-1"])
    _data_us(fleet[DATA, "us-east-1"])
    _data_eu(fleet[DATA, "eu-west-1"], run)
    fleet[DATA, "ap-southeast-2"].deny("rds")
    return fleet


def _shop_us(here, run):
    place = here.place
    here.add("orders-prod", "postgres", "16.4", tags("prod", "orders", cost_center="4210"), size="db.r6g.xlarge", MultiAZ=True)
    here.add("billing-reports", "mariadb", "10.11.8", tags("prod", "finance"))
    # Too old for IAM authentication.
    here.add("legacy-wiki", "mariadb", "10.5.26", tags("prod", "it"), created="2019-06-04T11:00:00")
    # An engine that muster does not speak.
    here.add("erp-oracle", "oracle-se2", "19.0.0.0.ru-2024-10.rur-2024-10.r1", tags("prod", "finance"), iam=False)
    here.add("nightly-load-test", "postgres", "15.8", tags("staging", "platform"), status="stopped", AutomaticRestartTime=time("2026-01-09T21:10:00"))
    # Still being made: no endpoint yet.
    here.add("checkout-migration", "postgres", "17.2", tags("staging", "orders"), status="creating", endpoint=False)
    # Tags that try to pass for labels of muster's own.
    forged = {"account-id": "999999999999", "engine": "oracle-ee", "teleport.dev/origin": "config-file", "muster/owner": "nobody"}
    here.add("partner-portal", "postgres", "16.3", tags("prod", "partners") | forged, public=True)
    here.add("audit-log-prod", "postgres", "14.13", tags("prod", "security"), iam=False)
    # Wants the same name as a database of another account.
    here.add("reporting-us", "postgres", "16.4", tags("prod", "bi", TeleportDatabaseName="reporting"))
    # What changes stands last, so that the second run differs in the second page only.
    here.add("catalog-mysql", "mysql", "8.0.39" if run == 1 else "8.4.3", tags("prod", "catalog"), port=3306 if run == 1 else 3307)
    if run == 1:
        here.add("feature-flags-staging", "mysql", "8.0.39", tags("staging", "platform"))
    else:
        here.add("search-index-prod", "postgres", "17.2", tags("prod", "search"), created="2026-01-03T07:30:00")
    here.add_cluster("payments", "aurora-postgresql", "16.4", tags("prod", "payments", pci="true"), readers=2, custom=["analytics"])
    here.add_cluster("sessions-docdb", "docdb", "5.0.0", tags("prod", "web"), readers=1)
    # Before 5.0 DocumentDB has no IAM authentication.
    here.add_cluster("old-events-docdb", "docdb", "4.0.0", tags("prod", "web"), readers=0)
    here.add_group("cart-cache", "redis", "7.1.0", tags("prod", "orders"), groups=["cart-users"])
    here.add_group("legacy-sessions", "redis", "6.2.6", tags("prod", "web"), tls=run == 2)
    here.add_group("search-cache", "valkey", "8.0.1", tags("prod", "search"), sharded=True, shards=2)
    here.serverless.append(aws.serverless_cache(place, "rate-limits", "valkey", "8", "8.0", group="rate-users"))
    here.tags[here.serverless[-1]["ARN"]] = tags("prod", "platform")


def _shop_eu(here):
    # The same identifier as in us-east-1: no collision, for the name says where it is.
    here.add("orders-prod", "postgres", "16.4", tags("prod", "orders"), size="db.r6g.xlarge")
    here.add_cluster("loyalty", "aurora-mysql", "8.0.mysql_aurora.3.08.0", tags("prod", "loyalty"), readers=1)
    here.throttled.add("DescribeDBClusters")


def _data_us(here):
    # Another team, another spelling of `env`.
    data = {"Environment": "production", "team": "data"}
    scaling = {"MinCapacity": 0.5, "MaxCapacity": 16.0}
    here.add_cluster("events", "aurora-postgresql", "15.8", data, readers=0, ServerlessV2ScalingConfiguration=scaling)


def _data_eu(here, run):
    here.add("gdpr-vault", "postgres", "15.8", tags("prod", "privacy"), status="storage-full")
    here.add("crm", "mariadb", "11.4.3", tags("prod", "sales", aws__cloudformation__stack_name="crm"))
    here.add("reporting-eu", "postgres", "16.4", tags("prod", "bi", TeleportDatabaseName="reporting"))
    here.add_cluster("clickstream-docdb", "docdb", "5.0.0", tags("prod", "data"), readers=0)
    here.add_group("feed-cache", "valkey", "7.2.6", tags("prod", "data"))
    # Here the tags can only be read group by group.
    here.deny("tagging")
    if run == 2:
        here.deny("rds")


class Region:
    """The records of one account and region, and what goes wrong there."""

    def __init__(self, account, region):
        self.place = aws.Place(account, region)
        self.instances, self.clusters, self.documents = [], [], []
        self.groups, self.members, self.serverless, self.tags = [], [], [], {}
        self.denied, self.throttled = set(), set()

    def deny(self, service):
        self.denied.add(service)

    def add(self, name, engine, version, tags, **more):
        self.instances.append(aws.instance(self.place, name, engine, version, tags, **more))

    def add_cluster(self, name, engine, version, tags, *, readers, custom=(), **more):
        count = readers + 1
        members = [(f"{name}-{number}", number == 1) for number in range(1, count + 1)]
        record = aws.cluster(self.place, name, engine, version, tags, members, custom=custom, **more)
        (self.documents if engine == "docdb" else self.clusters).append(record)
        for number, (member, _) in enumerate(members):
            self.instances.append(
                aws.instance(self.place, member, engine, version, tags, cluster=name, tier=min(number, 1), zone="abc"[number % 3])
            )

    def add_group(self, name, engine, version, tags, **more):
        group = aws.replication_group(self.place, name, engine, **more)
        self.groups.append(group)
        self.members += aws.cache_clusters(self.place, group, version)
        self.tags[group["ARN"]] = tags

    # Answers.

    def asks(self, service, action, **more):
        return {"service": service, "action": action, "account": self.place.account, "region": self.place.region} | more

    def ok(self, model, action, result, file=None):
        body = answer(model, action, result, f"{self.place.account}/{self.place.region}")
        return {"file": (file, body)} if file else {"body": body}

    def refused(self, model, permission, by="because no identity-based policy allows the {} action"):
        who = "assumed-role/muster-discovery/muster" if self.place.account == DATA else "assumed-role/muster/muster"
        message = f"User: arn:aws:sts::{self.place.account}:{who} is not authorized to perform: {permission} {by.format(permission)}"
        code, status = ("AccessDeniedException", 400) if model == "resourcegroupstaggingapi" else ("AccessDenied", 403)
        return {"status": status, "body": error(model, status, code, message)}

    def rds(self):
        if "rds" in self.denied:
            policy = "with an explicit deny in a service control policy"
            return [
                ("this region is closed to the role", self.asks("rds", action), [self.refused("rds", f"rds:{action}", policy)])
                for action in ("DescribeDBInstances", "DescribeDBClusters")
            ]
        half = (len(self.instances) + 1) // 2 if len(self.instances) > 10 else len(self.instances)
        first, rest = self.instances[:half], self.instances[half:]
        marker = f"page-2-of-{self.place.region}"
        action, pages = "DescribeDBInstances", []
        if rest:
            pages = [
                ("instances, first page", self.asks("rds", action), [self.ok("rds", action, {"Marker": marker, "DBInstances": first}, "rds-instances-1.xml")]),
                ("instances, second page", self.asks("rds", action, marker=marker), [self.ok("rds", action, {"DBInstances": rest}, "rds-instances-2.xml")]),
            ]
        else:
            pages = [("instances", self.asks("rds", action), [self.ok("rds", action, {"DBInstances": first}, "rds-instances.xml" if first else None)])]
        action = "DescribeDBClusters"
        slow = {"status": 400, "body": error("rds", 400, "Throttling", "Rate exceeded")}
        # RDS lists DocumentDB's clusters among its own, unless it is asked for one engine.
        both = self.clusters + self.documents
        listed = self.ok("rds", action, {"DBClusters": both}, "rds-clusters.xml" if both else None)
        clusters = ("clusters" + (", throttled once" if action in self.throttled else ""), self.asks("rds", action), [slow, listed] if action in self.throttled else [listed])
        only = {"params": {"Filters.Filter.1.Name": "engine", "Filters.Filter.1.Values.Value.1": "docdb"}}
        documents = ("clusters of DocumentDB", self.asks("rds", action, **only), [self.ok("rds", action, {"DBClusters": self.documents}, "docdb-clusters.xml" if self.documents else None)])
        return [*pages, clusters, documents]

    def caches(self):
        def listing(action, key, records, file):
            return (f"{key}, all", self.asks("elasticache", action), [self.ok("elasticache", action, {key: records}, file if records else None)])

        entries = [
            listing("DescribeReplicationGroups", "ReplicationGroups", self.groups, "elasticache-groups.xml"),
            listing("DescribeCacheClusters", "CacheClusters", self.members, "elasticache-members.xml"),
            listing("DescribeCacheSubnetGroups", "CacheSubnetGroups", aws.cache_subnet_groups(self.place), None),
            listing("DescribeServerlessCaches", "ServerlessCaches", self.serverless, None),
            ("subnets", self.asks("ec2", "DescribeSubnets"), [self.ok("ec2", "DescribeSubnets", {"Subnets": aws.ec2_subnets(self.place)})]),
        ]
        if "tagging" in self.denied:
            entries.append(("tags in bulk are not allowed", self.asks("tagging", "GetResources"), [self.refused("resourcegroupstaggingapi", "tag:GetResources")]))
        else:
            resources = [{"ResourceARN": arn, "Tags": aws.tag_list(tags)} for arn, tags in self.tags.items()]
            found = {"PaginationToken": "", "ResourceTagMappingList": resources}
            entries.append(("tags in bulk", self.asks("tagging", "GetResources"), [self.ok("resourcegroupstaggingapi", "GetResources", found)]))
        for arn, tags in self.tags.items():
            only = {"params": {"ResourceName": arn}}
            body = self.ok("elasticache", "ListTagsForResource", {"TagList": aws.tag_list(tags)})
            entries.append(("tags of one", self.asks("elasticache", "ListTagsForResource", **only), [body]))
        return entries


def account_calls():
    """Who one is, becoming somebody else, and which regions there are."""
    entries = []
    for account, name in [(SHOP, "muster/muster"), (DATA, "muster-discovery/muster")]:
        identity = {"UserId": f"AROAEXAMPLE{account}:muster", "Account": account, "Arn": f"arn:aws:sts::{account}:assumed-role/{name}"}
        entries.append((f"who is {account}", {"service": "sts", "action": "GetCallerIdentity", "account": account}, [{"body": answer("sts", "GetCallerIdentity", identity)}]))
        regions = [{"OptInStatus": "opt-in-not-required", "RegionName": region, "Endpoint": f"ec2.{region}.amazonaws.com"} for region in REGIONS[account]]
        entries.append((f"regions of {account}", {"service": "ec2", "action": "DescribeRegions", "account": account}, [{"body": answer("ec2", "DescribeRegions", {"Regions": regions})}]))
    assumed = {
        "Credentials": {
            "AccessKeyId": f"ASIAMUST{DATA}",
            "SecretAccessKey": "recorded-not-a-secret",
            "SessionToken": "recorded-not-a-token",
            "Expiration": time("2099-01-01T00:00:00"),
        },
        "AssumedRoleUser": {"AssumedRoleId": f"AROAEXAMPLE{DATA}:muster", "Arn": f"arn:aws:sts::{DATA}:assumed-role/muster-discovery/muster"},
    }
    asks = {"service": "sts", "action": "AssumeRole", "account": SHOP}
    entries.append(("the role of the other account", asks | {"params": {"RoleArn": ROLE, "ExternalId": EXTERNAL_ID}}, [{"body": answer("sts", "AssumeRole", assumed)}]))
    message = f"User: arn:aws:sts::{SHOP}:assumed-role/muster/muster is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
    entries.append(("without its external id", asks | {"params": {"RoleArn": ROLE}}, [{"status": 403, "body": error("sts", 403, "AccessDenied", message)}]))
    return entries


def azure_production():
    def get(what, provider, kind, responses, **query):
        asks = {"method": "GET", "path": azure.path(PRODUCTION, provider, kind)}
        return (what, asks | ({"query": query} if query else {}), responses)

    stock = azure.postgres_flexible(PRODUCTION, "shop", "inventory-pg", tags("prod", "inventory"))
    people = azure.postgres_flexible(PRODUCTION, "people", "hr-pg", tags("prod", "people"), version="15", state="Stopped")
    link = "{{URL}}" + azure.path(PRODUCTION, azure.POSTGRES, "flexibleServers") + "?api-version=2024-08-01&%24skiptoken=page-2"
    web = azure.mysql_flexible(PRODUCTION, "web", "web-mysql", tags("prod", "web"), role="Source")
    copy = azure.mysql_flexible(PRODUCTION, "web", "web-mysql-replica", tags("prod", "web"), role="Replica", source="web-mysql")
    legacy = azure.mysql_single(PRODUCTION, "legacy", "legacy-crm", tags("prod", "sales"), version="5.7")
    return [
        get("PostgreSQL flexible, first page", azure.POSTGRES, "flexibleServers", [{"body": azure.page([stock], link)}]),
        get("PostgreSQL flexible, second page", azure.POSTGRES, "flexibleServers", [{"body": azure.page([people])}], **{"$skiptoken": "page-2"}),
        get("MySQL flexible, with a replica", azure.MYSQL, "flexibleServers", [{"body": azure.page([web, copy])}]),
        get("PostgreSQL single is retired", azure.POSTGRES, "servers", [{"status": 404, "body": azure.unknown_type(azure.POSTGRES)}]),
        get("MySQL single", azure.MYSQL, "servers", [{"body": azure.page([legacy])}]),
    ]


def azure_development():
    scratch = azure.postgres_flexible(DEVELOPMENT, "scratch", "scratch-pg", tags("dev", "platform"), location="northeurope", version="17")
    slow = {"status": 429, "headers": {"Retry-After": "1"}, "body": azure.error("TooManyRequests", "The request is being throttled as the limit has been reached for operation type - Read_ObservationWindow_00:05:00.")}
    return [
        ("PostgreSQL flexible, throttled once", {"method": "GET", "path": azure.path(DEVELOPMENT, azure.POSTGRES, "flexibleServers")}, [slow, {"body": azure.page([scratch])}]),
        ("MySQL flexible: none", {"method": "GET", "path": azure.path(DEVELOPMENT, azure.MYSQL, "flexibleServers")}, [{"body": azure.page([])}]),
        ("PostgreSQL single: none", {"method": "GET", "path": azure.path(DEVELOPMENT, azure.POSTGRES, "servers")}, [{"body": azure.page([])}]),
        ("MySQL single: none", {"method": "GET", "path": azure.path(DEVELOPMENT, azure.MYSQL, "servers")}, [{"body": azure.page([])}]),
    ]


def tape(run):
    """All files of one run."""
    made = Tape()
    made.exchanges("aws/accounts.yaml", account_calls())
    for (account, region), here in fleet(run).items():
        made.exchanges(f"aws/{account}/{region}/rds.yaml", here.rds())
        made.exchanges(f"aws/{account}/{region}/elasticache.yaml", here.caches())
    entries = [azure.subscription(PRODUCTION, "Production"), azure.subscription(DEVELOPMENT, "Development")]
    made.exchanges("azure/tenant.yaml", [
        ("a token for whoever asks", {"method": "POST", "params": {"grant_type": "client_credentials"}}, [{"body": azure.token()}]),
        ("subscriptions", {"method": "GET", "path": "/subscriptions"}, [{"body": azure.subscriptions(entries)}]),
    ])
    made.exchanges("azure/production.yaml", azure_production())
    made.exchanges("azure/development.yaml", azure_development())
    return made.files
