//! The origin that most figures are about: nginx.

use std::fs;
use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::Outcome;
use super::Trying;
use super::program;
use super::program::Program;
use super::stage::SECRET;

/// What to do where it isn't.
const MISSING: &str = "nginx is needed; on Debian: apt-get install nginx-light";

/// Which one it is.
pub(crate) fn version() -> Outcome<String> {
    let mut command = command();
    let said = command.arg("-v").output().trying(MISSING)?;
    let said = String::from_utf8_lossy(&said.stderr);
    Ok(said.trim().trim_start_matches("nginx version: ").to_owned())
}

/// Its command, also where administrators' programs are not in PATH.
fn command() -> Command {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/usr/local/sbin");
    let mut command = Command::new("nginx");
    command.env("PATH", path);
    command
}

/// Starts it.
///
/// `/small` is a small body, `/large` one of `large` bytes. Both are refused without the credential, so that a contender which
/// did not do its work fails.
pub(crate) fn start(folder: &Path, tls: u16, plain: u16, large: u64) -> Outcome<Program> {
    let site = folder.join("site");
    super::stage::make(&site)?;
    write_large(&site.join("large"), large)?;
    let path = folder.join("nginx.conf");
    fs::write(&path, configuration(folder, tls, plain))?;
    let log = folder.join("nginx.log");
    let mut command = command();
    command
        .args(["-e", "stderr"])
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&path);
    let mut nginx = Program::tethered(&command, "TERM", &log)?;
    for port in [tls, plain] {
        program::wait_for_port(&mut nginx, port, &log).trying("nginx")?;
    }
    Ok(nginx)
}

/// Its configuration. A process for each CPU; connections are kept for as long as clients want; nothing is logged.
fn configuration(folder: &Path, tls: u16, plain: u16) -> String {
    let folder = folder.display();
    let is_root = fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
    // As root it would become a user who may not read the folder.
    let user = if is_root { "user root root;" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {folder}/tmp/{kind};\n"))
        .collect();
    format!(
        r#"{user}
daemon off;
error_log stderr;
pid {folder}/nginx.pid;
worker_processes auto;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    {temporary}
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_header_timeout 1h;
    default_type application/json;
    server {{
        listen 127.0.0.1:{tls} ssl backlog=4096;
        listen 127.0.0.1:{plain} backlog=4096;
        ssl_certificate {folder}/leaf.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        root {folder}/site;
        if ($http_authorization != "Bearer {SECRET}") {{ return 401; }}
        location = /small {{ return 200 '{{"id": 12345, "object": "model", "owned_by": "organisation", "permission": []}}'; }}
    }}
}}
"#
    )
}

/// A line of what is sent in large bodies: JSON, as APIs stream it.
const LINE: &str = "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\
\"choices\":[{\"index\":0,\"delta\":{\"content\":\" authorization of the bearer\"},\"finish_reason\":null}]}\n";

/// A piece of a large body, of exactly so many bytes.
pub(crate) fn piece(length: usize) -> Vec<u8> {
    LINE.bytes().cycle().take(length).collect()
}

/// Writes the large body.
fn write_large(path: &Path, length: u64) -> Outcome<()> {
    let piece = piece(1024 * 1024);
    let mut file = BufWriter::new(File::create(path)?);
    for _ in 0..length / piece.len() as u64 {
        file.write_all(&piece)?;
    }
    file.flush().trying("the large body")
}
