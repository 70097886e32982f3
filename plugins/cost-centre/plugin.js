// Who pays for a database: team, cost centre and tier out of one tag that holds them all, checked.
//
// tag.js reads the tag, check.js knows check digits; this says what becomes of it.
import { CHECKS } from "./check.js";
import { read } from "./tag.js";
import { SettingsError, pass, skip, undecided } from "./muster.js";

export const description = {
  name: "cost-centre",
  version: "1.0.0",
  author: "muster",
  licence: "Apache-2.0",
  summary: "Team, cost centre and tier out of one tag that holds them all, with check digits and defaults by account.",
  settings: {
    type: "object",
    additionalProperties: false,
    properties: {
      tags: { type: "array", items: { type: "string" }, description: "Tags that hold it; the first one there counts." },
      positions: {
        type: "array", items: { enum: ["team", "cost-centre", "tier", ""] },
        description: "What a value without keys means, such as `payments:4711:1`. Default: team, cost-centre, tier.",
      },
      check: { enum: Object.keys(CHECKS), description: "How a cost centre proves itself. Default: none." },
      teams: {
        type: "object", additionalProperties: { type: "array", items: { type: "string" } },
        description: "The cost centres that each team may charge. Teams that are not named may charge any.",
      },
      accounts: {
        type: "object",
        additionalProperties: {
          type: "object", additionalProperties: false,
          properties: { team: { type: "string" }, "cost-centre": { type: "string" }, tier: { type: "string" } },
        },
        description: "What holds where the tag says nothing, by account or subscription.",
      },
      invalid: {
        enum: ["label", "skip"],
        description: "What becomes of a database whose cost centre is missing or wrong. Default: label.",
      },
    },
  },
};

const FIELDS = ["team", "cost-centre", "tier"];
const DEFAULTS = {
  tags: ["billing", "cost", "cost-centre", "owner"],
  positions: FIELDS,
  check: "none",
  teams: {},
  accounts: {},
  invalid: "label",
};

let settings = DEFAULTS;

export function configure(given) {
  settings = { ...DEFAULTS, ...given };
  const problems = {};
  const isTexts = (value) => Array.isArray(value) && value.every((item) => typeof item === "string");
  const isTable = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

  for (const key of Object.keys(given ?? {})) {
    if (!Object.hasOwn(DEFAULTS, key)) problems[key] = "there is no such setting";
  }
  for (const key of ["tags", "positions"]) {
    if (!isTexts(settings[key])) problems[key] = "must be a list of texts";
  }
  if (!problems.positions && !settings.positions.every((field) => field === "" || FIELDS.includes(field))) {
    problems.positions = `must be of ${FIELDS.join(", ")}, or empty for what is of no interest`;
  }
  if (!Object.hasOwn(CHECKS, settings.check)) problems.check = `must be one of ${Object.keys(CHECKS).join(", ")}`;
  if (!["label", "skip"].includes(settings.invalid)) problems.invalid = "must be label or skip";
  if (!isTable(settings.teams)) problems.teams = "must be a table of teams and their cost centres";
  else {
    for (const [team, centres] of Object.entries(settings.teams)) {
      if (!isTexts(centres)) problems[`teams.${team}`] = "must be a list of cost centres, as texts";
    }
  }
  if (!isTable(settings.accounts)) problems.accounts = "must be a table of accounts";
  else {
    for (const [account, defaults] of Object.entries(settings.accounts)) {
      if (!isTable(defaults)) problems[`accounts.${account}`] = "must be a table";
      else {
        for (const [field, value] of Object.entries(defaults)) {
          if (!FIELDS.includes(field)) problems[`accounts.${account}.${field}`] = `must be one of ${FIELDS.join(", ")}`;
          else if (typeof value !== "string") problems[`accounts.${account}.${field}`] = "must be a text";
        }
      }
    }
  }
  if (Object.keys(problems).length > 0) throw new SettingsError(problems);
}

export function evaluate(database) {
  if (database.fact("unread")?.split(",").includes("tags")) return undecided("its tags could not be read");

  const tag = settings.tags.find((key) => (database.tag(key) ?? "").trim() !== "");
  const account = Object.hasOwn(settings.accounts, database.account) ? settings.accounts[database.account] : {};
  const said = tag === undefined ? {} : read(database.tag(tag), settings.positions, tag);
  if (said === undefined) return invalid("unreadable", `the tag ${tag} cannot be understood`);

  const of = (field) => said[field] ?? account[field];
  const team = of("team"), centre = of("cost-centre"), tier = of("tier");
  if (centre === undefined) {
    return invalid("missing", tag === undefined
      ? `no tag says the cost centre: ${settings.tags.join(", ")}`
      : `the tag ${tag} says no cost centre`);
  }
  if (!CHECKS[settings.check](centre)) {
    return invalid("check-digit", `${centre} is no cost centre: its check digit is wrong (${settings.check})`);
  }
  if (team !== undefined && Object.hasOwn(settings.teams, team) && !settings.teams[team].includes(centre)) {
    return invalid("not-theirs", `the team ${team} may not charge ${centre}`);
  }
  const labels = { "cost-centre": centre, "cost-source": said["cost-centre"] === undefined ? "account" : `tag ${tag}` };
  if (team !== undefined) labels.team = team;
  if (tier !== undefined) labels.tier = tier;
  return pass(labels);
}

function invalid(problem, reason) {
  return settings.invalid === "skip" ? skip(reason) : pass({ "cost-problem": problem });
}
