//! The origin that takes uploads: it reads all of a body before it answers, and keeps nothing. nginx would answer first, or write
//! the body to the disk.

use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;

use super::Outcome;
use super::Trying;
use super::certificates::Certificates;
use super::secure::Secure;
use super::stage::SECRET;

/// Starts it, and gives its port.
pub(crate) fn start(certificates: &Certificates) -> Outcome<u16> {
    let chain = vec![CertificateDer::from(certificates.leaf.clone())];
    let key = PrivateKeyDer::Pkcs8(certificates.key.clone().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).trying("a port for the sink")?;
    let port = listener.local_addr()?.port();
    let accept = move || {
        for socket in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            // How a connection ends is for the client to tell.
            let serve = move || drop(serve(socket, config));
            let _ = thread::Builder::new().name("sink".into()).spawn(serve);
        }
    };
    thread::Builder::new().name("sink".into()).spawn(accept)?;
    Ok(port)
}

/// Answers the requests of one connection.
fn serve(socket: TcpStream, config: Arc<ServerConfig>) -> Outcome<()> {
    let mut secure = Secure::over(socket, ServerConnection::new(config)?)?;
    let expected = format!("Bearer {SECRET}");
    loop {
        let (head, _) = secure.message()?;
        let status = if head.authorization == expected.as_bytes() {
            "200 OK"
        } else {
            "401 Unauthorized"
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        secure.send(answer.as_bytes())?;
    }
}
