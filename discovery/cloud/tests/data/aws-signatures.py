"""Writes aws-signatures.json: requests as botocore signs them, to compare muster's with."""

import datetime, json, sys
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

WHEN = datetime.datetime(2015, 8, 30, 12, 36, 0, tzinfo=datetime.timezone.utc)
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
TAGS = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "ResourceGroupsTaggingAPI_20170126.GetResources",
}
CASES = [
    ("us-east-1", "ec2", None, "https://ec2.us-east-1.amazonaws.com/", FORM,
     "Action=DescribeRegions&Version=2016-11-15"),
    ("eu-central-1", "ec2", "IQoJb3JpZ2luX2VjEXAMPLE//token+=", "http://127.0.0.1:5000/", FORM,
     "Action=DescribeRegions&Version=2016-11-15"),
    ("cn-north-1", "tagging", None, "https://tagging.cn-north-1.amazonaws.com.cn/", TAGS, "{}"),
    ("ap-southeast-2", "tagging", "AnotherToken", "https://localhost:8443/aws/path/", TAGS,
     '{"ResourceTypeFilters":["elasticache:replicationgroup"],"PaginationToken":"a/b+c=é"}'),
]


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return WHEN


def fixed(*args, **kwargs):
    return WHEN if not kwargs.get("remove_tzinfo", True) else WHEN.replace(tzinfo=None)


botocore.auth.get_current_datetime = fixed
out = []
for region, service, token, url, headers, body in CASES:
    request = AWSRequest("POST", url, headers=dict(headers), data=body.encode())
    keys = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    botocore.auth.SigV4Auth(keys, service, region).add_auth(request)
    signed = {k.lower(): v for k, v in request.headers.items() if k.lower() not in headers}
    out.append(dict(region=region, service=service, token=token, epoch=int(WHEN.timestamp()), url=url,
                    headers=headers, body=body, signed=signed))
json.dump(out, sys.stdout, indent=1, ensure_ascii=False)
print()
