/* Tests of the logic: cc -o /tmp/test plugin.c muster.c test_plugin.c && /tmp/test
 * No WebAssembly, no muster. tests.yaml has those of the component. */
#include <stdio.h>

#include "muster.h"

static int failures;
#define CHECK(what) \
  ((what) ? (void)0 : (void)(failures++, fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what)))

static muster_verdict judge(const char **tags) { return muster_evaluate(muster_database_of((muster_example){.tags = tags})); }

int main(void) {
  CHECK(muster_try_settings("null") == 0);

  const char *spellings[] = {"prod", "PRD", "Production", "live"};
  for (size_t i = 0; i < 4; i++) {
    muster_verdict verdict = judge((const char *[]){"env", spellings[i], NULL});
    CHECK(verdict.what == MUSTER_ENROLL && verdict.labels.count == 1);
    CHECK(muster_equal(verdict.labels.pairs[0].value, T("prod")));
  }
  CHECK(judge(NULL).what == MUSTER_SKIP);

  CHECK(muster_try_settings("{\"tags\": [\"other\", \"ti\\u0065r\"]}") == 0);
  CHECK(muster_equal(judge((const char *[]){"env", "prod", "tier", "dev", NULL}).reason, T("the tag tier says dev")));
  CHECK(muster_try_settings("{\"tags\": \"env\"}") == 1);
  CHECK(muster_try_settings("{\"tags\": [1]}") == 1);
  CHECK(muster_try_settings("{\"tags\": []}") == 1);

  printf("%d failed\n", failures);
  return failures != 0;
}
