//! Addresses of next hops, looked up where it may take its time.
//!
//! In: names of the configuration. Out: [`Addresses`], which shards read when they open a connection. Guarantees: no
//! shard waits for a lookup: the names are looked up before the shards start, and every minute by a thread of their own;
//! a lookup that fails leaves the addresses as they were. Does not: know MX records, a next hop is a host.
//!
//! See `mailbox.rs` for the other places where threads meet.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::limits;
use crate::profile::NextHopHost;

/// Where a next hop can be reached, now.
#[derive(Clone, Debug)]
pub(in crate::delivery) enum Addresses {
    /// At an address of the configuration.
    Fixed(SocketAddr),
    /// At those a name has.
    Named(Arc<Named>),
    /// On a socket of this machine.
    Socket(Arc<Path>),
}

/// A name and its addresses as of the last lookup.
#[derive(Debug)]
pub(in crate::delivery) struct Named {
    name: String,
    port: u16,
    found: Mutex<Arc<[SocketAddr]>>,
}

/// The thread that looks names up again.
#[derive(Debug)]
pub(in crate::delivery) struct Resolver {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// The addresses of a host of the configuration; a name is not looked up yet.
pub(in crate::delivery) fn addresses(host: &NextHopHost) -> Addresses {
    match host {
        NextHopHost::Address(address) => Addresses::Fixed(*address),
        NextHopHost::Name { name, port } => Addresses::Named(Arc::new(Named {
            name: name.clone(),
            port: *port,
            found: Mutex::new(Arc::new([])),
        })),
        NextHopHost::Socket(path) => Addresses::Socket(Arc::from(path.as_path())),
    }
}

/// Looks all names up, then starts the thread that does so again and again; none if there are no names.
///
/// # Errors
///
/// No thread can be started.
pub(in crate::delivery) fn start<'a>(
    all: impl Iterator<Item = &'a Addresses>,
) -> io::Result<Option<Resolver>> {
    let named: Vec<Arc<Named>> = all
        .filter_map(|addresses| match addresses {
            Addresses::Named(named) => Some(Arc::clone(named)),
            Addresses::Fixed(_) | Addresses::Socket(_) => None,
        })
        .collect();
    if named.is_empty() {
        return Ok(None);
    }
    named.iter().for_each(|named| named.look_up());
    let (stop, stopped) = channel();
    let thread = std::thread::Builder::new()
        .name("postern-resolver".into())
        .spawn(move || {
            let pause = Duration::from_millis(limits::NEXT_HOP_RESOLVE_EVERY_MS);
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                named.iter().for_each(|named| named.look_up());
            }
        })?;
    Ok(Some(Resolver { stop, thread }))
}

impl Resolver {
    /// Has the thread end after the lookup it is at.
    pub(in crate::delivery) fn into_thread(self) -> JoinHandle<()> {
        drop(self.stop);
        self.thread
    }
}

impl Named {
    fn look_up(&self) {
        if let Ok(found) = (self.name.as_str(), self.port).to_socket_addrs() {
            let found: Arc<[SocketAddr]> =
                found.take(limits::NEXT_HOP_ADDRESSES_COUNT_MAX).collect();
            if !found.is_empty() {
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
            }
        }
    }

    /// The addresses of the last lookup that found any.
    pub(super) fn found(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::{Addresses, addresses, start};
    use crate::profile::NextHopHost;

    #[test]
    fn names_have_addresses_once_it_has_started() {
        let host = |name: &str| NextHopHost::Name {
            name: name.to_owned(),
            port: 25,
        };
        let all = [addresses(&host("localhost")), addresses(&host("-.invalid"))];
        let resolver = start(all.iter()).expect("threads are left");
        let found = all.each_ref().map(|addresses| match addresses {
            Addresses::Named(named) => named.found(),
            Addresses::Fixed(_) | Addresses::Socket(_) => panic!("it is a name"),
        });
        assert!(found[0].iter().any(|address| address.ip().is_loopback()));
        assert!(found[0].iter().all(|address| address.port() == 25));
        assert!(found[1].is_empty(), "nothing is called so");
        let thread = resolver.expect("there are names").into_thread();
        thread.join().expect("it ends when told to");
    }
}
