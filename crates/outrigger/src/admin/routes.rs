//! The routes of the admin API, declared once: the server is built and the OpenAPI document written from this list.

use serde_json::{Map, Value, json};

/// One route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// `get` or `post`.
    pub(crate) method: &'static str,
    /// Path below `/api/v1`.
    pub(crate) path: &'static str,
    /// What it does, in a line.
    pub(crate) summary: &'static str,
    /// Parameters of the query.
    pub(crate) query: &'static [&'static str],
    /// Fields of the JSON body.
    pub(crate) body: &'static [&'static str],
}

const fn get(path: &'static str, summary: &'static str, query: &'static [&'static str]) -> Route {
    Route { method: "get", path, summary, query, body: &[] }
}

const fn post(path: &'static str, summary: &'static str, body: &'static [&'static str]) -> Route {
    Route { method: "post", path, summary, query: &[], body }
}

/// Every route of a node.
pub(crate) const ROUTES: &[Route] = &[
    get("/health", "200 while the process is alive", &[]),
    get("/ready", "200 while stores are accepted, even with all members down; else 503", &[]),
    get("/metrics", "metrics in the Prometheus text format", &[]),
    get("/status", "members, breakers, backlog, journal and peers", &[]),
    get("/balance", "the trial balance", &["by"]),
    get("/why", "where each object of a study, series or instance is", &["uid", "accession", "issuer"]),
    get("/suspense", "what a person must look at", &["member", "reason"]),
    get("/suspense/item", "one posting that stands in suspense, or was written off", &["id"]),
    get("/suspense/refused", "objects refused at the front door", &[]),
    post("/suspense/retry", "tries postings in suspense again", &["ids", "member", "reason"]),
    post(
        "/suspense/write-off",
        "gives postings in suspense up",
        &["ids", "member", "reason_code", "by", "reason"],
    ),
    get("/findings", "facts the system noticed and nobody closed", &[]),
    get("/members", "the members", &[]),
    post("/members/hold", "stops delivery to a member", &["member"]),
    post("/members/resume", "goes on with delivery to a member", &["member"]),
    post("/members/retire", "takes a member out of the books", &["member"]),
    get("/queries", "the last queries, and who answered them", &[]),
    post("/resend", "posts a study, or everything since a time, again", &["study", "since_us", "to"]),
    post("/expedite", "puts a study before everything", &["study"]),
    get(
        "/scrub",
        "how scrubs go; with a number the answer waits a second for the end of that one",
        &["number"],
    ),
    post("/scrub", "reads journal and ledger again and gives the number of that scrub", &[]),
    post("/reload", "reads the configuration again", &[]),
    get("/openapi.json", "this document", &[]),
];

/// The OpenAPI 3.1 document.
pub(crate) fn openapi() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let entry = paths.entry(format!("/api/v1{}", route.path)).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(route.method.to_owned(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Outrigger admin API", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
    })
}

fn operation(route: &Route) -> Value {
    let parameter = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let mut operation = json!({
        "summary": route.summary,
        "parameters": route.query.iter().map(parameter).collect::<Vec<_>>(),
        "responses": {
            "200": {"description": "done"},
            "400": {"description": "the question makes no sense; `error` says why"},
            "503": {"description": "not now; `error` says why"},
        },
    });
    if !route.body.is_empty() {
        let fields: Map<String, Value> =
            route.body.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        let schema = json!({"type": "object", "properties": fields, "additionalProperties": false});
        if let Some(object) = operation.as_object_mut() {
            object.insert(
                "requestBody".to_owned(),
                json!({"content": {"application/json": {"schema": schema}}}),
            );
        }
    }
    operation
}
