//! What scripts see of TLS and of the certificate that a client shows: `GetTLS()` and `$connection["tls"]`.

use data_encoding::{BASE64, HEXLOWER};
use md5::{Digest as _, Md5};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SerialNumber};
use rustix::process::Signal;
use rustls::HandshakeKind;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::channel::{Pem, Tls, certificate};
use super::server::{Client, MAILDIR, Server, configuration, directory};
use super::tls::{IMPLICIT, der, named};

/// A server that asks for certificates, with scripts of these hooks.
fn scripted(scripts: &[(&str, &str)]) -> Server {
    let directory = directory();
    certificate(&["mx.example.org"]).write(&directory, "main");
    let mut keys = format!(
        "{MAILDIR}\ncertificate = \"main\"\n{IMPLICIT}\nclient_certificates = \"request\"\n\
         [server.scripts]\n"
    );
    for (hook, text) in scripts {
        std::fs::write(directory.join(format!("{hook}.hsl")), text).expect("it is writable");
        keys.push_str(&format!("{hook} = \"{hook}.hsl\"\n"));
    }
    let text = format!("{}{}", configuration(&keys, ""), named("main"));
    Server::start_in(directory, &text)
}

/// A client that has shaken hands and was greeted.
fn connected(server: &Server, tls: &Tls) -> Client {
    let client = Client::connect(server.address()).upgrade(tls);
    let mut client = client.expect("they shake hands");
    client.expect("220 ");
    client
}

/// A certificate with two organizational units, several names and a serial number.
fn detailed() -> Pem {
    let key = KeyPair::generate().expect("a key");
    let names = ["Client.Example", "192.0.2.1", "*.client.example"];
    let mut params = CertificateParams::new(names.map(str::to_owned)).expect("they are names");
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 1, 1);
    params.serial_number = Some(SerialNumber::from_slice(b"\x00\x8b\x01"));
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in [
        (DnType::CountryName, "SE"),
        (DnType::OrganizationalUnitName, "one"),
        (DnType::CommonName, "a client"),
        (DnType::CustomDnType(vec![2, 5, 4, 0x7f]), "two"),
    ] {
        params.distinguished_name.push(kind, value);
    }
    let mut der = params
        .self_signed(&key)
        .expect("a certificate")
        .der()
        .to_vec();
    // rcgen takes each type once; who signed is not looked at.
    let (unit, stand_in) = (*b"\x06\x03\x55\x04\x0b", *b"\x06\x03\x55\x04\x7f");
    while let Some(at) = der.windows(5).position(|octets| *octets == stand_in) {
        der[at..at + 5].copy_from_slice(&unit);
    }
    let text = BASE64.encode(&der);
    Pem {
        chain: format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"),
        key: key.serialize_pem(),
    }
}

#[test]
fn the_connection_has_tls_and_the_certificate_of_the_client() {
    let script = "if ($command == \"XTLS\") {\n\
        $tls = $connection[\"tls\"];\n\
        $peer = $tls[\"peercert\"];\n\
        Reply([\"$tlsstarted \".$tls[\"protocol\"].\" \".$tls[\"keysize\"].\" \".$tls[\"servername\"],\n\
        \"cipher \".$tls[\"cipher\"],\n\
        \"peer \".($peer[\"subject\"][\"CN\"] ?? \"none\").\" \".($peer[\"altnames\"][0] ?? \"\").\" \".($peer[\"error\"] ?? \"\"),\n\
        \"fingerprint \".($peer[\"fingerprint\"] ?? \"\").\" \".($peer[\"not_valid_after\"] ?? \"\")]);\n}\n";
    let server = scripted(&[("proxy", script)]);
    let shown = certificate(&["client.example"]);
    let fingerprint = HEXLOWER.encode(&Sha256::digest(der(&shown)));
    for (tls, peer, fingerprint) in [
        (Tls::new(|_| {}), "none  ", " ".to_owned()),
        (
            Tls::with_certificate(&shown),
            "made for a test client.example 21",
            format!("{fingerprint} 4070908800"),
        ),
    ] {
        let mut client = connected(&server, &tls);
        client.say("XTLS");
        let line = client.expect("250-2.0.0 ");
        assert!(line.contains(" TLSv1.3 256 mx.example.org"), "{line}");
        client.expect("250-2.0.0 cipher TLS_AES_256_GCM_SHA384\r\n");
        client.expect(&format!("250-2.0.0 peer {peer}\r\n"));
        client.expect(&format!("250 2.0.0 fingerprint {fingerprint}\r\n"));
    }
}

/// The manual's items, and nothing but them.
const HELO: &str = r#"
$tls = GetTLS();
$peer = $tls["peer_cert"] ?? [];
Accept(["reason" => json_encode(array_keys($tls)).json_encode(array_keys($peer))]);
"#;

const MAIL_FROM: &str = r#"
$tls = GetTLS([]);
$peer = $tls["peer_cert"];
Accept(["reason" => [
	"".$tls["started"]." ".$tls["protocol"]." ".$tls["ciphers"]." ".$tls["keysize"]." ".$tls["peer_cert_error"],
	json_encode($peer["subject"]),
	json_encode($peer["issuer"]),
	json_encode($peer["subject_alt_name"]),
	"".$peer["version"]." ".$peer["serial_number"],
	"".$peer["not_valid_before"]." ".$peer["not_valid_after"]
]]);
"#;

const RCPT_TO: &str = r#"
if ($recipientlocalpart == "wrong") {
	GetTLS(["fingerprint" => "sha384"]);
}
$tls = GetTLS(["fingerprint" => $recipientlocalpart]);
Accept(["reason" => $tls["peer_cert"]["fingerprint"]]);
"#;

#[test]
fn a_certificate_is_shown_as_the_manual_has_it() {
    let mut server = scripted(&[("helo", HELO), ("mailfrom", MAIL_FROM), ("rcptto", RCPT_TO)]);
    let shown = detailed();
    let tls = Tls::with_certificate(&shown);
    // Where TLS is resumed the certificate is that of the full handshake.
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut client = connected(&server, &tls);
        let kind = client.channel().tls().handshake_kind();
        assert_eq!(kind, Some(expected));
        client.say("HELO client.example");
        client.expect(
            "250 [\"started\",\"protocol\",\"ciphers\",\"keysize\",\"peer_cert\",\
             \"peer_cert_error\"][\"subject\",\"issuer\",\"subject_alt_name\",\"version\",\
             \"serial_number\",\"not_valid_before\",\"not_valid_after\"]\r\n",
        );
        client.say("MAIL FROM:<a@client.example>");
        let name = "{\"C\":\"SE\",\"OU\":[\"one\",\"two\"],\"CN\":\"a client\"}";
        for line in [
            "250-2.1.0 true TLSv1.3 TLS_AES_256_GCM_SHA384 256 21\r\n",
            &format!("250-2.1.0 {name}\r\n"),
            &format!("250-2.1.0 {name}\r\n"),
            "250-2.1.0 {\"DNS\":[\"client.example\",\"*.client.example\"]}\r\n",
            "250-2.1.0 2 8b01\r\n",
            "250 2.1.0 978307200 4070908800\r\n",
        ] {
            client.expect(line);
        }
        let der = der(&shown);
        for (hash, fingerprint) in [
            ("md5", HEXLOWER.encode(&Md5::digest(&der))),
            ("sha1", HEXLOWER.encode(&Sha1::digest(&der))),
            ("sha256", HEXLOWER.encode(&Sha256::digest(&der))),
            ("sha512", HEXLOWER.encode(&Sha512::digest(&der))),
        ] {
            client.say(&format!("RCPT TO:<{hash}@example.org>"));
            client.expect(&format!("250 2.1.5 {fingerprint}\r\n"));
        }
        client.say("RCPT TO:<wrong@example.org>");
        client.expect("450 4.3.0 ");
    }
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let log = server.log();
    let error = log.lines().find(|line| line.contains("script_error"));
    let error = error.expect("it was logged");
    for part in [
        "hook=rcptto",
        "rcptto.hsl:3:2",
        "GetTLS",
        "fingerprint",
        "sha512",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_client_without_a_certificate_shows_none() {
    let server = scripted(&[("helo", HELO)]);
    let mut client = connected(&server, &Tls::new(|_| {}));
    client.say("HELO client.example");
    client.expect("250 [\"started\",\"protocol\",\"ciphers\",\"keysize\"][]\r\n");
}
