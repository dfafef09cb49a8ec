//! The PROXY header in front of a session: from whom the connection really comes.
//!
//! In: the first octets of a connection of a profile with balancers. Out: the connection with its client's address,
//! counted for that client; what follows the header stays in the receive buffer, for TLS or for the session, whichever
//! comes next.
//! Guarantees: nothing has been sent before; the whole header comes within one deadline; whatever is no header ends the
//! connection without a word. Does not: know formats (`proxy_protocol`), or check the balancer's own address, which the
//! listener has done.
//!
//! HAProxy's "The PROXY protocol", §2.

use super::transport::ConnectionError;
use super::watch::{Activity, Interrupt};
use super::{Connection, client_facts};
use crate::log::Level;
use crate::proxy_protocol::{self, Header};

/// Receives the header, if the profile asks for one, and takes over what it says.
pub(super) async fn receive(connection: &mut Connection) -> Result<(), ConnectionError> {
    let profile = connection.profile();
    if profile.proxy_protocol_from.is_empty() {
        return Ok(());
    }
    let due_ms = connection.due_ms(profile.limits.proxy_header_timeout_ms);
    let header = loop {
        let buffer = &mut connection.receive_buffer;
        match proxy_protocol::parse(buffer.octets()) {
            Ok(Some((header, octets))) => {
                buffer.consume(octets);
                break header;
            }
            Ok(None) => {}
            Err(error) => return Err(ConnectionError::ProxyHeader(error.reason())),
        }
        let received = connection
            .transport
            .receive(buffer, Activity::Idle, due_ms)
            .await;
        match received {
            Err(ConnectionError::Interrupted(Interrupt::TimedOut)) => {
                return Err(ConnectionError::ProxyHeader("PROXY header late"));
            }
            received => received?,
        }
    };
    connection.take_over(header)
}

impl Connection {
    fn take_over(&mut self, header: Header) -> Result<(), ConnectionError> {
        let balancer = self.client;
        if let Header::Proxied { client, server } = header {
            self.client = client;
            self.server = Some(server);
            let facts = client_facts(self.profile(), client.ip());
            self.session.set_client(facts);
        }
        let line = self.line(Level::Connection, "proxied");
        drop(line.map(|line| line.word("balancer", balancer)));
        self.count_for_client()
    }
}
