//! A distance: a relay that holds back what passes. Kernels can do that (netem), but not everywhere, nor for everyone.

use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::Outcome;
use super::Trying;

/// Starts a relay to a port of this machine that holds everything back for `delay`, each way. Gives its port.
///
/// The client is connected at once, since the kernel does that; what TCP's handshake would take is added to its first bytes.
pub(crate) fn start(to: u16, delay: Duration) -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).trying("a port for the relay")?;
    let port = listener.local_addr()?.port();
    let accept = move || {
        for near in listener.incoming().flatten() {
            // A connection that can't be made is one that ends: the client's error tells.
            let _ = relay(near, to, delay);
        }
    };
    thread::Builder::new().name("relay".into()).spawn(accept)?;
    Ok(port)
}

/// Relays one connection, on threads.
fn relay(near: TcpStream, to: u16, delay: Duration) -> Outcome<()> {
    let opens = Instant::now() + 2 * delay;
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    carry(near.try_clone()?, far.try_clone()?, opens, delay)?;
    carry(far, near, opens, delay)
}

/// Carries one direction: a thread that reads, and one that writes when it is time.
fn carry(mut from: TcpStream, mut to: TcpStream, opens: Instant, delay: Duration) -> Outcome<()> {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    let read = move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let due = Instant::now().max(opens) + delay;
            let read = bytes.get(..count).unwrap_or_default().to_vec();
            if sender.send((due, read)).is_err() {
                return;
            }
        }
    };
    let write = move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        thread::sleep(delay);
        let _ = to.shutdown(Shutdown::Write);
    };
    let small = || {
        thread::Builder::new()
            .name("relay".into())
            .stack_size(64 * 1024)
    };
    small().spawn(read)?;
    small().spawn(write)?;
    Ok(())
}
