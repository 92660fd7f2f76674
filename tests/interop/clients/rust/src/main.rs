//! `clients CLIENT get` sends a GET and a POST, `clients CLIENT stream` prints a stream as it comes. Nothing but the environment leads
//! them through the proxy.

use std::env;
use std::error::Error;
use std::io;
use std::io::Read;
use std::io::Write;

const MODELS: &str = "https://api.openai.com/v1/models";
const CHAT: &str = "https://api.openai.com/v1/chat/completions";

type Answer = Result<Box<dyn Read>, Box<dyn Error>>;

/// reqwest 0.13, which trusts what the system's verifier does: on Linux SSL_CERT_FILE, else the system's bundle.
fn by_reqwest(body: Option<&'static str>) -> Answer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::blocking::Client::new();
    let request = match body {
        None => client.get(MODELS),
        Some(body) => client.post(CHAT).body(body),
    };
    let answer = request.header("Authorization", authorization()).send()?;
    Ok(Box::new(answer.error_for_status()?))
}

/// reqwest 0.12 with Mozilla's roots compiled in.
fn by_reqwest_webpki(body: Option<&'static str>) -> Answer {
    let client = reqwest_webpki::blocking::Client::new();
    let request = match body {
        None => client.get(MODELS),
        Some(body) => client.post(CHAT).body(body),
    };
    let answer = request.header("Authorization", authorization()).send()?;
    Ok(Box::new(answer.error_for_status()?))
}

/// ureq with Mozilla's roots, which is its default, or with those of the system.
fn by_ureq(roots: ureq::tls::RootCerts, body: Option<&'static str>) -> Answer {
    let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
    let agent = ureq::Agent::config_builder().tls_config(tls).build().new_agent();
    let answer = match body {
        None => agent.get(MODELS).header("Authorization", authorization()).call()?,
        Some(body) => agent.post(CHAT).header("Authorization", authorization()).send(body)?,
    };
    Ok(Box::new(answer.into_body().into_reader()))
}

fn authorization() -> String {
    format!("Bearer {}", env::var("OPENAI_API_KEY").unwrap_or_default())
}

fn send(client: &str, body: Option<&'static str>) -> Answer {
    match client {
        "reqwest" => by_reqwest(body),
        "reqwest-webpki" => by_reqwest_webpki(body),
        "ureq" => by_ureq(ureq::tls::RootCerts::PlatformVerifier, body),
        "ureq-webpki" => by_ureq(ureq::tls::RootCerts::WebPki, body),
        _ => Err(format!("there is no {client}").into()),
    }
}

fn print(mut answer: Box<dyn Read>) -> io::Result<()> {
    let mut block = [0; 4096];
    loop {
        let read = answer.read(&mut block)?;
        if read == 0 {
            return Ok(());
        }
        io::stdout().write_all(&block[..read])?;
        io::stdout().flush()?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().collect();
    let client = &words[1];
    if words[2] == "stream" {
        return Ok(print(send(client, Some(r#"{"stream": true}"#))?)?);
    }
    print(send(client, None)?)?;
    Ok(print(send(client, Some("{}"))?)?)
}
