//! The OpenAPI document, made of the table of routes and of the types that are serialised.
//!
//! OpenAPI 3.1 takes JSON Schema as it is, which is what `schemars` makes of the types, here as for the configuration
//! and the plan.

use std::sync::{Arc, LazyLock};

use axum::{extract::State, response::Response};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    Api,
    routes::{self, Parameter, Place, ROUTES, Route, Takes},
    typed,
};

/// The headings.
const TAGS: [(&str, &str); 6] = [
    ("health", "For probes and Prometheus."),
    ("about", "About this API."),
    ("discovery", "For those who look for databases."),
    (
        "service",
        "The service: its state, its configuration, its scans.",
    ),
    (
        "inventory",
        "Databases that were seen, and those that are enrolled.",
    ),
    ("changes", "What changed, and what waits for a person."),
];

/// The document as text.
pub(super) fn document(routes: &[Route]) -> String {
    let mut schemas = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let paths: Map<String, Value> = routes
        .iter()
        .map(|route| (route.path.to_owned(), path(route, &mut schemas)))
        .collect();
    let problem = routes::problem(&mut schemas);
    let tags = TAGS.map(|(name, about)| json!({ "name": name, "description": about }));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "muster",
            "version": super::health::API_VERSION.to_string(),
            "summary": "What a running muster knows. Everything can be read, and nothing be changed.",
            "description": "GET and HEAD only, on a loopback port. Fields may be added within a version; none is removed or changes its meaning. Times are RFC 3339 in UTC.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [],
        "tags": tags,
        "paths": paths,
        "components": {
            "responses": { "Problem": {
                "description": "Something is wrong with the request, or with the service (RFC 9457).",
                "content": { "application/problem+json": { "schema": problem } },
            } },
            "schemas": schemas.take_definitions(true),
        },
    });
    format!("{document:#}\n")
}

/// Answers with the document.
pub(super) async fn serve(State(_): State<Arc<Api>>) -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| document(ROUTES));
    typed("application/json", DOCUMENT.as_bytes())
}

fn path(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut answers = Map::new();
    for answer in route.answers {
        let schema = (answer.schema)(schemas);
        let entry = answers
            .entry(answer.status.to_string())
            .or_insert_with(|| json!({ "description": answer.about, "content": {} }));
        if let Some(content) = entry.get_mut("content").and_then(Value::as_object_mut) {
            content.insert(answer.content.to_owned(), json!({ "schema": schema }));
        }
    }
    answers.insert(
        "default".to_owned(),
        json!({ "$ref": "#/components/responses/Problem" }),
    );
    let mut get = json!({ "operationId": route.id, "tags": [route.tag], "summary": route.summary });
    if let Some(get) = get.as_object_mut() {
        if !route.about.is_empty() {
            get.insert("description".to_owned(), route.about.into());
        }
        if !route.parameters.is_empty() {
            let parameters: Vec<Value> = route.parameters.iter().map(parameter).collect();
            get.insert("parameters".to_owned(), parameters.into());
        }
        get.insert("responses".to_owned(), answers.into());
    }
    json!({ "get": get })
}

fn parameter(parameter: &Parameter) -> Value {
    let one = match parameter.takes {
        Takes::Text => json!({ "type": "string" }),
        Takes::Words(words) => json!({ "type": "string", "enum": words }),
        Takes::Number(min, max, usual) => {
            json!({ "type": "integer", "minimum": min, "maximum": max, "default": usual })
        }
        Takes::Nothing => json!({ "type": "string", "enum": [""] }),
    };
    let schema = if parameter.many {
        json!({ "type": "array", "items": one })
    } else {
        one
    };
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
    };
    let mut described = json!({
        "name": parameter.name,
        "in": place,
        "description": parameter.about,
        "required": parameter.place == Place::Path,
        "schema": schema,
    });
    if matches!(parameter.takes, Takes::Nothing)
        && let Some(described) = described.as_object_mut()
    {
        described.insert("allowEmptyValue".to_owned(), true.into());
    }
    described
}
