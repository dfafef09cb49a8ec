//! A trusted client speaks for another one: what XCLIENT has said reaches the connection.
//!
//! In: the facts that the session holds. Out: a connection that treats the other client as if it had connected itself: it
//! is counted for its address, logged under it, and the script of the hook `connect` is asked again, about the new
//! address and without what the former client left in `$context`.
//! Guarantees: over a limit of the new address the connection is answered 421 and closed. Does not: read attributes.
//!
//! Postfix, XCLIENT_README: the reply is 220, as after connecting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Connection;
use super::script::{self, Verdict};
use super::transport::ConnectionError;
use crate::log::Level;
use crate::smtp::session::Forwarded;

/// Takes the new client over and greets it, unless a script refuses it.
pub(super) async fn greet_anew(connection: &mut Connection) -> Result<Verdict, ConnectionError> {
    if let Some(forwarded) = connection.session.forwarded().cloned() {
        connection.take_over_forwarded(&forwarded);
    }
    connection.abandon_chunks().await;
    connection.end_transaction();
    connection.context = None;
    connection.count_for_client()?;
    let verdict = script::connect(connection).await?;
    if let Verdict::Greet(text) = &verdict {
        let (session, replies) = (&mut connection.session, &mut connection.replies);
        session.greeting(text.as_deref(), replies);
        connection.send_replies().await?;
    }
    Ok(verdict)
}

/// The ends of a connection before XCLIENT named others.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormerEnds {
    client: SocketAddr,
    server: Option<SocketAddr>,
}

impl Connection {
    fn take_over_forwarded(&mut self, forwarded: &Forwarded) {
        let by = self.client;
        let ends = FormerEnds {
            client: self.client,
            server: self.server_address(),
        };
        // What is not told is as it was before any XCLIENT, and not as an earlier one told it of another client.
        let ends = **self.former_ends.get_or_insert_with(|| Box::new(ends));
        self.client = forwarded.client(ends.client);
        self.rename(self.client.ip());
        self.server = ends.server;
        if forwarded.server_address.is_some() || forwarded.server_port.is_some() {
            let server = ends.server.unwrap_or(UNKNOWN_SERVER);
            self.server = Some(SocketAddr::new(
                forwarded.server_address.unwrap_or(server.ip()),
                forwarded.server_port.unwrap_or(server.port()),
            ));
        }
        if let Some(mut line) = self.line(Level::Connection, "forwarded") {
            line = line.word("by", by);
            if let Some(name) = &forwarded.name {
                line = line.octets("name", name);
            }
            if let Some(login) = &forwarded.login {
                line = line.octets("login", login);
            }
            drop(line);
        }
    }
}

impl Forwarded {
    /// The client that is meant, on a connection of the client `by`.
    fn client(&self, by: SocketAddr) -> SocketAddr {
        match self.address {
            None => SocketAddr::new(by.ip(), self.port.unwrap_or(by.port())),
            // The port of one address says nothing of another.
            Some(address) => SocketAddr::new(address, self.port.unwrap_or(0)),
        }
    }
}

/// Stands for an end that the kernel did not tell.
const UNKNOWN_SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
