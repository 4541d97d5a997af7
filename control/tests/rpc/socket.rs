//! The socket in the file system.

use super::{answer, Limits, Served};
use control::rpc::{Call, Notices, Server};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use tokio::sync::mpsc;

fn start(path: &Path, group: Option<&str>) -> std::io::Result<Server> {
    let (calls, mut received) = mpsc::channel::<Call>(1);
    tokio::spawn(async move {
        while let Some(call) = received.recv().await {
            let _ = call.answer.send(answer(call.request));
        }
    });
    Server::start(path, group, Limits::default(), calls, Notices::new())
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_group_alone() {
    let served = Served::start(Limits::default());
    let file = std::fs::metadata(served.socket()).expect("there");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o7777, 0o660);
}

#[tokio::test]
async fn the_socket_belongs_to_the_group_that_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = std::fs::metadata(directory.path()).expect("there").gid();
    let path = directory.path().join("control.sock");
    let _server = start(&path, Some(&own.to_string())).expect("its own group is always allowed");
    assert_eq!(std::fs::metadata(&path).expect("there").gid(), own);
    let other = directory.path().join("other.sock");
    let error = start(&other, Some("no-such-group")).expect_err("there is no such group");
    assert!(
        error
            .to_string()
            .contains("there is no group `no-such-group`"),
        "{error}"
    );
    assert!(!other.exists());
}

#[tokio::test]
async fn the_socket_goes_with_its_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("deep/down/control.sock");
    let server = start(&path, None).expect("directories are made");
    assert!(path.exists());
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_that_somebody_else_made_since_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("control.sock");
    let server = start(&path, None).expect("started");
    std::fs::remove_file(&path).expect("removed");
    // The inode of the removed socket must not be given to the new one for the test to tell.
    let _other = UnixListener::bind(directory.path().join("in-between")).expect("bound");
    let _successor = UnixListener::bind(&path).expect("bound");
    drop(server);
    assert!(path.exists());
}

#[tokio::test]
async fn a_socket_that_nobody_answers_is_taken_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("control.sock");
    drop(UnixListener::bind(&path).expect("bound"));
    assert!(path.exists(), "a listener that dies leaves its socket");
    let _server = start(&path, None).expect("taken over");
    let mut client = super::Client::connect(&path).await;
    let reply = client
        .ask(r#"{"jsonrpc":"2.0","id":1,"method":"status"}"#)
        .await;
    assert_eq!(reply["result"]["name"], "mag1");
}

#[tokio::test]
async fn a_socket_of_a_living_gateway_is_not_taken() {
    let served = Served::start(Limits::default());
    let error = start(&served.socket(), None).expect_err("it is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(
        error.to_string().contains("another anchord answers"),
        "{error}"
    );
    let reply = served
        .connect()
        .await
        .ask(r#"{"jsonrpc":"2.0","id":1,"method":"status"}"#)
        .await;
    assert_eq!(reply["id"], 1);
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_not_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("precious");
    std::fs::write(&path, "data").expect("written");
    let error = start(&path, None).expect_err("it is a file");
    assert!(error.to_string().contains("is not a socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("still there"), "data");
}
