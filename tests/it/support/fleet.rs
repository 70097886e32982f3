//! What is really there: the databases of one region of one account, which change from cycle to cycle.

use std::{collections::BTreeMap, fmt::Write};

use muster_model::ResourceId;

use super::draw::Draw;

/// One region of one account.
#[derive(Clone, Debug)]
pub struct Region {
    account: String,
    name: String,
    draw: Draw,
    next: usize,
    pace: Pace,
    there: BTreeMap<String, Resource>,
    /// What was deleted and may be made again under its old name.
    gone: BTreeMap<String, Resource>,
}

/// How fast a fleet changes: times in a thousand, a cycle.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many resources there are in the long run.
    pub size: usize,
    /// That a resource appears, when there are too few.
    pub appears: usize,
    /// That a resource vanishes, for each.
    pub vanishes: usize,
    /// That what was deleted comes back under its old ARN, for each.
    pub returns: usize,
    /// That a resource changes, for each.
    pub changes: usize,
}

/// An instance or a cluster.
#[derive(Clone, Debug)]
struct Resource {
    cluster: bool,
    engine: &'static str,
    version: String,
    state: &'static str,
    port: u16,
    /// Another one each time it is made anew.
    host: String,
    tags: BTreeMap<String, String>,
    ca: &'static str,
    public: bool,
}

/// One endpoint as it really is: what a scan must find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Host and port; none while it is being made.
    pub endpoint: Option<(String, u16)>,
    /// The state's name.
    pub state: &'static str,
    /// The engine.
    pub engine: &'static str,
    /// Its version.
    pub version: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The network.
    pub vpc: String,
    /// The certificate authority.
    pub ca: &'static str,
    /// Whether its address is public.
    pub public: bool,
    /// Whether network, certificate authority and address stand with its members, in the other listing.
    pub cluster: bool,
}

const STATES: [&str; 6] = [
    "available",
    "available",
    "modifying",
    "stopped",
    "storage-full",
    "backing-up",
];
const AUTHORITIES: [&str; 2] = ["rds-ca-rsa2048-g1", "rds-ca-ecc384-g1"];

// === impl Region ===

impl Region {
    /// A region with as many resources as it has in the long run.
    pub fn new(account: &str, name: &str, pace: Pace, seed: u64) -> Self {
        let mut region = Self {
            account: account.to_owned(),
            name: name.to_owned(),
            draw: Draw::part(seed, &format!("fleet {account}/{name}")),
            next: 0,
            pace,
            there: BTreeMap::new(),
            gone: BTreeMap::new(),
        };
        while region.there.len() < pace.size {
            region.appear();
        }
        for resource in region.there.values_mut() {
            resource.state = "available";
        }
        region
    }

    /// The next cycle.
    pub fn step(&mut self) {
        let pace = self.pace;
        let deleting: Vec<_> = self
            .there
            .iter()
            .filter(|(_, resource)| resource.state == "deleting")
            .map(|(name, _)| name.clone())
            .collect();
        for name in deleting {
            self.vanish(&name);
        }
        let names: Vec<_> = self.there.keys().cloned().collect();
        for name in names {
            if self.draw.in_thousand(pace.vanishes) {
                // Some are seen in the act.
                if self.draw.below(3) == 0 {
                    self.resource(&name).state = "deleting";
                } else {
                    self.vanish(&name);
                }
            } else if self.draw.in_thousand(pace.changes) {
                self.change(&name);
            }
        }
        let gone: Vec<_> = self.gone.keys().cloned().collect();
        for name in gone {
            if self.draw.in_thousand(pace.returns)
                && let Some(resource) = self.gone.remove(&name)
            {
                self.there.insert(name, resource);
            }
        }
        if self.there.len() < pace.size && self.draw.in_thousand(pace.appears) {
            self.appear();
        }
    }

    /// Deletes an instance that muster can serve and that fits, at once.
    pub fn delete(&mut self, fits: impl Fn(&ResourceId) -> bool) -> ResourceId {
        let id = |name: &str| ResourceId::of(&self.arn(name, false), "instance");
        let can = |(name, resource): &(&String, &Resource)| {
            !resource.cluster && resource.engine != "oracle-ee" && fits(&id(name))
        };
        let (name, _) = self.there.iter().find(can).expect("there is one");
        let (name, id) = (name.clone(), id(name));
        self.vanish(&name);
        id
    }

    /// Every endpoint that is there.
    pub fn truth(&self) -> BTreeMap<ResourceId, Truth> {
        let mut all = BTreeMap::new();
        for (name, resource) in &self.there {
            for (role, host) in self.hosts(name, resource) {
                let id = ResourceId::of(&self.arn(name, resource.cluster), role);
                let truth = Truth {
                    endpoint: (resource.state != "creating").then_some((host, resource.port)),
                    state: resource.state,
                    engine: resource.engine,
                    version: resource.version.clone(),
                    tags: resource.tags.clone(),
                    vpc: self.vpc(),
                    ca: resource.ca,
                    public: resource.public,
                    cluster: resource.cluster,
                };
                all.insert(id, truth);
            }
        }
        all
    }

    /// The records of `DescribeDBInstances`, in order: instances, and the members of clusters.
    pub fn instances(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (name, resource) in &self.there {
            if resource.cluster {
                all.push(self.instance(&format!("{name}-1"), resource, Some(name)));
                all.push(self.instance(&format!("{name}-2"), resource, Some(name)));
            } else {
                all.push(self.instance(name, resource, None));
            }
        }
        all
    }

    /// The records of `DescribeDBClusters`, in order.
    pub fn clusters(&self) -> Vec<String> {
        self.there
            .iter()
            .filter(|(_, resource)| resource.cluster)
            .map(|(name, resource)| self.cluster(name, resource))
            .collect()
    }

    fn resource(&mut self, name: &str) -> &mut Resource {
        self.there.get_mut(name).expect("it is there")
    }

    fn appear(&mut self) {
        self.next += 1;
        let draw = &mut self.draw;
        let cluster = draw.below(5) == 0;
        let engine = *draw.pick(if cluster {
            &["aurora-postgresql", "aurora-mysql"][..]
        } else {
            &["postgres", "mysql", "mariadb", "oracle-ee"][..]
        });
        let resource = Resource {
            cluster,
            engine,
            version: format!("{}.{}", 10 + draw.below(7), 6 + draw.below(9)),
            state: "creating",
            port: 5432,
            host: format!("h{:08x}", draw.next() as u32),
            tags: BTreeMap::new(),
            ca: draw.pick::<&str>(&AUTHORITIES),
            public: draw.below(2) == 0,
        };
        let name = format!("db-{:03}", self.next);
        self.there.insert(name.clone(), resource);
        for _ in 0..3 {
            self.tag(&name);
        }
    }

    fn vanish(&mut self, name: &str) {
        let Some(mut resource) = self.there.remove(name) else {
            return;
        };
        // Made again, it is at another address, and perhaps not there yet.
        resource.host = format!("h{:08x}", self.draw.next() as u32);
        resource.state = self.draw.pick::<&str>(&["available", "creating"]);
        if self.gone.len() > 4 {
            self.gone.pop_first();
        }
        self.gone.insert(name.to_owned(), resource);
    }

    fn change(&mut self, name: &str) {
        match self.draw.below(10) {
            0 => self.resource(name).port += 1,
            1 => {
                let version = format!("17.{}", self.draw.below(100));
                self.resource(name).version = version;
            }
            2 => {
                let ca = *self.draw.pick(&AUTHORITIES);
                self.resource(name).ca = ca;
            }
            3 => {
                let resource = self.resource(name);
                resource.public = !resource.public;
            }
            4..=6 => {
                let state = *self.draw.pick(&STATES);
                self.resource(name).state = state;
            }
            _ => self.tag(name),
        }
        // What was being made is done.
        let resource = self.resource(name);
        if resource.state == "creating" {
            resource.state = "available";
        }
    }

    fn tag(&mut self, name: &str) {
        let draw = &mut self.draw;
        let (key, values) = *draw.pick(&[
            ("env", &["prod", "dev", "test"][..]),
            ("team", &["data", "web", "a&b <c>"][..]),
            // Now and then somebody takes a database out by hand.
            ("enroll", &["yes", "yes", "yes", "no"][..]),
            // Nobody may say where a database is but muster.
            ("region", &["mars"][..]),
        ]);
        let value = (*draw.pick(values)).to_owned();
        let removed = draw.below(4) == 0;
        let tags = &mut self.resource(name).tags;
        if removed {
            tags.remove(key);
        } else {
            tags.insert(key.to_owned(), value);
        }
    }

    fn vpc(&self) -> String {
        format!("vpc-{}-{}", self.account, self.name)
    }

    fn arn(&self, name: &str, cluster: bool) -> String {
        let kind = if cluster { "cluster" } else { "db" };
        format!("arn:aws:rds:{}:{}:{kind}:{name}", self.name, self.account)
    }

    fn hosts(&self, name: &str, resource: &Resource) -> Vec<(&'static str, String)> {
        let of = |infix: &str| {
            format!(
                "{name}.{infix}{}.{}.rds.amazonaws.com",
                resource.host, self.name
            )
        };
        if resource.cluster {
            vec![("primary", of("cluster-")), ("reader", of("cluster-ro-"))]
        } else {
            vec![("instance", of(""))]
        }
    }

    fn instance(&self, name: &str, resource: &Resource, member_of: Option<&str>) -> String {
        let mut xml = String::from("<DBInstance>");
        element(&mut xml, "DBInstanceIdentifier", name);
        element(&mut xml, "Engine", resource.engine);
        element(&mut xml, "EngineVersion", &resource.version);
        element(&mut xml, "DBInstanceStatus", resource.state);
        if resource.state != "creating" {
            let host = match member_of {
                Some(_) => format!("{name}.{}.rds.amazonaws.com", self.name),
                None => self.hosts(name, resource)[0].1.clone(),
            };
            let port = resource.port;
            let _ = write!(
                xml,
                "<Endpoint><Address>{host}</Address><Port>{port}</Port></Endpoint>"
            );
        }
        element(&mut xml, "DBInstanceArn", &self.arn(name, false));
        let vpc = self.vpc();
        let _ = write!(xml, "<DBSubnetGroup><VpcId>{vpc}</VpcId></DBSubnetGroup>");
        element(&mut xml, "PubliclyAccessible", &resource.public.to_string());
        element(&mut xml, "CACertificateIdentifier", resource.ca);
        element(&mut xml, "IAMDatabaseAuthenticationEnabled", "true");
        if let Some(cluster) = member_of {
            element(&mut xml, "DBClusterIdentifier", cluster);
        }
        tags(&mut xml, &resource.tags);
        xml + "</DBInstance>"
    }

    fn cluster(&self, name: &str, resource: &Resource) -> String {
        let mut xml = String::from("<DBCluster>");
        element(&mut xml, "DBClusterIdentifier", name);
        element(&mut xml, "Engine", resource.engine);
        element(&mut xml, "EngineVersion", &resource.version);
        element(&mut xml, "EngineMode", "provisioned");
        element(&mut xml, "Status", resource.state);
        if resource.state != "creating" {
            let hosts = self.hosts(name, resource);
            element(&mut xml, "Endpoint", &hosts[0].1);
            element(&mut xml, "ReaderEndpoint", &hosts[1].1);
            element(&mut xml, "Port", &resource.port.to_string());
        }
        element(&mut xml, "DBClusterArn", &self.arn(name, true));
        element(&mut xml, "IAMDatabaseAuthenticationEnabled", "true");
        xml.push_str("<DBClusterMembers>");
        for (member, writes) in [("1", "true"), ("2", "false")] {
            xml.push_str("<DBClusterMember>");
            element(
                &mut xml,
                "DBInstanceIdentifier",
                &format!("{name}-{member}"),
            );
            element(&mut xml, "IsClusterWriter", writes);
            xml.push_str("</DBClusterMember>");
        }
        xml.push_str("</DBClusterMembers>");
        tags(&mut xml, &resource.tags);
        xml + "</DBCluster>"
    }
}

/// One page of a listing: so many records from `offset` on, and where the next begins.
pub fn page(records: &[String], offset: usize, size: usize) -> (&[String], Option<usize>) {
    let start = offset.min(records.len());
    let end = (start + size).min(records.len());
    (&records[start..end], (end < records.len()).then_some(end))
}

/// The answer to `DescribeDBInstances` or `DescribeDBClusters`.
pub fn listing(action: &str, records: &[String], marker: Option<&str>) -> String {
    let list = if action == "DescribeDBClusters" {
        "DBClusters"
    } else {
        "DBInstances"
    };
    let marker = marker.map_or_else(String::new, |marker| format!("<Marker>{marker}</Marker>"));
    format!(
        "<{action}Response xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><{action}Result>{marker}\
         <{list}>{}</{list}></{action}Result></{action}Response>",
        records.concat()
    )
}

fn element(xml: &mut String, name: &str, value: &str) {
    let _ = write!(xml, "<{name}>{}</{name}>", escaped(value));
}

fn tags(xml: &mut String, tags: &BTreeMap<String, String>) {
    xml.push_str("<TagList>");
    for (key, value) in tags {
        let (key, value) = (escaped(key), escaped(value));
        let _ = write!(xml, "<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    }
    xml.push_str("</TagList>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
