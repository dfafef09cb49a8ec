//! Wrong configurations: every error at once, exit status 2, nothing listens and nothing is made.

use super::server::{ENGINE, Server, command, configuration, directory};

/// Runs `postern serve` with a configuration that must be refused; what it prints.
pub(super) fn refused(configuration: &str) -> String {
    let directory = directory();
    let output = command(&directory, configuration)
        .output()
        .expect("the command was built");
    let said = String::from_utf8(output.stderr).expect("it is text");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty(), "nothing is ready");
    assert!(!directory.join("mail").exists(), "nothing is made");
    std::fs::remove_dir_all(directory).expect("it is ours");
    said
}

#[test]
fn every_error_is_reported_with_its_place() {
    let said = refused(
        "[engine]\ncores = \"two\"\nhostnam = \"mx\"\n[[server]]\nid = \"a\"\nlisten = [\"localhost\"]\n\
         tls = \"starttls\"\ndestination = \"maildir:mail\"\n[server.limits]\nmessage_octet_max = 1\n\
         errors_per_connection_max = 0\n",
    );
    assert_eq!(
        said,
        "\
error: cores = \"two\" cannot be used
 --> postern.toml:2:9
  |
2 | cores = \"two\"
  |         ^^^^^ write all, a count (4) or a list (0-3,8)
error: unknown key `hostnam` in [engine]
 --> postern.toml:3:1
  |
3 | hostnam = \"mx\"
  | ^^^^^^^ did you mean `hostname`?
error: `localhost` is not an address with a port
 --> postern.toml:6:11
  |
6 | listen = [\"localhost\"]
  |           ^^^^^^^^^^^ as in 192.0.2.1:25 or [::]:25
error: TLS needs `certificate`
 --> postern.toml:7:7
  |
7 | tls = \"starttls\"
  |       ^^^^^^^^^^ certificate = \"ID\", the `id` of a [[certificate]]
error: unknown key `message_octet_max` in [server.limits]
  --> postern.toml:10:1
   |
10 | message_octet_max = 1
   | ^^^^^^^^^^^^^^^^^ did you mean `message_octets_max`?
error: `errors_per_connection_max` = 0 is out of range
  --> postern.toml:11:29
   |
11 | errors_per_connection_max = 0
   |                             ^ 1-1000000000, default 20
"
    );
}

#[test]
fn broken_syntax_is_shown_with_a_caret() {
    let said = refused("[engine]\ncores = \"1\n");
    assert!(said.contains("--> postern.toml:2:"), "{said}");
    assert!(said.contains("2 | cores = \"1"), "{said}");
}

#[test]
fn features_to_come_are_refused_when_they_would_matter() {
    for (line, word) in [
        ("destination = \"journal:j\"", "journal:j"),
        ("destination = \"spool\"", "spool"),
    ] {
        let said = refused(&format!(
            "{ENGINE}[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\n{line}\n"
        ));
        assert!(
            said.contains(word) && said.contains("not supported yet"),
            "{said}"
        );
    }
}

#[test]
fn a_next_hop_is_named_as_it_must() {
    for (line, word) in [
        (
            "destination = \"smtp:127.0.0.1:25\"",
            "names no host and port",
        ),
        (
            "destination = \"smtp://127.0.0.1\"",
            "names no host and port",
        ),
        ("destination = \"lmtp://[::1]\"", "names no host and port"),
        ("destination = \"lmtp:unix:\"", "needs a path"),
        ("destination = \"discard\"\n[server.next_hop]", "no use for"),
        (
            "destination = \"smtp://[::1]:25\"\n[server.next_hop]\ntls = \"on\"",
            "no value of `tls`",
        ),
        (
            "destination = \"smtp://a.example:25\"\n[server.next_hop]\nidle_timeout_ms = 1",
            "out of range",
        ),
        (
            "destination = \"smtp://a.example:25\"\n[server.next_hop]\nconnection_max = 1",
            "did you mean `connections_max`",
        ),
    ] {
        let said = refused(&format!(
            "{ENGINE}[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\n{line}\n"
        ));
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn an_address_belongs_to_one_server() {
    let server = |id: &str, listen: &str| {
        format!(
            "[[server]]\nid = \"{id}\"\nlisten = [{listen}]\naccept_domains = [\"*\"]\n\
             destination = \"discard\"\n"
        )
    };
    let twin = "\"127.0.0.1:2526\"";
    let said = refused(&format!(
        "{ENGINE}{}{}",
        server("a", twin),
        server("b", twin)
    ));
    let expected = "error: `a` and `b` both listen on 127.0.0.1:2526\n --> ";
    assert!(said.contains(expected), "{said}");
    let said = refused(&format!(
        "{ENGINE}{}",
        server("a", &format!("{twin}, {twin}"))
    ));
    let expected = "error: `a` listens on 127.0.0.1:2526 twice\n --> ";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let directory = directory();
    super::channel::certificate(&["mx.example.org"]).write(&directory, "main");
    let lines = "destination = \"discard\"\ncertificate = \"main\"\nusers = { ann = \"tanstaaf\" }";
    let named = super::tls::named("main");
    let text = format!("{}{named}", configuration(lines, ""));
    let server = Server::start_in(directory, &text);
    let log = server.log();
    for expected in [
        "warning: `certificate` is of no use without `tls`\n",
        "warning: there are users, and AUTH is not offered to them\n",
        "warning: the secret of `ann` is plain\n",
        " | users = { ann = ********** }\n",
    ] {
        assert!(log.contains(expected), "{expected} in {log}");
    }
    assert!(!log.contains("tanstaaf"), "{log}");
    let nobody = "[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\ndestination = \"discard\"\n";
    let log = Server::start(&format!("{ENGINE}{nobody}")).log();
    let expected = "warning: `a` takes mail for nobody but postmaster\n";
    assert!(log.contains(expected), "{log}");
}

#[test]
fn what_the_machine_lacks_is_said_in_plain_words() {
    let said = refused(
        "[engine]\ncores = \"100000\"\n[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\n\
         accept_domains = [\"*\"]\ndestination = \"discard\"\n",
    );
    assert!(
        said.starts_with("error: cores = 100000: the process may use "),
        "{said}"
    );
}

#[test]
fn servers_and_certificates_are_told_apart() {
    let said = refused(&format!(
        "{ENGINE}[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"main\"\n\
         [[server]]\nid = \"a\"\nlisten = []\n"
    ));
    for sentence in [
        "no [[certificate]] is called `main`",
        "two servers are called `a`",
        "`listen` names no address",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn confinement_is_one_of_three() {
    let text = ENGINE.replace("[engine]", "[engine]\nconfine = \"perhaps\"");
    let said = refused(&format!(
        "{text}[[server]]\nid = \"a\"\nlisten = [\"127.0.0.1:0\"]\n"
    ));
    assert!(
        said.contains("`perhaps` is no value of `confine`"),
        "{said}"
    );
    assert!(said.contains("\"auto\", \"off\" or \"required\""), "{said}");
}

#[test]
fn every_example_loads() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut loaded_count = 0;
    for example in std::fs::read_dir(folder).expect("there are examples") {
        let path = example.expect("it is readable").path().join("postern.toml");
        let loaded = postern::profile::load_file(&path, postern::profile::Overrides::default());
        let configuration = loaded.unwrap_or_else(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", errors.join("\n"))
        });
        assert!(!configuration.profiles.is_empty());
        loaded_count += 1;
    }
    assert!(0 < loaded_count);
}
