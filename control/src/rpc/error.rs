//! Errors as JSON-RPC has them.

use serde::{Deserialize, Serialize};

/// Error codes: those of JSON-RPC 2.0, and ours from -32000 down.
pub mod code {
    /// The line is not JSON.
    pub const PARSE: i32 = -32700;
    /// The JSON is not a request.
    pub const INVALID_REQUEST: i32 = -32600;
    /// There is no such method.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// The parameters are not those of the method.
    pub const INVALID_PARAMS: i32 = -32602;
    /// The gateway failed.
    pub const INTERNAL: i32 = -32603;
    /// The request was understood and refused.
    pub const REFUSED: i32 = -32000;
    /// What the request names is not there.
    pub const NOT_FOUND: i32 = -32001;
    /// The gateway's role has no such thing.
    pub const WRONG_ROLE: i32 = -32002;
    /// The gateway is too busy, or going down.
    pub const UNAVAILABLE: i32 = -32003;
}

/// An error reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// One of [`code`].
    pub code: i32,
    /// What was wrong.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// What an error reply says beside its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// What to do next.
    pub hint: String,
}

impl RpcError {
    /// An error of that code: what was wrong, and what to do next.
    pub fn new(code: i32, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: Some(ErrorData { hint: hint.into() }),
        }
    }

    /// What the request names is not there.
    pub fn not_found(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(code::NOT_FOUND, message, hint)
    }

    /// The gateway's role has no such thing.
    pub fn wrong_role(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(code::WRONG_ROLE, message, hint)
    }

    /// The request was understood and refused.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(code::REFUSED, message, hint)
    }

    /// The gateway is too busy, or going down.
    pub fn unavailable(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(code::UNAVAILABLE, message, hint)
    }

    /// What to do next, if the error says.
    pub fn hint(&self) -> Option<&str> {
        self.data.as_ref().map(|data| data.hint.as_str())
    }
}
