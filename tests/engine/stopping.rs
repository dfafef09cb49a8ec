//! SIGTERM: no new connections, idle sessions told, transactions finished, status 0.

use std::net::TcpStream;

use rustix::process::Signal;

use super::server::{MAILDIR, Server, configuration, content};

#[test]
fn a_signal_drains() {
    let text = configuration(MAILDIR, "").replace("cores = \"1\"", "cores = \"all\"");
    let mut server = Server::start(&text);
    let mut idle: Vec<_> = (0..50).map(|_| server.greeted()).collect();
    let mut running = server.greeted();
    running.begin_data();
    running.send(b"half of it, ");
    server.signal(Signal::TERM);
    for client in &mut idle {
        client.expect("421 4.3.2 ");
        client.expect_close();
    }
    assert!(
        TcpStream::connect(server.address()).is_err(),
        "no new connections"
    );
    running.send(b"and the rest\r\n.\r\n");
    running.expect("250 2.0.0 ");
    running.expect("421 4.3.2 ");
    running.expect_close();
    assert!(server.wait().success());
    assert_eq!(
        content(&server.messages()[0]),
        b"half of it, and the rest\r\n"
    );
    assert!(server.log().contains("event=stopped"));
}

#[test]
fn an_interrupt_drains_too() {
    let mut server = Server::start(&configuration(MAILDIR, ""));
    server.signal(Signal::INT);
    assert!(server.wait().success());
}

#[test]
fn a_second_signal_does_not_wait() {
    let mut server = Server::start(&configuration(MAILDIR, ""));
    let mut idle = server.greeted();
    let mut running = server.greeted();
    running.begin_data();
    server.signal(Signal::TERM);
    // The first signal has been taken.
    idle.expect("421 4.3.2 ");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
}
