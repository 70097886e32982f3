/* How muster and the matcher meet: wit/matcher.wit, by the canonical ABI of WebAssembly's component model.
 *
 * Every record of the contract is laid out here as the ABI lays it out for 32-bit memory, so that nothing is converted:
 * a text is a pointer and a length, a list as well, an option and a variant have their case in the first byte. The
 * contract never changes within its version, and neither does this. Outside of WebAssembly (native tests) the same
 * structures are simply larger. */
#include "muster.h"

/* === memory === */

#ifdef __wasm__

extern unsigned char __heap_base;
static uintptr_t next;

static void *allocate(size_t align, size_t size) {
  if (next == 0) next = (uintptr_t)&__heap_base;
  uintptr_t at = (next + align - 1) & ~(uintptr_t)(align - 1);
  uintptr_t end = at + size;
  size_t have = __builtin_wasm_memory_size(0) * (size_t)65536;
  if (end < at) __builtin_trap();
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) / 65536) == (size_t)-1) __builtin_trap();
  next = end;
  return (void *)at;
}

/* The compiler may call these by itself. */
__attribute__((no_builtin)) void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  for (size_t i = 0; i < count; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}
__attribute__((no_builtin)) void *memmove(void *to, const void *from, size_t count) {
  if (to < from) return memcpy(to, from, count);
  for (size_t i = count; i > 0; i--) ((char *)to)[i - 1] = ((const char *)from)[i - 1];
  return to;
}
__attribute__((no_builtin)) void *memset(void *to, int value, size_t count) {
  for (size_t i = 0; i < count; i++) ((char *)to)[i] = (char)value;
  return to;
}
__attribute__((no_builtin)) int memcmp(const void *a, const void *b, size_t count) {
  const unsigned char *x = a, *y = b;
  for (size_t i = 0; i < count; i++)
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  return 0;
}

/* Where muster puts what it hands over. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  if (size == 0) return (void *)align;
  void *at = allocate(align, size);
  return old_size == 0 ? at : memcpy(at, old, old_size < size ? old_size : size);
}

#else

#include <stdlib.h>
#include <string.h>

static void *allocate(size_t align, size_t size) {
  (void)align;
  void *at = malloc(size == 0 ? 1 : size);
  if (at == NULL) abort();
  return at;
}

#endif

void *muster_alloc(size_t size) { return allocate(8, size); }

/* === texts === */

bool muster_equal(muster_text a, muster_text b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++)
    if (a.at[i] != b.at[i]) return false;
  return true;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

bool muster_same(muster_text a, muster_text b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++)
    if (lower(a.at[i]) != lower(b.at[i])) return false;
  return true;
}

bool muster_starts_with(muster_text text, muster_text start) {
  return text.len >= start.len && muster_equal((muster_text){text.at, start.len}, start);
}

muster_text muster_join(const muster_text *parts, size_t count) {
  size_t len = 0;
  for (size_t i = 0; i < count; i++) len += parts[i].len;
  char *joined = allocate(1, len);
  char *at = joined;
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < parts[i].len; j++) *at++ = parts[i].at[j];
  return (muster_text){joined, len};
}

/* === a database === */

typedef struct {
  uint32_t start, len;
} span;

/* The record `database`; its first twelve numbers are in the order of muster_field. */
typedef struct {
  uint32_t fields[MUSTER_HOST + 1];
  uint32_t port;
  span sets[MUSTER_FACTS + 1];
} record;

typedef struct {
  const muster_text *texts;
  size_t texts_len;
  const uint32_t *pairs;
  size_t pairs_len;
  const record *databases;
  size_t databases_len;
} batch;

struct muster_database {
  const batch *batch;
  const record *record;
};

muster_text muster_get(const muster_database *database, muster_field field) {
  return database->batch->texts[database->record->fields[field]];
}

uint32_t muster_port(const muster_database *database) { return database->record->port; }

size_t muster_count(const muster_database *database, muster_set set) { return database->record->sets[set].len; }

void muster_pair(const muster_database *database, muster_set set, size_t index, muster_text *key, muster_text *value) {
  const uint32_t *pair = database->batch->pairs + 2 * (database->record->sets[set].start + index);
  *key = database->batch->texts[pair[0]];
  *value = database->batch->texts[pair[1]];
}

bool muster_find(const muster_database *database, muster_set set, muster_text key, muster_text *value) {
  for (size_t i = 0, count = muster_count(database, set); i < count; i++) {
    muster_text its_key, its_value;
    muster_pair(database, set, i, &its_key, &its_value);
    if (!muster_equal(its_key, key)) continue;
    if (value != NULL) *value = its_value;
    return true;
  }
  return false;
}

/* === verdicts === */

muster_verdict muster_enroll(muster_text reason) { return (muster_verdict){.what = MUSTER_ENROLL, .reason = reason}; }
muster_verdict muster_skip(muster_text reason) { return (muster_verdict){.what = MUSTER_SKIP, .reason = reason}; }
muster_verdict muster_pass(void) { return (muster_verdict){.what = MUSTER_PASS}; }
muster_verdict muster_undecided(muster_text reason) {
  return (muster_verdict){.what = MUSTER_UNDECIDED, .reason = reason};
}

static muster_pair_of_texts *set(muster_pair_of_texts *pairs, size_t *count, muster_text key, muster_text value) {
  for (size_t i = 0; i < *count; i++) {
    if (!muster_equal(pairs[i].key, key)) continue;
    pairs[i].value = value;
    return pairs;
  }
  /* One more than muster takes, so that it can say so. */
  if (*count > MUSTER_MOST_PAIRS) return pairs;
  if (*count == 0 || *count == 4) {
    muster_pair_of_texts *more = allocate(8, (*count == 0 ? 4 : MUSTER_MOST_PAIRS + 1) * sizeof *more);
    for (size_t i = 0; i < *count; i++) more[i] = pairs[i];
    pairs = more;
  }
  pairs[(*count)++] = (muster_pair_of_texts){key, value};
  return pairs;
}

void muster_set_label(muster_verdict *verdict, muster_text key, muster_text value) {
  verdict->labels.pairs = set(verdict->labels.pairs, &verdict->labels.count, key, value);
}

void muster_set_hint(muster_verdict *verdict, muster_text key, muster_text value) {
  verdict->hints.pairs = set(verdict->hints.pairs, &verdict->hints.count, key, value);
}

/* === the settings ===
 * muster hands over well-formed JSON, so this only has to find its way in it; at the end of the text it stops. */

static muster_text rest_after(muster_text json, size_t count) {
  if (count > json.len) count = json.len;
  return (muster_text){json.at + count, json.len - count};
}

static muster_text trimmed(muster_text json) {
  while (json.len > 0 && (*json.at == ' ' || *json.at == '\n' || *json.at == '\t' || *json.at == '\r'))
    json = rest_after(json, 1);
  return json;
}

/* The length of the value that the text begins with. */
static size_t length(muster_text json) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < json.len; i++) {
    char c = json.at[i];
    if (quoted) {
      if (c == '\\') i++;
      if (c == '"') quoted = false;
      if (c == '"' && depth == 0) return i + 1;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      depth++;
    } else if (c == ']' || c == '}') {
      if (depth == 0) return i;
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\t' || c == '\r')) {
      return i;
    }
  }
  return json.len;
}

/* Takes the next value off an object or a list: past what opens or separates, up to what closes. */
static bool take(muster_text *rest, muster_text *value) {
  *rest = trimmed(*rest);
  if (rest->len == 0 || *rest->at == ']' || *rest->at == '}') return false;
  size_t len = length(*rest);
  if (len == 0) return false;
  *value = (muster_text){rest->at, len};
  *rest = trimmed(rest_after(*rest, len));
  if (rest->len > 0 && (*rest->at == ',' || *rest->at == ':')) *rest = rest_after(*rest, 1);
  return true;
}

static bool opens(muster_text json, char c) { return trimmed(json).len > 0 && *trimmed(json).at == c; }

bool muster_json_is_list(muster_text json) { return opens(json, '['); }
bool muster_json_is_null(muster_text json) { return opens(json, 'n'); }

bool muster_json_member(muster_text json, const char *key, muster_text *value) {
  if (!opens(json, '{')) return false;
  muster_text wanted = {key, 0}, rest = rest_after(trimmed(json), 1), name, text;
  while (key[wanted.len] != 0) wanted.len++;
  while (take(&rest, &name) && take(&rest, value))
    if (muster_json_text(name, &text) && muster_equal(text, wanted)) return true;
  return false;
}

bool muster_json_next(muster_text *rest, muster_text *item) {
  /* What is left of a list ends with the bracket that closes it, and does not begin with one that opens it, except
   * where an item does: so the one that opens the list is taken off only while all of it is there. */
  muster_text list = trimmed(*rest);
  if (list.len > 1 && *list.at == '[' && length(list) == list.len) *rest = rest_after(list, 1);
  return take(rest, item);
}

static unsigned digit(char c) {
  if (c >= '0' && c <= '9') return (unsigned)(c - '0');
  c = lower(c);
  return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 0;
}

static uint32_t unit(const char *at) {
  return digit(at[0]) << 12 | digit(at[1]) << 8 | digit(at[2]) << 4 | digit(at[3]);
}

bool muster_json_text(muster_text json, muster_text *text) {
  json = trimmed(json);
  if (json.len < 2 || *json.at != '"') return false;
  char *out = allocate(1, json.len), *to = out;
  for (size_t i = 1; i + 1 < json.len; i++) {
    char c = json.at[i];
    if (c != '\\') {
      *to++ = c;
      continue;
    }
    switch (c = json.at[++i]) {
      case 'b': *to++ = '\b'; break;
      case 'f': *to++ = '\f'; break;
      case 'n': *to++ = '\n'; break;
      case 'r': *to++ = '\r'; break;
      case 't': *to++ = '\t'; break;
      case 'u': {
        if (i + 5 >= json.len) return false;
        uint32_t code = unit(json.at + i + 1);
        i += 4;
        if (code >= 0xd800 && code < 0xdc00 && i + 7 < json.len && json.at[i + 1] == '\\') {
          code = 0x10000 + ((code - 0xd800) << 10) + (unit(json.at + i + 3) - 0xdc00);
          i += 6;
        }
        if (code < 0x80) {
          *to++ = (char)code;
        } else {
          if (code < 0x800) {
            *to++ = (char)(0xc0 | code >> 6);
          } else {
            if (code < 0x10000) {
              *to++ = (char)(0xe0 | code >> 12);
            } else {
              *to++ = (char)(0xf0 | code >> 18);
              *to++ = (char)(0x80 | (code >> 12 & 0x3f));
            }
            *to++ = (char)(0x80 | (code >> 6 & 0x3f));
          }
          *to++ = (char)(0x80 | (code & 0x3f));
        }
        break;
      }
      default: *to++ = c;
    }
  }
  *text = (muster_text){out, (size_t)(to - out)};
  return true;
}

#define MOST_PROBLEMS 32
static struct {
  muster_text path, message;
} problems[MOST_PROBLEMS];
static size_t problem_count;

void muster_problem(muster_text path, muster_text message) {
  if (problem_count == MOST_PROBLEMS) return;
  problems[problem_count].path = path;
  problems[problem_count++].message = message;
}

#ifdef __wasm__

/* === what muster calls, and what it is called for === */

__attribute__((import_module("muster:matcher/host@0.1.0"), import_name("log"))) void host_log(
    uint32_t level, const char *at, size_t len);

void muster_log(muster_level level, muster_text message) { host_log(level, message.at, message.len); }

typedef struct {
  muster_text name, version, author, licence, summary, settings_schema;
  const muster_pair_of_texts *facts;
  size_t facts_len;
} description;

typedef struct {
  uint8_t failed;
  const void *problems;
  size_t problems_len;
} configured;

typedef struct {
  const muster_pair_of_texts *at;
  size_t len;
} pair_list;

typedef struct {
  uint8_t what;
  union {
    struct {
      uint8_t named;
      muster_text name;
      pair_list labels, hints;
      muster_text reason;
    } enroll;
    muster_text reason;
    pair_list pass;
  } of;
} verdict;

typedef struct {
  verdict *at;
  size_t len;
} verdict_list;

_Static_assert(sizeof(record) == 84 && sizeof(description) == 56 && sizeof(verdict) == 40, "laid out by the ABI");

__attribute__((export_name("muster:matcher/plugin@0.1.0#describe"))) const description *plugin_describe(void) {
  description *answer = muster_alloc(sizeof *answer);
  *answer = (description){
      muster_plugin.name,    muster_plugin.version, muster_plugin.author,
      muster_plugin.licence, muster_plugin.summary, muster_plugin.settings_schema,
      (void *)8,             0,
  };
  return answer;
}

__attribute__((export_name("muster:matcher/plugin@0.1.0#configure"))) const configured *plugin_configure(
    const char *settings, size_t len) {
  problem_count = 0;
  muster_configure((muster_text){settings, len});
  configured *answer = muster_alloc(sizeof *answer);
  *answer = (configured){problem_count > 0, problems, problem_count};
  return answer;
}

static pair_list list(muster_pair_of_texts *pairs, size_t count) {
  return (pair_list){count == 0 ? (void *)8 : pairs, count};
}

__attribute__((export_name("muster:matcher/plugin@0.1.0#evaluate"))) const verdict_list *plugin_evaluate(
    const muster_text *texts, size_t texts_len, const uint32_t *pairs, size_t pairs_len, const record *databases,
    size_t databases_len) {
  batch all = {texts, texts_len, pairs, pairs_len, databases, databases_len};
  verdict_list *answer = muster_alloc(sizeof *answer);
  *answer = (verdict_list){muster_alloc(databases_len * sizeof(verdict)), databases_len};
  for (size_t i = 0; i < databases_len; i++) {
    muster_database database = {&all, databases + i};
    muster_verdict given = muster_evaluate(&database);
    verdict *to = answer->at + i;
    to->what = (uint8_t)given.what;
    switch (given.what) {
      case MUSTER_ENROLL:
        to->of.enroll.named = given.name.len > 0;
        to->of.enroll.name = given.name;
        to->of.enroll.labels = list(given.labels.pairs, given.labels.count);
        to->of.enroll.hints = list(given.hints.pairs, given.hints.count);
        to->of.enroll.reason = given.reason;
        break;
      case MUSTER_SKIP:
      case MUSTER_UNDECIDED: to->of.reason = given.reason; break;
      case MUSTER_PASS: to->of.pass = list(given.labels.pairs, given.labels.count); break;
    }
  }
  return answer;
}

#else

/* === native tests === */

void muster_log(muster_level level, muster_text message) {
  (void)level;
  (void)message;
}

static muster_text text_of(const char *text) { return (muster_text){text, text == NULL ? 0 : strlen(text)}; }

const muster_database *muster_database_of(muster_example example) {
  const char **sets[] = {example.tags, example.derived, example.derived, example.tags, example.facts};
  size_t most = MUSTER_HOST + 2, pairs = 0, at_text = 1, at_pair = 0;
  for (size_t s = 0; s < 5; s++)
    for (size_t i = 0; sets[s] != NULL && sets[s][i] != NULL; i++) most++, pairs++;
  muster_text *texts = calloc(most, sizeof *texts);
  uint32_t *places = calloc(pairs + 1, sizeof *places);
  record *its = calloc(1, sizeof *its);
  batch *all = malloc(sizeof *all);
  muster_database *database = malloc(sizeof *database);
  if (texts == NULL || places == NULL || its == NULL || all == NULL || database == NULL) abort();
  for (size_t f = 0; f <= MUSTER_HOST; f++) {
    texts[at_text] = text_of(example.fields[f]);
    its->fields[f] = (uint32_t)at_text++;
  }
  its->port = example.port;
  /* Tags, derived, and the labels, which are both; derived ones first, since no tag can pass for one. */
  span *spans[] = {&its->sets[MUSTER_TAGS], &its->sets[MUSTER_DERIVED], &its->sets[MUSTER_LABELS],
                   &its->sets[MUSTER_LABELS], &its->sets[MUSTER_FACTS]};
  for (size_t s = 0; s < 5; s++) {
    if (s == 0 || spans[s] != spans[s - 1]) spans[s]->start = (uint32_t)(at_pair / 2);
    for (size_t i = 0; sets[s] != NULL && sets[s][i] != NULL; i++) {
      texts[at_text] = text_of(sets[s][i]);
      places[at_pair++] = (uint32_t)at_text++;
    }
    spans[s]->len = (uint32_t)(at_pair / 2) - spans[s]->start;
  }
  *all = (batch){texts, at_text, places, at_pair, its, 1};
  *database = (muster_database){all, its};
  return database;
}

size_t muster_try_settings(const char *json) {
  problem_count = 0;
  muster_configure(text_of(json));
  return problem_count;
}

#endif
