//! How AAA does, as the task last told.

use super::client::ServerView;
use parking_lot::Mutex;
use std::sync::Arc;

/// How AAA does.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// The servers that are asked, in their order.
    pub access: Vec<ServerView>,
    /// The servers that records go to, in their order.
    pub accounting: Vec<ServerView>,
    /// Questions that are open, and that wait.
    pub questions: (usize, usize),
    /// Records on their way, and those that wait for others of their session or for a server.
    pub records: (usize, usize),
}

/// The same, shared between the task and the control loop.
#[derive(Clone, Debug, Default)]
pub(super) struct Status(Arc<Mutex<View>>);

impl Status {
    /// Replaces it.
    pub(super) fn set(&self, view: View) {
        *self.0.lock() = view;
    }

    /// As it is now.
    pub(super) fn get(&self) -> View {
        self.0.lock().clone()
    }
}
