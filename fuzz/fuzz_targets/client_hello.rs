//! Any split of what a TLS client sends is judged as the whole is. Where it passes, no name but the right one is in the ClientHello that
//! rustls reads in it.
#![no_main]

use authsome::fuzzing::check_names;
use libfuzzer_sys::fuzz_target;
use rustls::server::Acceptor;

/// The server name in the first ClientHello, as rustls reads it.
fn server_name(mut input: &[u8]) -> Option<String> {
    let mut acceptor = Acceptor::default();
    while !input.is_empty() {
        acceptor.read_tls(&mut input).ok()?;
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(str::to_owned);
                return name;
            }
            Err(_) => return None,
        }
    }
    None
}

fuzz_target!(|data: &[u8]| {
    let [cut, input @ ..] = data else {
        return;
    };
    let cut_at = usize::from(*cut) * input.len() / 255;
    let whole = check_names(input, &[]);
    assert_eq!(check_names(input, &[cut_at]), whole, "cut at {cut_at}");
    let each: Vec<usize> = (0..input.len()).collect();
    assert_eq!(check_names(input, &each), whole, "byte by byte");
    if let (Ok((cleared, _)), Some(name)) = (whole, server_name(input)) {
        assert_eq!(name.trim_end_matches('.'), "good.test");
        assert!(cleared > 0);
    }
});
