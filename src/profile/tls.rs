//! TLS of one `[[server]]`: when it begins, and who the server is.
//!
//! In: the keys `tls`, `certificate`, `certificates_by_name`, `client_certificates`. Out: [`ProfileTls`], or none.
//! Guarantees: a profile with TLS has a certificate; every certificate for names has one.
//! Does not: read certificates (`certificate.rs`) or shake hands (`crate::tls`).
//!
//! RFC 3207 (STARTTLS), RFC 8314 §3 (implicit TLS), RFC 6066 §3 (server names).

use std::ops::Range;
use std::sync::Arc;

use super::Profile;
use super::certificate::Certificates;
use super::source::{Report, Section, Spanned, closest};
use crate::tls::{ClientCertificates, TlsAcceptor};

/// TLS of one profile.
#[derive(Debug)]
pub struct ProfileTls {
    /// When handshakes begin.
    pub begin: TlsBegin,
    /// What answers them, as it was when the configuration was loaded.
    pub acceptor: Arc<TlsAcceptor>,
    /// Numbers of its certificates, the one for every other name first.
    certificates: Vec<usize>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsBegin {
    /// When the connection does.
    AtOnce,
    /// When the client says STARTTLS, if it does.
    OnRequest,
}

/// What answers handshakes of each profile, after certificates were read again.
#[must_use]
pub fn acceptors(
    certificates: &Certificates,
    profiles: &[Arc<Profile>],
) -> Vec<Option<Arc<TlsAcceptor>>> {
    let acceptors = profiles.iter().map(|profile| {
        let tls = profile.tls.as_ref()?;
        let identities = certificates.identities(&tls.certificates)?;
        Some(Arc::new(tls.acceptor.with_identities(&identities)))
    });
    acceptors.collect()
}

/// Reads the keys of one server.
pub(super) fn tls(
    section: &mut Section<'_>,
    certificates: &Certificates,
    report: &mut Report<'_>,
) -> Option<ProfileTls> {
    let begin = begin(section, report);
    let default = section.string("certificate", report);
    let is_off = begin.is_none() && !section.has("tls");
    if let Some(id) = default.as_ref().filter(|_| is_off) {
        let message = "`certificate` is of no use without `tls`";
        report.warning(
            id.span.clone(),
            message,
            "tls = \"starttls\" or \"implicit\"",
        );
    }
    let default = default.map(|id| find(&id, certificates, report));
    let by_name = section.strings("certificates_by_name", report);
    let client_certificates = client_certificates(section, report);
    let mut indices: Vec<usize> = default.flatten().into_iter().collect();
    for id in by_name.map(|list| list.value).unwrap_or_default() {
        if let Some(index) = find(&id, certificates, report) {
            check_names(index, &id, certificates, report);
            indices.push(index);
        }
    }
    let (begin, span) = begin?;
    if default.is_none() {
        let help = "certificate = \"ID\", the `id` of a [[certificate]]";
        report.error(span, "TLS needs `certificate`", help);
        return None;
    }
    // One that cannot be read has been reported.
    let identities = certificates.identities(&indices)?;
    if identities.is_empty() {
        return None;
    }
    match TlsAcceptor::new(&identities, client_certificates) {
        Ok(acceptor) => Some(ProfileTls {
            begin,
            acceptor: Arc::new(acceptor),
            certificates: indices,
        }),
        Err(error) => {
            report.error(span, error.to_string(), "");
            None
        }
    }
}

fn begin(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<(TlsBegin, Range<usize>)> {
    let Spanned { value, span } = section.string("tls", report)?;
    match value.as_str() {
        "off" => None,
        "starttls" => Some((TlsBegin::OnRequest, span)),
        "implicit" => Some((TlsBegin::AtOnce, span)),
        other => {
            let message = format!("`{other}` is no value of `tls`");
            report.error(span, message, "\"off\", \"starttls\" or \"implicit\"");
            None
        }
    }
}

fn client_certificates(section: &mut Section<'_>, report: &mut Report<'_>) -> ClientCertificates {
    let Some(Spanned { value, span }) = section.string("client_certificates", report) else {
        return ClientCertificates::Ignored;
    };
    match value.as_str() {
        "ignore" => ClientCertificates::Ignored,
        "request" => ClientCertificates::Requested,
        other => {
            let message = format!("`{other}` is no value of `client_certificates`");
            report.error(span, message, "\"ignore\" or \"request\"");
            ClientCertificates::Ignored
        }
    }
}

/// The number of the certificate with this id.
fn find(
    id: &Spanned<String>,
    certificates: &Certificates,
    report: &mut Report<'_>,
) -> Option<usize> {
    let index = certificates.index(&id.value);
    if index.is_none() {
        let message = format!("no [[certificate]] is called `{}`", id.value);
        let help = closest(&id.value, &certificates.ids());
        let help = help.map(|known| format!("did you mean `{known}`?"));
        report.error(id.span.clone(), message, help.unwrap_or_default());
    }
    index
}

/// A certificate that no name picks would never be shown.
fn check_names(
    index: usize,
    id: &Spanned<String>,
    certificates: &Certificates,
    report: &mut Report<'_>,
) {
    let identities = certificates.identities(&[index]).unwrap_or_default();
    if identities
        .iter()
        .any(|identity| identity.certificate().dns_names().next().is_none())
    {
        let message = format!(
            "certificate `{}` names no host, so that no client picks it",
            id.value
        );
        let help = "it needs a DNS name among its alternative names";
        report.error(id.span.clone(), message, help);
    }
}
