//! A dashboard for Grafana, for the metrics of [`crate::metrics`].
//!
//! It asks for the data source, the job and the instances when it is looked at, so that it fits everywhere as it is.

mod panels;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::panels::{Form, Panel, ROWS};

/// What the dashboard's variables select.
const SELECTED: &str = "job=~\"$job\", instance=~\"$instance\"";
/// Of one panel.
const HEIGHT: u64 = 8;
const COLUMNS: u64 = 24;

/// The dashboard, for the import of Grafana 9 and later.
pub fn dashboard() -> Value {
    let mut panels = Vec::new();
    let mut y = 0;
    for (title, row) in ROWS {
        panels.push(json!({
            "id": panels.len() + 1,
            "type": "row",
            "title": title,
            "collapsed": false,
            "gridPos": { "h": 1, "w": COLUMNS, "x": 0, "y": y },
            "panels": [],
        }));
        y += 1;
        let mut x = 0;
        for each in *row {
            if x + each.width > COLUMNS {
                x = 0;
                y += HEIGHT;
            }
            panels.push(panel(each, panels.len() + 1, x, y));
            x += each.width;
        }
        y += HEIGHT;
    }
    json!({
        "title": "muster",
        "uid": "muster",
        "description": "Databases that are found, decided upon and enrolled. The metrics are described in docs/metrics.md.",
        "tags": ["muster"],
        "schemaVersion": 38,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": { "from": "now-24h", "to": "now" },
        "timezone": "browser",
        "templating": { "list": [
            { "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus" },
            variable("job", "Job", "label_values(muster_build_info, job)"),
            variable("instance", "Instance", "label_values(muster_build_info{job=~\"$job\"}, instance)"),
        ] },
        "panels": panels,
    })
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name,
        "label": label,
        "type": "query",
        "datasource": source(),
        "query": { "query": query, "refId": name },
        "refresh": 2,
        "sort": 1,
        "multi": true,
        "includeAll": true,
        "current": { "text": ["All"], "value": ["$__all"] },
    })
}

fn panel(panel: &Panel, id: usize, x: u64, y: u64) -> Value {
    let (kind, options, custom) = match panel.form {
        Form::Number | Form::Trouble => (
            "stat",
            json!({
                "colorMode": if panel.form == Form::Trouble { "background" } else { "none" },
                "graphMode": "area",
                "reduceOptions": { "calcs": ["lastNotNull"] },
                "textMode": if panel.title == "State" { "name" } else { "value" },
            }),
            json!({}),
        ),
        Form::Lines | Form::Areas => (
            "timeseries",
            json!({
                "legend": { "displayMode": "list", "placement": "bottom" },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            match panel.form {
                Form::Areas => {
                    json!({ "fillOpacity": 30, "stacking": { "mode": "normal", "group": "A" } })
                }
                _ => json!({ "fillOpacity": 0 }),
            },
        ),
    };
    let steps = match panel.form {
        Form::Trouble => json!([
            { "color": "green", "value": null },
            { "color": "red", "value": 1 },
        ]),
        _ => json!([{ "color": "green", "value": null }]),
    };
    let targets = panel.queries.iter().enumerate();
    let targets: Vec<Value> = targets
        .map(|(index, (expr, legend))| {
            json!({
                "refId": format!("Q{index}"),
                "datasource": source(),
                "expr": expr.replace("SELECT", SELECTED),
                "legendFormat": legend,
                "range": true,
            })
        })
        .collect();
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": source(),
        "gridPos": { "h": HEIGHT, "w": panel.width, "x": x, "y": y },
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": custom,
                "thresholds": { "mode": "absolute", "steps": steps },
            },
            "overrides": [],
        },
        "options": options,
        "targets": targets,
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}
