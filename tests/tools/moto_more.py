#!/usr/bin/env python3
"""Starts moto's server with what it lacks for muster: DocumentDB clusters and custom endpoints of Aurora. Its listing
of tags in bulk knows no caches and would hide theirs, so it is refused.

Everything else is moto as it is, and the additions are only in what it stores: answers are written by moto itself. On
a free port, chosen by the system; its address is printed on the first line. Ends when its input ends, so that it
cannot outlive a test that was killed.
"""

import os
import sys
import threading

import werkzeug.serving
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.rds.models import DBCluster, DBInstance
from moto.rds.responses import RDSResponse
from moto.rds.utils import ClusterEngine, DbInstanceEngine
from moto.resourcegroupstaggingapi.responses import ResourceGroupsTaggingAPIResponse


def add_documentdb():
    """DocumentDB is the RDS API with the engine `docdb`."""
    for kind, listing in ((ClusterEngine, "list_cluster_engines"), (DbInstanceEngine, "valid_db_instance_engine")):
        engines = [*getattr(kind, listing)(), "docdb"]
        setattr(kind, listing, classmethod(lambda cls, engines=engines: engines))
    # For sizes and versions it is taken for an Aurora engine.
    for kind in (DBCluster, DBInstance):
        for name in [name for name, it in vars(kind).items() if name.startswith("default_") and isinstance(it, staticmethod)]:
            known, other = getattr(kind, name), 27017 if name == "default_port" else None
            setattr(kind, name, staticmethod(_also_documentdb(known, other)))


def _also_documentdb(known, other):
    def default(*given, **named):
        given = [_aurora(value) for value in given] if other is None else given
        named = {key: _aurora(value) for key, value in named.items()} if other is None else named
        return other if "docdb" in (*given, *named.values()) else known(*given, **named)

    return default


def _aurora(value):
    return "aurora-postgresql" if value == "docdb" else value


def add_custom_endpoints():
    """A custom endpoint is a name in its cluster's record."""

    def create_db_cluster_endpoint(self):
        cluster = self.backend.describe_db_clusters(db_cluster_identifier=self.params["DBClusterIdentifier"])[0]
        name = self.params["DBClusterEndpointIdentifier"]
        endpoint = f"{name}.cluster-custom-{cluster.url_identifier}.{cluster.region}.rds.amazonaws.com"
        cluster.__dict__.setdefault("custom_endpoints", []).append(endpoint)
        return ActionResult({"DBClusterIdentifier": cluster.db_cluster_identifier, "DBClusterEndpointIdentifier": name, "Endpoint": endpoint, "Status": "available"})

    RDSResponse.create_db_cluster_endpoint = create_db_cluster_endpoint


def refuse_tags_in_bulk():
    def get_resources(self):
        raise JsonRESTError("AccessDeniedException", "not authorized to perform: tag:GetResources")

    ResourceGroupsTaggingAPIResponse.get_resources = get_resources


def main():
    add_documentdb()
    add_custom_endpoints()
    refuse_tags_in_bulk()
    app = DomainDispatcherApplication(create_backend_app)
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    os.environ["MOTO_PORT"] = str(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
