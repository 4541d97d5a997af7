//! From a line to a request, and from an answer to a line.

use super::error::{code, RpcError};
use super::request::{Reply, Request};
use serde::Serialize;
use serde_json::Value;

/// A request with what its answer needs.
#[derive(Debug)]
pub(super) struct Incoming {
    /// What the answer is told apart by; `None`: no answer is wanted.
    pub id: Option<Value>,
    /// The request, or what is wrong with it.
    pub request: Result<Request, RpcError>,
}

/// Reads one line. A line from which no identifier can be read is answered with `null` for one, as
/// JSON-RPC has it.
pub(super) fn read(line: &[u8]) -> Incoming {
    let refused = |error| Incoming {
        id: Some(Value::Null),
        request: Err(error),
    };
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => {
            return refused(RpcError::new(
                code::PARSE,
                format!("not JSON: {error}"),
                "send one JSON-RPC 2.0 request per line",
            ))
        }
    };
    let mut object = match value {
        Value::Object(object) => object,
        Value::Array(_) => {
            return refused(invalid(
                "batches are not taken",
                "send one request per line",
            ))
        }
        _ => return refused(invalid("not an object", EXAMPLE)),
    };
    let id = match object.remove("id") {
        id @ (None | Some(Value::Null | Value::String(_) | Value::Number(_))) => id,
        Some(_) => return refused(invalid("`id` is no text, number or null", EXAMPLE)),
    };
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Incoming {
            id: Some(id.unwrap_or_default()),
            request: Err(invalid("`jsonrpc` is not \"2.0\"", EXAMPLE)),
        };
    }
    let Some(Value::String(method)) = object.remove("method") else {
        return Incoming {
            id: Some(id.unwrap_or_default()),
            request: Err(invalid("`method` is missing or no text", EXAMPLE)),
        };
    };
    Incoming {
        request: Request::parse(&method, object.remove("params")),
        id,
    }
}

const EXAMPLE: &str = r#"a request is {"jsonrpc": "2.0", "id": 1, "method": "status"}"#;

fn invalid(message: &str, hint: &str) -> RpcError {
    RpcError::new(code::INVALID_REQUEST, message, hint)
}

/// The line of an answer, newline included.
pub(super) fn answer(id: &Value, outcome: &Result<Reply, RpcError>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Answer<'a> {
        jsonrpc: &'static str,
        id: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a Reply>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a RpcError>,
    }
    line(&Answer {
        jsonrpc: "2.0",
        id,
        result: outcome.as_ref().ok(),
        error: outcome.as_ref().err(),
    })
}

/// The line of a notification, newline included.
pub(super) fn notification(method: &str, params: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Notification<'a, T> {
        jsonrpc: &'static str,
        method: &'a str,
        params: &'a T,
    }
    line(&Notification {
        jsonrpc: "2.0",
        method,
        params,
    })
}

/// JSON in one line. Our types always serialise: they have no map with keys other than text.
fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}
