#!/usr/bin/env python3
"""Starts moto's server with what it lacks for muster: DocumentDB clusters and custom endpoints of Aurora.

Everything else is moto as it is, and the additions are only in what it stores: answers are written by moto itself. On
a free port, chosen by the system; its address is printed on the first line. Ends when its input ends, so that it
cannot outlive a test that was killed.
"""

import os
import sys
import threading

import werkzeug.serving
from moto.core.responses import ActionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.rds.models import DBCluster, DBInstance
from moto.rds.responses import RDSResponse
from moto.rds.utils import ClusterEngine


def add_documentdb():
    """DocumentDB is the RDS API with the engine `docdb`."""
    engines = ClusterEngine.list_cluster_engines
    ClusterEngine.list_cluster_engines = classmethod(lambda cls: sorted([*engines(), "docdb"]))
    for kind in (DBCluster, DBInstance):
        kind.default_port = staticmethod(lambda engine, known=kind.default_port: 27017 if engine == "docdb" else known(engine))


def add_custom_endpoints():
    """A custom endpoint is a name in its cluster's record."""

    def create_db_cluster_endpoint(self):
        cluster = self.backend.describe_db_clusters(db_cluster_identifier=self.params["DBClusterIdentifier"])[0]
        name = self.params["DBClusterEndpointIdentifier"]
        endpoint = f"{name}.cluster-custom-{cluster.url_identifier}.{cluster.region}.rds.amazonaws.com"
        cluster.__dict__.setdefault("custom_endpoints", []).append(endpoint)
        return ActionResult({"DBClusterIdentifier": cluster.db_cluster_identifier, "DBClusterEndpointIdentifier": name, "Endpoint": endpoint, "Status": "available"})

    RDSResponse.create_db_cluster_endpoint = create_db_cluster_endpoint


def main():
    add_documentdb()
    add_custom_endpoints()
    app = DomainDispatcherApplication(create_backend_app)
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    os.environ["MOTO_PORT"] = str(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
