//! No descriptor is left: the server neither spins nor stays deaf.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit};

use super::server::{MAILDIR, Server, configuration, visible};

#[test]
fn an_accept_storm_without_descriptors_costs_little_and_passes() {
    // Without the watermark, which would not let it come this far.
    let text = visible(configuration(MAILDIR, ""));
    let text = text.replace(
        "[engine]",
        "[engine]
descriptors_free_min = 0",
    );
    let server = Server::start(&text);
    let process = i32::try_from(server.process()).expect("process numbers are small");
    let open = fs::read_dir(format!("/proc/{process}/fd"))
        .expect("it is our child")
        .count();
    let limit = Rlimit {
        current: Some(open as u64 + 8),
        maximum: Some(4_096),
    };
    rustix::process::prlimit(Pid::from_raw(process), Resource::Nofile, limit)
        .expect("it is our child");

    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    let mut greeted_count = 0;
    let mut refused_count = 0;
    for client in &mut clients {
        match client.try_line().expect("each is answered in time") {
            Some(line) if line.starts_with("220 ") => greeted_count += 1,
            Some(line) => {
                assert!(line.starts_with("421 4.7.0 "), "{line}");
                refused_count += 1;
            }
            None => panic!("a client was closed without a word"),
        }
    }
    assert!(
        0 < greeted_count && 0 < refused_count,
        "{greeted_count} and {refused_count}"
    );

    // A further connection is waited for as long as the refused ones took, while nothing else happens: a loop that
    // spins would use the processor all the time.
    let before = processor_ticks(process);
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        let mut client = server.connect();
        let line = client
            .try_line()
            .expect("it is answered in time")
            .expect("it is answered");
        assert!(line.starts_with("421 "), "{line}");
    }
    let ticks = processor_ticks(process) - before;
    let waited_ticks =
        begin.elapsed().as_secs() * 100 + u64::from(begin.elapsed().subsec_millis()) / 10;
    assert!(
        ticks <= 5 + waited_ticks / 2,
        "{ticks} ticks of work in {waited_ticks}"
    );

    drop(clients);
    // Descriptors come back as the server notices; each try is answered, one of them with the greeting.
    let greeted = (0..1_000).any(|_| {
        let mut client = server.connect();
        let line = client
            .try_line()
            .expect("it is answered in time")
            .unwrap_or_default();
        line.starts_with("220 ")
    });
    assert!(greeted, "the server has recovered");
    assert!(server.log().contains("event=accept_failed"));
}

/// Processor time of a process, in hundredths of a second.
fn processor_ticks(process: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it is our child");
    let after_name = stat
        .rsplit(") ")
        .next()
        .expect("the name is in parentheses");
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |index: usize| fields[index].parse::<u64>().expect("it is a number");
    ticks(11) + ticks(12)
}
