/* The environment of a database, from tags that everybody spells in their own way. */
#include "muster.h"

const muster_description muster_plugin = {
    .name = T("my-matcher"),
    .version = T("0.1.0"),
    .author = T(""),
    .licence = T(""),
    .summary = T("Enrolls what a tag says the environment of, under the label `environment`."),
    /* JSON Schema of the settings. */
    .settings_schema = T("{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"tags\":{"
                         "\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"},\"description\":"
                         "\"Tags to look at; the first one that is there counts. Default: env, environment, stage.\"}}}"),
};

static const struct {
  muster_text spelling, environment;
} environments[] = {
    {T("dev"), T("dev")},         {T("develop"), T("dev")},    {T("development"), T("dev")},
    {T("test"), T("test")},       {T("qa"), T("test")},        {T("staging"), T("staging")},
    {T("stage"), T("staging")},   {T("stg"), T("staging")},    {T("prod"), T("prod")},
    {T("production"), T("prod")}, {T("prd"), T("prod")},       {T("live"), T("prod")},
};

#define MOST_TAGS 16
static muster_text tags[MOST_TAGS];
static size_t tag_count;

void muster_configure(muster_text settings) {
  muster_text wanted, item;
  tag_count = 0;
  if (!muster_json_member(settings, "tags", &wanted)) {
    tags[tag_count++] = T("env");
    tags[tag_count++] = T("environment");
    tags[tag_count++] = T("stage");
    return;
  }
  if (!muster_json_is_list(wanted)) {
    muster_problem(T("tags"), T("must be a list of texts"));
    return;
  }
  while (muster_json_next(&wanted, &item)) {
    if (tag_count == MOST_TAGS || !muster_json_text(item, &tags[tag_count])) {
      muster_problem(T("tags"), T("must be a list of texts, 16 at most"));
      return;
    }
    tag_count++;
  }
  if (tag_count == 0) muster_problem(T("tags"), T("name at least one"));
}

static muster_text all_tags(void) {
  muster_text all = tag_count > 0 ? tags[0] : T("");
  for (size_t i = 1; i < tag_count; i++) all = CONCAT(all, T(", "), tags[i]);
  return all;
}

muster_verdict muster_evaluate(const muster_database *database) {
  muster_text value;
  size_t tag = 0;
  while (tag < tag_count && !muster_tag(database, tags[tag], &value)) tag++;
  if (tag == tag_count) return muster_skip(CONCAT(T("no tag says the environment: "), all_tags()));

  for (size_t i = 0; i < sizeof environments / sizeof *environments; i++) {
    if (!muster_same(value, environments[i].spelling)) continue;
    muster_text environment = environments[i].environment;
    muster_verdict verdict = muster_enroll(CONCAT(T("the tag "), tags[tag], T(" says "), environment));
    muster_set_label(&verdict, T("environment"), environment);
    return verdict;
  }
  return muster_skip(CONCAT(T("the tag "), tags[tag], T(" says no environment that is known")));
}
