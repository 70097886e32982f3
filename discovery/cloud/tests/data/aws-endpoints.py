"""Writes aws-endpoints.txt: where botocore asks, to compare muster with."""

import botocore.session, botocore
s=botocore.session.get_session()
l=s.get_component('data_loader'); 
from botocore.endpoint_provider import EndpointProvider
parts=l.load_data('partitions')
regs=['us-east-1','eu-west-1','ap-southeast-7','mx-central-1','us-gov-west-1','us-gov-east-1','cn-north-1','cn-northwest-1','us-iso-east-1','us-isob-east-1','eu-isoe-west-1','us-isof-south-1','eusc-de-east-1']
print(f"# Where botocore {botocore.__version__} asks: service, region, FIPS, dual-stack, endpoint.")
for svc,name in (('ec2','ec2'),('resourcegroupstaggingapi','tagging')):
    p=EndpointProvider(l.load_service_model(svc,'endpoint-rule-set-1'),parts)
    for r in regs:
        for f in (False,True):
            for d in (False,True):
                try: e=p.resolve_endpoint(Region=r,UseFIPS=f,UseDualStack=d)
                except Exception as x: continue
                print(name,r,'fips' if f else '-','dual' if d else '-',e.url)
