//! The crowd: connections that have said EHLO and then nothing, and newcomers while they sit there.
//!
//! In: where the server is. Out: the connections; how long newcomers took. Guarantees: every connection of the crowd was
//! greeted and answered; all are looked at again later, and a part of them must answer. Does not: hurry; connections come
//! in waves, as they do, and newcomers one after another.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::client::{Client, Tls};
use crate::failure::Failure;

/// Connections that are held.
#[derive(Debug)]
pub(super) struct Crowd(Vec<Client>);

impl Crowd {
    /// Opens `count` connections, `first` of which are there already.
    pub(super) fn gather(
        server: SocketAddr,
        tls: Option<&Tls>,
        first: usize,
        count: usize,
    ) -> Result<Self, Failure> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let begin = all.len();
            for index in begin..count.min(begin + WAVE_COUNT) {
                all.push(Client::connect(source(first + index), server, tls)?);
            }
            let wave = &mut all[begin..];
            // Each step for all of the wave, so that the server has them all at the same time.
            wave.iter_mut().try_for_each(|one| one.expect("220"))?;
            wave.iter_mut().try_for_each(|one| one.send(EHLO))?;
            wave.iter_mut().try_for_each(|one| one.expect("250"))?;
        }
        Ok(Self(all))
    }

    /// Fails unless every connection stands, and those asked answer.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        self.0.iter().try_for_each(Client::require_silence)?;
        let step = (self.0.len() / ASKED_COUNT).max(1);
        let asked = self.0.iter_mut().step_by(step);
        for client in asked {
            client.ask(b"NOOP\r\n", "250")?;
        }
        Ok(())
    }
}

/// How long newcomers took.
#[derive(Debug)]
pub(super) struct Newcomers(Vec<Duration>);

impl Newcomers {
    /// Lets `count` clients send a message each, one after another, to each of the servers in turn. The time is from before the connection to the reply
    /// to the message, over TLS with the handshake; QUIT is not in it.
    pub(super) fn serve(
        servers: &[SocketAddr],
        tls: Option<&Tls>,
        count: usize,
    ) -> Result<Self, Failure> {
        let mut waits = Vec::with_capacity(count);
        for server in servers.iter().cycle().take(count) {
            let begin = Instant::now();
            let mut client = Client::connect(NEWCOMER.into(), *server, tls)?;
            client.expect("220")?;
            client.ask(EHLO, "250")?;
            client.ask(b"MAIL FROM:<new@client.example>\r\n", "250")?;
            client.ask(b"RCPT TO:<someone@example.com>\r\n", "250")?;
            client.ask(b"DATA\r\n", "354")?;
            client.ask(MESSAGE, "250")?;
            waits.push(begin.elapsed());
            client.ask(b"QUIT\r\n", "221")?;
        }
        waits.sort_unstable();
        Ok(Self(waits))
    }

    /// The time that `part` of them, of a hundred, did not exceed.
    pub(super) fn percentile(&self, part: usize) -> Duration {
        let rank = (self.0.len() * part).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The longest.
    pub(super) fn most(&self) -> Duration {
        self.percentile(100)
    }
}

/// The address of a connection: an address has fewer ports than there are connections.
fn source(index: usize) -> IpAddr {
    let number = u32::try_from(index / CONNECTIONS_PER_ADDRESS_COUNT).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::from_bits(FIRST_SOURCE.to_bits() + number))
}

const EHLO: &[u8] = b"EHLO client.example\r\n";
const MESSAGE: &[u8] = b"Subject: a newcomer\r\n\r\nIs there room for one more?\r\n.\r\n";

/// Connections that come at the same time.
const WAVE_COUNT: usize = 64;

/// Connections of a crowd that must answer, about.
const ASKED_COUNT: usize = 1_000;

/// Where newcomers come from.
const NEWCOMER: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Where the crowd comes from, and the addresses behind it.
const FIRST_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Far below the number of ports that Linux gives away by default, 28,232: the search for a free one stays short.
const CONNECTIONS_PER_ADDRESS_COUNT: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::{CONNECTIONS_PER_ADDRESS_COUNT, Newcomers, source};

    #[test]
    fn addresses_are_used_up_in_turn() {
        assert_eq!(source(0), Ipv4Addr::new(127, 0, 0, 2));
        let first_of_next = source(CONNECTIONS_PER_ADDRESS_COUNT);
        assert_eq!(first_of_next, Ipv4Addr::new(127, 0, 0, 3));
    }

    #[test]
    fn percentiles_are_ranks() {
        let waits = (1..=200).map(Duration::from_millis).collect();
        let newcomers = Newcomers(waits);
        assert_eq!(newcomers.percentile(50), Duration::from_millis(100));
        assert_eq!(newcomers.percentile(99), Duration::from_millis(198));
        assert_eq!(newcomers.most(), Duration::from_millis(200));
        assert_eq!(Newcomers(Vec::new()).most(), Duration::ZERO);
    }
}
