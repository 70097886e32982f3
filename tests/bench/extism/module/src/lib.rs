//! The logic of the benchmark, for Extism.

#[path = "../../src/wire.rs"]
#[allow(dead_code)]
mod wire;

use extism_pdk::{FnResult, Json, Msgpack, plugin_fn};
use wire::Verdict;

type Database = wire::Database<String>;

fn judge(database: &Database) -> Verdict {
    let label = |key| database.labels.get(key).map(String::as_str);
    match label("env") {
        Some("prod" | "production") => Verdict::Enroll {
            name: None,
            labels: vec![
                ("env".to_owned(), "prod".to_owned()),
                (
                    "owner".to_owned(),
                    label("team").unwrap_or("none").to_owned(),
                ),
                ("tier".to_owned(), "gold".to_owned()),
            ],
            hints: Vec::new(),
            reason: "env is prod".to_owned(),
        },
        env => Verdict::Skip(format!("env is `{}`", env.unwrap_or_default())),
    }
}

#[plugin_fn]
pub fn judge_json(Json(databases): Json<Vec<Database>>) -> FnResult<Json<Vec<Verdict>>> {
    Ok(Json(databases.iter().map(judge).collect()))
}

#[plugin_fn]
pub fn judge_msgpack(
    Msgpack(databases): Msgpack<Vec<Database>>,
) -> FnResult<Msgpack<Vec<Verdict>>> {
    Ok(Msgpack(databases.iter().map(judge).collect()))
}
