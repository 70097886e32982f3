/* What a matcher in C needs of muster: a database to ask, verdicts to give, a log, and the settings.
 *
 * There is no C library here: no malloc, no printf. Texts are not ended by a zero, they have a length. What these
 * functions return stays until the batch is judged; then the whole instance is thrown away, so nothing is freed.
 *
 * This file and muster.c belong to the template and not to you: a newer muster may bring newer ones. */
#ifndef MUSTER_H
#define MUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-8, without a zero at its end. */
typedef struct {
  const char *at;
  size_t len;
} muster_text;

/* A literal as a text: T("env") */
#define T(literal) ((muster_text){(literal), sizeof(literal) - 1})

/* === texts === */

bool muster_equal(muster_text a, muster_text b);
/* Letters of ASCII count the same in both sizes. */
bool muster_same(muster_text a, muster_text b);
bool muster_starts_with(muster_text text, muster_text start);
/* Texts one after the other: muster_join((muster_text[]){T("the tag "), key}, 2) */
muster_text muster_join(const muster_text *parts, size_t count);
/* The same with the parts written out: CONCAT(T("the tag "), key, T(" says nothing")) */
#define CONCAT(...) \
  muster_join((const muster_text[]){__VA_ARGS__}, sizeof((const muster_text[]){__VA_ARGS__}) / sizeof(muster_text))

/* === a database === */

/* One database as a scanner saw it. What is not known is the empty text, or 0. */
typedef struct muster_database muster_database;

typedef enum {
  MUSTER_ID,             /* the cloud's own id (ARN, ARM id), `#`, and the endpoint's role */
  MUSTER_NAME,           /* what a person called it: the cloud's identifier */
  MUSTER_PROVIDER,       /* aws, azure */
  MUSTER_KIND,           /* the product: rds, aurora, docdb, elasticache, azure-postgresql, ... */
  MUSTER_PROTOCOL,       /* postgres, mysql, mongodb, redis */
  MUSTER_ENGINE,         /* the cloud's name of the engine: postgres, aurora-mysql, valkey, ... */
  MUSTER_ENGINE_VERSION,
  MUSTER_STATE,          /* as the cloud spells it; the fact `availability` says what it means */
  MUSTER_ACCOUNT,        /* account number or subscription id */
  MUSTER_REGION,
  MUSTER_ROLE,           /* instance, primary, reader, custom:NAME, cluster, configuration, serverless, server */
  MUSTER_HOST            /* empty while it is stopped or being made */
} muster_field;

typedef enum {
  MUSTER_TAGS,           /* set by the owner of the cloud account: not to be trusted */
  MUSTER_DERIVED,        /* labels that muster derived itself: `region`, `account-id`, ... */
  MUSTER_LABELS,         /* the labels so far: derived ones, tags, and what the steps before this one made of them */
  MUSTER_FACTS           /* everything else that is known: `public`, `tls`, `availability`, ... */
} muster_set;

muster_text muster_get(const muster_database *database, muster_field field);
uint32_t muster_port(const muster_database *database);
/* Whether the key is there; if so, and `value` is not NULL, its value. */
bool muster_find(const muster_database *database, muster_set set, muster_text key, muster_text *value);
/* How many there are, and one after the other, in no order that means anything. */
size_t muster_count(const muster_database *database, muster_set set);
void muster_pair(const muster_database *database, muster_set set, size_t index, muster_text *key, muster_text *value);

static inline bool muster_tag(const muster_database *database, muster_text key, muster_text *value) {
  return muster_find(database, MUSTER_TAGS, key, value);
}
static inline bool muster_label(const muster_database *database, muster_text key, muster_text *value) {
  return muster_find(database, MUSTER_LABELS, key, value);
}
static inline bool muster_fact(const muster_database *database, muster_text key, muster_text *value) {
  return muster_find(database, MUSTER_FACTS, key, value);
}

/* === verdicts === */

#define MUSTER_MOST_PAIRS 64 /* more labels, or more hints, muster does not take */

typedef struct {
  muster_text key, value;
} muster_pair_of_texts;

typedef struct {
  enum { MUSTER_ENROLL, MUSTER_SKIP, MUSTER_PASS, MUSTER_UNDECIDED } what;
  muster_text reason; /* of all but pass */
  muster_text name;   /* of enroll; when it is empty muster names it */
  struct {
    size_t count;
    muster_pair_of_texts *pairs;
  } labels, hints;
} muster_verdict;

/* To be enrolled. */
muster_verdict muster_enroll(muster_text reason);
/* Not to be enrolled, and why. */
muster_verdict muster_skip(muster_text reason);
/* No opinion: its labels are added, and the next step is asked. */
muster_verdict muster_pass(void);
/* It cannot be said this time, and why: what is needed could not be read, or contradicts itself. What is enrolled stays,
 * what is not is not added, and no step after this one is asked. */
muster_verdict muster_undecided(muster_text reason);
/* Of enroll and pass: added to the labels so far, or in place of one of them. */
void muster_set_label(muster_verdict *verdict, muster_text key, muster_text value);
/* Of enroll: for whoever connects. */
void muster_set_hint(muster_verdict *verdict, muster_text key, muster_text value);

/* === the settings, as JSON === */

/* The value of a member of an object; false when it is no object or has no such member. */
bool muster_json_member(muster_text json, const char *key, muster_text *value);
/* The items of a list (see muster_json_is_list), one after the other: start with *rest = the list. False at its end. */
bool muster_json_next(muster_text *rest, muster_text *item);
bool muster_json_is_list(muster_text json);
bool muster_json_is_null(muster_text json);
/* A text without its quotes and escapes; false when it is no text. */
bool muster_json_text(muster_text json, muster_text *text);
/* Something that is wrong with the settings: path such as "tags[0]", and what. All of it may be said. */
void muster_problem(muster_text path, muster_text message);

/* === the rest === */

/* Lines for whoever runs the matcher; in native tests they go to nobody. muster keeps 64 of 1 KiB a batch. */
typedef enum { MUSTER_DEBUG, MUSTER_INFO, MUSTER_WARN } muster_level;
void muster_log(muster_level level, muster_text message);

/* Memory that is never given back. */
void *muster_alloc(size_t size);

/* === what you write === */

typedef struct {
  muster_text name, version, author, licence, summary;
  muster_text settings_schema; /* JSON Schema of the settings, or empty */
} muster_description;

extern const muster_description muster_plugin;
/* Called before every batch with the settings as JSON, `null` when there are none. */
void muster_configure(muster_text settings);
/* The verdict on one database. It must depend on nothing but the database and the settings. */
muster_verdict muster_evaluate(const muster_database *database);

#ifndef __wasm__
/* For tests: a database made of plain values. Pairs are key, value, key, value, NULL; labels are tags and derived. */
typedef struct {
  const char *fields[MUSTER_HOST + 1]; /* by muster_field; NULL is the empty text */
  const char **tags, **derived, **facts;
  uint32_t port;
} muster_example;
const muster_database *muster_database_of(muster_example example);
/* Calls muster_configure; how many problems it had. */
size_t muster_try_settings(const char *json);
#endif

#endif
