// The environment of a database, from tags that everybody spells in their own way.
import { SettingsError, enroll, skip } from "./muster.js";

export const description = {
  name: "my-matcher",
  version: "0.1.0",
  author: "",
  licence: "",
  summary: "Enrolls what a tag says the environment of, under the label `environment`.",
  // JSON Schema of the settings.
  settings: {
    type: "object",
    additionalProperties: false,
    properties: {
      tags: {
        type: "array",
        items: { type: "string" },
        minItems: 1,
        description: "Tags to look at; the first one that is there counts. Default: env, environment, stage.",
      },
    },
  },
};

const DEFAULT_TAGS = ["env", "environment", "stage"];

const ENVIRONMENTS = new Map([
  ["dev", "dev"], ["develop", "dev"], ["development", "dev"],
  ["test", "test"], ["qa", "test"],
  ["staging", "staging"], ["stage", "staging"], ["stg", "staging"],
  ["prod", "prod"], ["production", "prod"], ["prd", "prod"], ["live", "prod"],
]);

let tags = DEFAULT_TAGS;

// Called before every batch, with what the configuration says, or null.
export function configure(settings) {
  const wanted = settings?.tags ?? DEFAULT_TAGS;
  if (!Array.isArray(wanted) || wanted.some((tag) => typeof tag !== "string")) {
    throw new SettingsError({ tags: "must be a list of texts" });
  }
  if (wanted.length === 0) throw new SettingsError({ tags: "name at least one" });
  tags = wanted;
}

// The verdict on one database. It must depend on nothing but the database and the settings.
export function evaluate(database) {
  const tag = tags.find((key) => database.tag(key) !== undefined);
  if (tag === undefined) return skip(`no tag says the environment: ${tags.join(", ")}`);

  const value = database.tag(tag);
  const environment = ENVIRONMENTS.get(value.toLowerCase());
  if (environment === undefined) return skip(`the tag ${tag} says no environment that is known`);

  return enroll({ labels: { environment }, reason: `the tag ${tag} says ${environment}` });
}
