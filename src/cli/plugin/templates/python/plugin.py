"""The environment of a database, from tags that everybody spells in their own way."""

from muster_matcher import Database, Enroll, SettingsError, Skip, Verdict

DESCRIPTION = {
    "name": "my-matcher",
    "version": "0.1.0",
    "author": "",
    "licence": "",
    "summary": "Enrolls what a tag says the environment of, under the label `environment`.",
    # JSON Schema of the settings.
    "settings": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": "Tags to look at; the first one that is there counts. Default: env, environment, stage.",
            }
        },
    },
}

DEFAULT_TAGS = ["env", "environment", "stage"]

ENVIRONMENTS = {
    "dev": "dev", "develop": "dev", "development": "dev",
    "test": "test", "qa": "test",
    "staging": "staging", "stage": "staging", "stg": "staging",
    "prod": "prod", "production": "prod", "prd": "prod", "live": "prod",
}  # fmt: skip

tags = DEFAULT_TAGS


def configure(settings: dict | None) -> None:
    """Called before every batch, with what the configuration says, or None."""
    global tags
    wanted = (settings or {}).get("tags", DEFAULT_TAGS)
    if not isinstance(wanted, list) or not all(isinstance(tag, str) for tag in wanted):
        raise SettingsError({"tags": "must be a list of texts"})
    if not wanted:
        raise SettingsError({"tags": "name at least one"})
    tags = wanted


def evaluate(database: Database) -> Verdict:
    """The verdict on one database. It must depend on nothing but the database and the settings."""
    tag = next((key for key in tags if database.tag(key) is not None), None)
    if tag is None:
        return Skip(f"no tag says the environment: {', '.join(tags)}")

    environment = ENVIRONMENTS.get(database.tag(tag).lower())
    if environment is None:
        return Skip(f"the tag {tag} says no environment that is known")

    return Enroll(labels={"environment": environment}, reason=f"the tag {tag} says {environment}")
