"""One thing that goes wrong each: small tapes that answer one scope.

AWS cases answer account 111111111111, region us-east-1; Azure cases answer subscription `SUBSCRIPTION`.
"""

from . import aws, azure
from .demo import SHOP, tags
from .files import Tape
from .wire import answer, error

PLACE = aws.Place(SHOP, "us-east-1")
SUBSCRIPTION = "0a1b2c3d-1111-4aaa-8bbb-0c0d0e0f1011"
INSTANCES, CLUSTERS, GROUPS = "DescribeDBInstances", "DescribeDBClusters", "DescribeReplicationGroups"

# What of a record a fault needs: enough to enroll it, no more.
KEPT = {
    "DBInstanceIdentifier", "Engine", "DBInstanceStatus", "Endpoint", "EngineVersion", "DBInstanceArn", "DbiResourceId",
    "IAMDatabaseAuthenticationEnabled", "TagList", "DBClusterIdentifier", "Status", "ReaderEndpoint", "CustomEndpoints", "Port",
    "DBClusterMembers", "DBClusterArn", "DbClusterResourceId", "EngineMode",
}


def instance(number, **more):
    full = aws.instance(PLACE, f"db-{number}", "postgres", "16.4", tags("prod", "test"))
    return {key: value for key, value in full.items() if key in KEPT} | more


def cluster(name, **more):
    full = aws.cluster(PLACE, name, "aurora-postgresql", "16.4", tags("prod", "test"), [(f"{name}-1", True), (f"{name}-2", False)], **more)
    return {key: value for key, value in full.items() if key in KEPT}


def server(number, **more):
    full = azure.postgres_flexible(SUBSCRIPTION, "data", f"pg-{number}", tags("prod", "test"))
    kept = {"fullyQualifiedDomainName", "version", "state", "replicationRole"}
    properties = {key: value for key, value in full["properties"].items() if key in kept}
    return {key: full[key] for key in ("id", "name", "type", "location", "tags")} | {"properties": properties} | more


def ask(action, service="rds", **more):
    return {"service": service, "action": action, "account": SHOP, "region": "us-east-1"} | more


def listed(*numbers, marker=None, **more):
    result = {"Marker": marker} if marker else {}
    return {"body": answer("rds", INSTANCES, result | {"DBInstances": [instance(number) for number in numbers]}, str(numbers))} | more


def no_clusters():
    return (ask(CLUSTERS), [{"body": answer("rds", CLUSTERS, {"DBClusters": []})}])


def refused(status, code, message):
    return {"status": status, "body": error("rds", status, code, message)}


def denied(action):
    who = f"arn:aws:sts::{SHOP}:assumed-role/muster/muster"
    return refused(403, "AccessDenied", f"User: {who} is not authorized to perform: rds:{action} because no identity-based policy allows the rds:{action} action")


THROTTLED = refused(400, "Throttling", "Rate exceeded")
FAILED = refused(500, "InternalFailure", "An internal error has occurred. Please try your query again at a later time.")


def instances_only(about, *entries):
    """A case in which the instances' listing misbehaves and there are no clusters."""
    return about, [*entries, no_clusters()]


def aws_cases():
    first = ask(INSTANCES)

    def page(marker):
        return ask(INSTANCES, marker=marker)

    yield "paging", instances_only("three pages", (first, [listed(1, 2, marker="2")]), (page("2"), [listed(3, 4, marker="3")]), (page("3"), [listed(5)]))
    yield "empty-page", instances_only("a page without records that is not the last one", (first, [listed(1, marker="2")]), (page("2"), [listed(marker="3")]), (page("3"), [listed(2)]))
    yield "repeated-marker", instances_only("the second page names itself as the next one", (first, [listed(1, marker="2")]), (page("2"), [listed(2, marker="2")]))
    yield "page-twice", instances_only("a record moves between pages and is listed twice", (first, [listed(1, 2, marker="2")]), (page("2"), [listed(2, 3)]))
    yield "throttled-then-ok", instances_only("throttled twice, then answered", (first, [THROTTLED, THROTTLED, listed(1)]))
    yield "throttled-retry-after", instances_only("told to wait one second, then answered", (first, [refused(503, "SlowDown", "Please reduce your request rate.") | {"headers": {"Retry-After": "1"}}, listed(1)]))
    yield "throttled", instances_only("throttled for ever", (first, [THROTTLED]))
    yield "throttled-half-way", instances_only("the second page is throttled for ever", (first, [listed(1, marker="2")]), (page("2"), [THROTTLED]))
    yield "denied-one-call", ("clusters may not be listed, instances may", [(first, [listed(1)]), (ask(CLUSTERS), [denied(CLUSTERS)])])
    yield "denied", ("nothing may be listed", [(first, [denied(INSTANCES)]), (ask(CLUSTERS), [denied(CLUSTERS)])])
    yield "expired-token", ("the session has ended", [(ask(action), [refused(403, "ExpiredToken", "The security token included in the request is expired")]) for action in (INSTANCES, CLUSTERS)])
    yield "server-error-once", instances_only("fails once, then answers", (first, [FAILED, listed(1)]))
    yield "server-error", instances_only("fails for ever", (first, [FAILED]))
    yield "truncated-once", instances_only("the body is cut once, then whole", (first, [listed(1, fault={"truncate-after": 400}), listed(1)]))
    yield "truncated", instances_only("the second page is always cut in the middle", (first, [listed(1, marker="2")]), (page("2"), [listed(2, fault={"truncate-after": 400})]))
    yield "closed", instances_only("the connection is closed without an answer", (first, [{"fault": "close"}]))
    yield "hang", instances_only("no answer ever comes", (first, [{"fault": "hang"}]))
    yield "not-xml", instances_only("a proxy answers with its own page", (first, [{"body": "<html><body>Sign in to continue<br></body></html>\n"}]))
    yield "empty-body", instances_only("status 200 with nothing in it", (first, [{}]))

    nameless = instance(2)
    del nameless["DBInstanceArn"], nameless["DBInstanceIdentifier"]
    yield "nameless-record", instances_only("one record of three has neither name nor ARN", (first, [_instances(instance(1), nameless, instance(3))]))
    portless = instance(2, Endpoint={"Address": PLACE.rds_host("db-2")})
    yield "record-without-port", instances_only("one record of three has no port", (first, [_instances(instance(1), portless, instance(3))]))
    strange = instance(2, DBInstanceStatus="defragmenting")
    yield "unknown-state", instances_only("a state that nobody has heard of", (first, [_instances(instance(1), strange)]))
    odd = cluster("ledger", custom=["reports"])
    odd["CustomEndpoints"].append("nonsense.example.com")
    yield "malformed-custom-endpoint", ("one custom endpoint of two is no such thing", [(first, [listed()]), (ask(CLUSTERS), [{"body": answer("rds", CLUSTERS, {"DBClusters": [odd]})}])])


def _instances(*records):
    return {"body": answer("rds", INSTANCES, {"DBInstances": list(records)}, "mixed")}


def cache_cases():
    group = aws.replication_group(PLACE, "cache", "valkey", replicas=0)
    calls = {
        GROUPS: {"ReplicationGroups": [group]},
        "DescribeCacheClusters": {"CacheClusters": aws.cache_clusters(PLACE, group, "8.0.1")},
        "DescribeCacheSubnetGroups": {"CacheSubnetGroups": aws.cache_subnet_groups(PLACE)},
    }
    answers = {action: (ask(action, "elasticache"), [{"body": answer("elasticache", action, result)}]) for action, result in calls.items()}
    no = error("elasticache", 403, "AccessDenied", "User: arn:aws:sts::111111111111:assumed-role/muster/muster is not authorized")
    bulk_denied = (ask("GetResources", "tagging"), [{"status": 400, "body": error("resourcegroupstaggingapi", 400, "AccessDeniedException", "not authorized to perform: tag:GetResources")}])
    tag_list = {"TagList": aws.tag_list(tags("prod", "test"))}
    single = ask("ListTagsForResource", "elasticache")
    yield "tags-one-by-one", ("tags in bulk are denied, one by one they are not", [*answers.values(), bulk_denied, (single, [{"body": answer("elasticache", "ListTagsForResource", tag_list)}])])
    yield "tags-denied", ("no tags may be read at all", [*answers.values(), bulk_denied, (single, [{"status": 403, "body": no}])])
    optional = [(ask(action, "elasticache"), [{"status": 403, "body": no}]) for action in calls if action != GROUPS]
    bulk = {"PaginationToken": "", "ResourceTagMappingList": [{"ResourceARN": group["ARN"], "Tags": tag_list["TagList"]}]}
    tagged = (ask("GetResources", "tagging"), [{"body": answer("resourcegroupstaggingapi", "GetResources", bulk)}])
    yield "facts-denied", ("versions and networks may not be read", [answers[GROUPS], *optional, tagged])


def azure_cases():
    path = azure.path(SUBSCRIPTION, azure.POSTGRES, "flexibleServers")
    first = {"method": "GET", "path": path}

    def page(number):
        return first | {"query": {"$skiptoken": str(number)}}

    def link(number):
        return f"{{{{URL}}}}{path}?api-version=2024-08-01&%24skiptoken={number}"

    def servers(*numbers, following=None, **more):
        return {"body": azure.page([server(number) for number in numbers], following)} | more

    slow = {"status": 429, "headers": {"Retry-After": "1"}, "body": azure.error("TooManyRequests", "The request is being throttled.")}
    no = {"status": 403, "body": azure.no_authorization(f"{azure.POSTGRES}/flexibleServers/read", SUBSCRIPTION)}
    failed = {"status": 500, "body": azure.error("InternalServerError", "An unexpected error occurred.")}
    portal = server(2)
    del portal["properties"]["fullyQualifiedDomainName"]
    broken = [server(1), server(2, location=7), server(3)]
    yield "azure-paging", "three pages", [(first, [servers(1, following=link(2))]), (page(2), [servers(2, following=link(3))]), (page(3), [servers(3)])]
    yield "azure-empty-page", "a page without records that is not the last one", [(first, [servers(following=link(2))]), (page(2), [servers(1)])]
    yield "azure-repeated-link", "the second page names itself as the next one", [(first, [servers(1, following=link(2))]), (page(2), [servers(2, following=link(2))])]
    yield "azure-link-elsewhere", "the next page would be at a host that is not Azure's", [(first, [servers(1, following=f"https://collector.example.com{path}?api-version=2024-08-01")])]
    yield "azure-throttled-then-ok", "429 with Retry-After, then answered", [(first, [slow, servers(1)])]
    yield "azure-throttled", "429 for ever", [(first, [slow])]
    yield "azure-denied", "the reader role is missing", [(first, [no])]
    yield "azure-denied-half-way", "the second page is refused", [(first, [servers(1, following=link(2))]), (page(2), [no])]
    yield "azure-server-error", "fails for ever", [(first, [failed])]
    yield "azure-truncated", "the body is always cut in the middle", [(first, [servers(1, fault={"truncate-after": 200})])]
    yield "azure-not-json", "a proxy answers with its own page", [(first, [{"body": "<html>Sign in to continue</html>\n"}])]
    yield "azure-malformed-record", "the location of one record of three is a number", [(first, [{"body": azure.page(broken)}])]
    yield "azure-no-host", "one server of two has no host name", [(first, [{"body": azure.page([server(1), portal])}])]
    yield "azure-unknown-type", "the cloud no longer has this kind of server", [({"method": "GET", "path": azure.path(SUBSCRIPTION, azure.POSTGRES, "servers")}, [{"status": 404, "body": azure.unknown_type(azure.POSTGRES)}])]


def cases():
    """Every case, with its files."""
    made = {}
    for name, (about, entries) in [*aws_cases(), *cache_cases()]:
        made[name] = _tape(about, entries)
    token = ({"method": "POST", "params": {"grant_type": "client_credentials"}}, [{"body": azure.token()}])
    for name, about, entries in azure_cases():
        made[name] = _tape(about, [*entries, token])
    return made


def _tape(about, entries):
    tape = Tape()
    tape.exchanges("tape.yaml", [(about, request, responses) for request, responses in entries])
    return tape.files
