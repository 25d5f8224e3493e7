//! What went wrong with an outgoing request, as the codes of `wasi:http`.

use std::error::Error as _;
use std::io;

use wasmtime_wasi_http::Error;

use crate::runtime::network::dial::DialError;
use crate::runtime::network::policy::Rule;

/// Of connecting.
pub fn of_dialling(error: &DialError) -> Error {
    match error {
        DialError::Denied(denial) if denial.rule == Rule::NotListed => Error::HttpRequestDenied,
        DialError::Denied(_) => Error::DestinationIpProhibited,
        DialError::Unknown(error) if error.kind() == io::ErrorKind::TimedOut => Error::DnsTimeout,
        DialError::Unknown(_) => Error::DnsError { rcode: Some("name not resolvable".into()), info_code: None },
        DialError::Unreachable(error) => of_connecting(error),
    }
}

fn of_connecting(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Error::ConnectionTerminated,
        _ => Error::DestinationUnavailable,
    }
}

/// Of a TLS handshake.
pub fn of_tls(error: &io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Error::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        Some(_) => Error::TlsProtocolError,
        None if error.kind() == io::ErrorKind::UnexpectedEof => Error::ConnectionTerminated,
        None => of_connecting(error),
    }
}

/// Of a request whose response has not begun.
pub fn of_request(error: &hyper::Error) -> Error {
    if error.is_timeout() {
        return Error::HttpResponseTimeout;
    }
    if error.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(None);
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() || broken(error) {
        return Error::ConnectionTerminated;
    }
    Error::HttpProtocolError
}

/// Of a response that has begun.
pub fn of_response(error: &hyper::Error) -> Error {
    match of_request(error) {
        Error::ConnectionTerminated => Error::HttpResponseIncomplete,
        other => other,
    }
}

/// Whether the connection itself broke.
fn broken(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(next) = cause {
        if next.is::<io::Error>() {
            return true;
        }
        cause = next.source();
    }
    false
}
