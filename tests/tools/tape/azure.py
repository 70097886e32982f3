"""Records as Azure Resource Manager returns them, by the REST API's published examples."""

import json

TENANT = "4f6c2b7e-90d1-4a55-8f3e-7c1d2e3f4a5b"
POSTGRES, MYSQL = "Microsoft.DBforPostgreSQL", "Microsoft.DBforMySQL"


def path(subscription, provider, kind):
    return f"/subscriptions/{subscription}/providers/{provider}/{kind}"


def page(records, next_link=None):
    body = {"value": records}
    if next_link:
        body["nextLink"] = next_link
    return json.dumps(body, indent=1) + "\n"


def error(code, message):
    return json.dumps({"error": {"code": code, "message": message}}, indent=1) + "\n"


def token():
    return json.dumps(
        {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "recorded-token"}
    ) + "\n"


def unknown_type(provider):
    """What a cloud answers that no longer has single servers."""
    return error(
        "InvalidResourceType",
        f"The resource type 'servers' could not be found in the namespace '{provider}' for api version '2017-12-01'.",
    )


def no_authorization(action, subscription):
    return error(
        "AuthorizationFailed",
        "The client '3d9e1f00-5b7a-4c21-9a10-0d2f4b6c8e01' with object id '7b2c4d10-1e5f-4a63-b9d8-2f3a4c5d6e70' does not "
        f"have authorization to perform action '{action}' over scope '/subscriptions/{subscription}' or the scope is "
        "invalid. If access was recently granted, please refresh your credentials.",
    )


def subscription(ident, name, state="Enabled"):
    return {
        "id": f"/subscriptions/{ident}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": ident,
        "tenantId": TENANT,
        "displayName": name,
        "state": state,
        "subscriptionPolicies": {"locationPlacementId": "Internal_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01", "spendingLimit": "Off"},
    }


def subscriptions(entries):
    return json.dumps({"value": entries, "count": {"type": "Total", "value": len(entries)}}, indent=1) + "\n"


def _server(sub, group, provider, kind, name, location, tags, sku, properties):
    return {
        "sku": sku,
        "properties": properties,
        "location": location,
        "tags": tags,
        "id": f"/subscriptions/{sub}/resourceGroups/{group}/providers/{provider}/{kind}/{name}",
        "name": name,
        "type": f"{provider}/{kind}",
    }


def postgres_flexible(sub, group, name, tags, *, location="West Europe", version="16", state="Ready", entra=True, host=None, **more):
    properties = {
        "replica": {"role": "Primary", "capacity": 5},
        "storage": {"type": "", "iops": 500, "tier": "P10", "storageSizeGB": 128, "autoGrow": "Enabled"},
        "network": {"publicNetworkAccess": "Disabled", "delegatedSubnetResourceId": f"/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/data/subnets/postgres"},
        "dataEncryption": {"type": "SystemManaged"},
        "authConfig": {"activeDirectoryAuth": "Enabled" if entra else "Disabled", "passwordAuth": "Enabled", "tenantId": TENANT},
        "fullyQualifiedDomainName": host or f"{name}.postgres.database.azure.com",
        "version": version,
        "minorVersion": "4",
        "administratorLogin": "dbadmin",
        "state": state,
        "availabilityZone": "1",
        "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled", "earliestRestoreDate": "2026-01-02T00:11:12+00:00"},
        "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
        "maintenanceWindow": {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0},
        "replicationRole": "Primary",
        "replicaCapacity": 5,
    }
    sku = {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}
    return _server(sub, group, POSTGRES, "flexibleServers", name, location, tags, sku, properties | more)


def mysql_flexible(sub, group, name, tags, *, location="North Europe", version="8.0.21", state="Ready", role="None", source=None):
    properties = {
        "administratorLogin": "dbadmin",
        "storage": {"storageSizeGB": 64, "iops": 492, "autoGrow": "Enabled", "autoIoScaling": "Enabled", "storageSku": "Premium_LRS", "logOnDisk": "Disabled"},
        "version": version,
        "state": state,
        "fullyQualifiedDomainName": f"{name}.mysql.database.azure.com",
        "availabilityZone": "2",
        "maintenanceWindow": {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0},
        "replicationRole": role,
        "replicaCapacity": 10 if role != "Replica" else 0,
        "network": {"publicNetworkAccess": "Enabled"},
        "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled", "earliestRestoreDate": "2026-01-02T03:44:10+00:00"},
        "highAvailability": {"mode": "Disabled", "state": "NotEnabled", "standbyAvailabilityZone": ""},
        "privateEndpointConnections": [],
    }
    if source:
        properties["sourceServerResourceId"] = f"/subscriptions/{sub}/resourceGroups/{group}/providers/{MYSQL}/flexibleServers/{source}"
    sku = {"name": "Standard_D2ads_v5", "tier": "GeneralPurpose"}
    return _server(sub, group, MYSQL, "flexibleServers", name, location, tags, sku, properties)


def mysql_single(sub, group, name, tags, *, location="germanynorth", version="8.0", state="Ready"):
    properties = {
        "administratorLogin": "dbadmin",
        "storageProfile": {"storageMB": 128000, "backupRetentionDays": 7, "geoRedundantBackup": "Disabled", "storageAutogrow": "Enabled"},
        "version": version,
        "sslEnforcement": "Enabled",
        "minimalTlsVersion": "TLS1_2",
        "userVisibleState": state,
        "fullyQualifiedDomainName": f"{name}.mysql.database.azure.com",
        "earliestRestoreDate": "2026-01-02T18:02:41.577+00:00",
        "replicationRole": "",
        "masterServerId": "",
        "replicaCapacity": 5,
        "byokEnforcement": "Disabled",
        "privateEndpointConnections": [],
        "infrastructureEncryption": "Disabled",
        "publicNetworkAccess": "Enabled",
    }
    sku = {"name": "GP_Gen5_2", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 2}
    return _server(sub, group, MYSQL, "servers", name, location, tags, sku, properties)
