//! Tools' own settings of a proxy and of certificates: no setting bypasses a run, and the certificates that they name stay trusted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::Cmd;
use crate::support::Home;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::upstream::tunnel_proxy;

/// A host that no provider claims.
const OTHER: &str = "other.test";

/// The URL of a proxy that doesn't exist, with a password.
const CORP: &str = "http://me:corp-secret@corp.test:3128";

/// A request to a host.
fn get(host: &str) -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// Writes a file below the home, and the folders that it is in.
fn put(home: &Home, name: &str, text: &str) {
    let path = home.path("home").join(name);
    let folder = path.parent().expect("a folder");
    fs::create_dir_all(folder).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// `authsome run` with a credential, and what leads to the origin, which it has no reason to trust yet.
fn run(home: &Home, origin: &Origin) -> Cmd {
    home.acme("");
    home.authsome(["run"])
        .args(origin.leads_here(&[HOST, OTHER], 443))
        .env("ACME_API_KEY", SECRET)
        .env("GIT_CONFIG_NOSYSTEM", "1")
}

/// Variables by which tools know a proxy. The spellings of npm's are two of one.
const PROXIES: [&str; 12] = [
    "npm_config_proxy",
    "npm_config_https_proxy",
    "NPM_CONFIG_HTTPS_PROXY",
    "Npm_Config_Https-Proxy",
    "npm_config_http_proxy",
    "YARN_HTTPS_PROXY",
    "PIP_PROXY",
    "CARGO_HTTP_PROXY",
    "grpc_proxy",
    "ws_proxy",
    "GLOBAL_AGENT_HTTPS_PROXY",
    "GIT_CONFIG_VALUE_0",
];

#[test]
fn no_variable_of_a_tool_leads_past_the_proxy() {
    for with_password in [false, true] {
        let home = Home::new();
        home.acme("");
        let mut cmd = home.authsome(["run"]).args(["--quiet"]);
        if with_password {
            cmd = cmd.arg("--proxy-auth");
        }
        for name in PROXIES {
            cmd = cmd.env(name, CORP);
        }
        let run = cmd
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.https://api.acme.test.proxy")
            .env("CLOUDSDK_PROXY_TYPE", "http")
            .env("CLOUDSDK_PROXY_ADDRESS", "corp.test")
            .env("CLOUDSDK_PROXY_PORT", "3128")
            .env("CLOUDSDK_PROXY_USERNAME", "me")
            .env("CLOUDSDK_PROXY_PASSWORD", "corp-secret")
            .env("NPM_CONFIG_NOPROXY", HOST)
            .env("no_grpc_proxy", HOST)
            .env("_JAVA_OPTIONS", "-Dhttps.proxyHost=corp.test -Xmx1g")
            .start();
        for (name, value) in &run.env {
            assert!(!value.contains("corp"), "{name} {value}");
            assert!(
                !value.contains(HOST) || name == "GIT_CONFIG_KEY_0",
                "{name}"
            );
        }
        let proxy = &run.env["HTTPS_PROXY"];
        let is_set = |name: &&str| run.env.get(*name) == Some(proxy);
        assert_eq!(PROXIES.iter().filter(|name| is_set(name)).count(), 10);
        assert_eq!(run.env["GIT_CONFIG_KEY_1"], "http.proxy");
        assert_eq!(&run.env["GIT_CONFIG_VALUE_1"], proxy);
        assert_eq!(run.env["CLOUDSDK_PROXY_ADDRESS"], "127.0.0.1");
        assert_eq!(
            run.env["CLOUDSDK_PROXY_USERNAME"].is_empty(),
            !with_password
        );
        assert_eq!(run.env["_JAVA_OPTIONS"], "-Xmx1g");
        assert!(run.env["JAVA_TOOL_OPTIONS"].contains("-Dhttps.proxyHost=127.0.0.1"));
        run.stop();
    }
}

#[test]
fn what_nobody_has_set_stays_unset() {
    let run = Home::new().authsome(["run"]).start();
    for name in run.env.keys() {
        let is_of_tool = [
            "PIP_PROXY",
            "npm_config_proxy",
            "GIT_CONFIG_",
            "CLOUDSDK_PROXY",
            "grpc",
        ];
        assert!(
            !is_of_tool.iter().any(|start| name.starts_with(start)),
            "{name}"
        );
    }
    run.stop().assert_quiet();
}

#[test]
fn a_proxy_of_a_file_is_overruled_by_a_variable() {
    let home = Home::new();
    put(
        &home,
        ".config/pip/pip.conf",
        "[global]\nproxy = corp.test:3128\n",
    );
    put(
        &home,
        ".config/gcloud/configurations/config_work",
        "[proxy]\naddress = corp.test\nport = 3128\ntype = http\n",
    );
    put(
        &home,
        "more.conf",
        "[remote \"up\"]\n\tproxy = corp.test:3128\n",
    );
    put(
        &home,
        ".gitconfig",
        "[include] path = more.conf\n[http \"https://api.acme.test/\"]\n\tproxy = http://corp.test:3128\n",
    );
    put(&home, ".npmrc", "proxy = http://corp.test:3128\n");
    put(&home, ".config/gcloud/active_config", "work\n");
    let run = home
        .authsome(["run"])
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .start();
    let proxy = &run.env["HTTPS_PROXY"];
    assert_eq!(run.env.get("PIP_PROXY"), Some(proxy));
    assert_eq!(run.env.get("npm_config_proxy"), Some(proxy));
    assert_eq!(run.env["CLOUDSDK_PROXY_ADDRESS"], "127.0.0.1");
    assert_eq!(run.env["GIT_CONFIG_COUNT"], "3");
    for (at, key) in [
        "http.https://api.acme.test/.proxy",
        "remote.up.proxy",
        "http.proxy",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(run.env[&format!("GIT_CONFIG_KEY_{at}")], *key);
        assert_eq!(&run.env[&format!("GIT_CONFIG_VALUE_{at}")], proxy);
    }
    run.stop();
}

/// What comes of one GET with this setting of tools' proxies, where PORT is the port of a proxy: the status, and how often the proxy was
/// asked; and what the run said.
fn through(set: impl Fn(Cmd, &str) -> Cmd) -> (u16, usize, String) {
    let home = Home::new();
    let origin = Origin::start(always_ok);
    let proxy = Origin::plain(tunnel_proxy);
    let url = format!("http://user:p%40ss@127.0.0.1:{}", proxy.port);
    let cmd = run(&home, &origin).env("CURL_CA_BUNDLE", origin.ca_file());
    let run = set(cmd, &url).start();
    assert!(run.env.values().all(|value| !value.contains("p%40ss")));
    let status = run.proxy.exchange(HOST, &get(HOST)).status();
    let output = run.stop();
    output.assert_without("p%40ss").assert_without("p@ss");
    origin.finish();
    (status, proxy.finish().requests.len(), output.stderr())
}

#[test]
fn the_proxy_that_tools_agree_on_leads_to_origins_where_the_usual_variables_name_none() {
    let (status, asked, said) = through(|cmd, url| {
        let cmd = cmd
            .env("PIP_PROXY", url)
            .env("NPM_CONFIG_PROXY", format!("{url}/"));
        cmd.arg("--verbose")
    });
    assert_eq!((status, asked), (200, 1), "{said}");
    assert!(
        said.contains("the proxy that NPM_CONFIG_PROXY, PIP_PROXY names"),
        "{said}"
    );
    let (status, asked, said) =
        through(|cmd, url| cmd.env("PIP_PROXY", url).env("npm_config_noproxy", HOST));
    assert_eq!(
        (status, asked, &*said),
        (200, 0, ""),
        "npm goes past it, too"
    );
}

#[test]
fn a_proxy_that_is_unclear_or_of_another_kind_is_told_and_not_used() {
    for (name, value, words) in [
        (
            "npm_config_proxy",
            "http://corp.test:1",
            "names several proxies",
        ),
        (
            "HTTPS_PROXY",
            "http://127.0.0.1:1",
            "another proxy than HTTPS_PROXY",
        ),
    ] {
        let (status, asked, said) = through(|cmd, url| {
            let cmd = cmd
                .env("PIP_PROXY", url)
                .env("NO_PROXY", "127.0.0.1,api.acme.test");
            cmd.env(name, value)
        });
        assert_eq!((status, asked), (200, 0), "{said}");
        // The other is about the entry of NO_PROXY that would lead past the proxy.
        assert_eq!(said.matches("warning").count(), 2, "{said}");
        assert!(said.contains(words), "{said}");
    }
    let (status, asked, said) = through(|cmd, _| cmd.env("PIP_PROXY", "other://u:p%40ss@h:1"));
    assert_eq!((status, asked), (200, 0), "{said}");
    assert!(
        said.contains("the proxy that PIP_PROXY names can't be used"),
        "{said}"
    );
}

/// Checks that the origin's certificate is taken, by the proxy for the claimed host, and by a program for another.
fn assert_trusted(run: &Running, origin: &Origin, name: &str) {
    for host in [HOST, OTHER] {
        let status = run.proxy.exchange(host, &get(host)).status();
        assert_eq!(status, 200, "{name} {host}");
    }
    let bundle = fs::read_to_string(&run.env["SSL_CERT_FILE"]).expect("a bundle");
    let own: Vec<&str> = origin.ca_pem.lines().collect();
    assert_eq!(bundle.matches(own[1]).count(), 1, "{name}: once");
    assert!(
        bundle.matches("BEGIN CERTIFICATE").count() > 2,
        "{name}: beside the others"
    );
}

#[test]
fn certificates_of_every_variable_are_in_the_bundle_and_trusted() {
    let home = Home::new();
    let origin = Origin::start(always_ok);
    let folder = home.path("certificates");
    fs::create_dir(&folder).expect("a folder");
    fs::copy(origin.ca_file(), folder.join("a.pem")).expect("a copy");
    home.file("certificates/b.txt", "nothing");
    for name in [
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "NODE_EXTRA_CA_CERTS",
        "AWS_CA_BUNDLE",
        "NPM_CONFIG_CAFILE",
        "npm_config_ca",
        "VAULT_CACERT",
        "SSL_CERT_DIR",
        "GIT_SSL_CAPATH",
    ] {
        let value = match name {
            "SSL_CERT_DIR" | "GIT_SSL_CAPATH" => folder.display().to_string(),
            "npm_config_ca" => origin.ca_pem.replace('\n', "\\n"),
            _ => origin.ca_file(),
        };
        // Named twice, it is there once.
        let cmd = run(&home, &origin).env(name, value);
        let run = cmd.env("DENO_CERT", origin.ca_file()).start();
        assert_trusted(&run, &origin, name);
        run.stop().assert_quiet();
    }
}

#[test]
fn certificates_of_every_file_are_in_the_bundle_and_trusted() {
    let origin = Origin::start(always_ok);
    let (ca, inline) = (origin.ca_file(), origin.ca_pem.replace('\n', "\\n"));
    for (name, text) in [
        (".gitconfig", format!("[http]\n\tsslCAInfo = {ca}\n")),
        (
            ".config/git/config",
            format!("[http \"https://other.test\"]\nsslcainfo = \"{ca}\"\n"),
        ),
        (".npmrc", format!("cafile={ca}\n")),
        (".npmrc", format!("ca[]=\"{inline}\"\n")),
        (".config/pip/pip.conf", format!("[global]\ncert = {ca}\n")),
        (".cargo/config.toml", format!("[http]\ncainfo = \"{ca}\"\n")),
        (".aws/config", format!("[profile x]\nca_bundle = {ca}\n")),
        (".yarnrc.yml", format!("httpsCaFilePath: {ca}\n")),
        (".condarc", format!("ssl_verify: {ca}\n")),
        (
            ".composer/config.json",
            format!("{{\"config\": {{\"cafile\": \"{ca}\"}}}}"),
        ),
    ] {
        let home = Home::new();
        put(&home, name, &text);
        let run = run(&home, &origin).start();
        assert_trusted(&run, &origin, name);
        for (file, variable) in [
            (".yarnrc.yml", "YARN_HTTPS_CA_FILE_PATH"),
            (".condarc", "CONDA_SSL_VERIFY"),
        ] {
            let expected = (file == name).then(|| &run.env["SSL_CERT_FILE"]);
            assert_eq!(run.env.get(variable), expected, "{name}");
        }
        run.stop().assert_quiet();
    }
}

#[test]
fn only_mozilla_s_roots_count_where_that_is_said() {
    let (home, origin) = (Home::new(), Origin::start(always_ok));
    let cmd = run(&home, &origin).env("CURL_CA_BUNDLE", origin.ca_file());
    let run = cmd.args(["--roots", "mozilla"]).start();
    assert_eq!(run.proxy.exchange(HOST, &get(HOST)).status(), 502);
    assert_eq!(run.proxy.exchange(OTHER, &get(OTHER)).status(), 200);
    run.stop();
    assert_eq!(origin.finish().requests.len(), 1);
}

#[test]
fn verbose_says_whose_certificates_count_for_what() {
    let (home, origin) = (Home::new(), Origin::start(always_ok));
    put(&home, ".npmrc", &format!("cafile={}\n", origin.ca_file()));
    for (words, who) in [
        (
            &["--verbose"][..],
            "a run's programs, and authsome where it verifies origins, also trust",
        ),
        (
            &["--verbose", "--roots", "mozilla"],
            "a run's programs also trust",
        ),
    ] {
        let cmd = home.authsome(["run"]).args(words).args(["--", "true"]);
        let said = cmd.run().stderr();
        let line = format!("{who} the certificates that these name: ~/.npmrc\n");
        assert!(said.contains(&line), "{said}");
    }
}

#[test]
fn certificates_that_cannot_be_used_are_told_once_each() {
    let home = Home::new();
    put(
        &home,
        ".gitconfig",
        "[http]\nsslCAInfo = /nowhere/git.pem\n",
    );
    let output = home
        .authsome(["run", "--", "true"])
        .env("CURL_CA_BUNDLE", "/nowhere/ca.pem")
        .env("PIP_CERT", "/nowhere/ca.pem")
        .env("SSL_CERT_FILE", home.file("empty", ""))
        .env("NIX_SSL_CERT_FILE", "/no-cert-file.crt")
        .env("npm_config_cafile", "null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .run();
    output.assert_code(0).assert_stderr(&[
        "CURL_CA_BUNDLE is not used: /nowhere/ca.pem",
        "SSL_CERT_FILE is not used",
        "no certificate in it",
        "~/.gitconfig is not used: /nowhere/git.pem",
    ]);
    assert_eq!(output.lines_with("warning"), 3, "{output}");
}

/// A home whose PATH has these tools; they are never started.
fn with_tools(names: &[&str]) -> Home {
    let home = Home::new();
    fs::create_dir(home.path("bin")).expect("a folder");
    for name in names {
        symlink("/bin/sh", home.path("bin").join(name)).expect("a link");
    }
    home
}

/// Tools, a file of each, what stands in it, and a part of the remedy.
const TOLD: [[&str; 4]; 10] = [
    [
        "curl",
        ".curlrc",
        "-x corp.test:1\ncacert = /c\n",
        "curl with -q",
    ],
    ["curl", ".curlrc", "noproxy = \"*\"\n", "curl with -q"],
    [
        "wget",
        ".wgetrc",
        "https_proxy = corp.test:1\n",
        "--no-config",
    ],
    [
        "gem",
        ".gemrc",
        ":http_proxy: http://corp.test:1\n",
        "--norc",
    ],
    [
        "conda",
        ".condarc",
        "proxy_servers:\n  https: http://corp.test:1\n",
        "proxy_servers",
    ],
    [
        "mvn",
        ".m2/settings.xml",
        "<proxy><host>corp.test</host><port>1</port></proxy>",
        "<active>false",
    ],
    [
        "gradle",
        ".gradle/gradle.properties",
        "systemProp.https.proxyHost=corp.test\n",
        "JAVA_TOOL_OPTIONS",
    ],
    [
        "dotnet",
        ".nuget/NuGet/NuGet.Config",
        "<add key=\"http_proxy\" value=\"http://corp.test:1\"/>",
        "http_proxy",
    ],
    [
        "R",
        ".Renviron",
        "https_proxy=http://corp.test:1\n",
        "--no-environ",
    ],
    ["yarn", ".yarnrc", "cafile \"/c\"\n", "~/.npmrc"],
];

#[test]
fn what_only_a_file_says_is_told_in_a_line_with_a_remedy_where_the_tool_is() {
    for [tool, file, text, words] in TOLD {
        for tools in [&[tool][..], &[]] {
            let home = with_tools(tools);
            put(&home, file, text);
            let output = home
                .authsome(["run", "--", "/bin/sh", "-c", "exit 0"])
                .env("HTTPS_PROXY", "http://corp.test:1")
                .env("PATH", home.path("bin"))
                .run();
            output.assert_code(0);
            let line = format!("authsome: warning: ~/{file} names ");
            let told = output.stderr();
            let told: Vec<&str> = told
                .lines()
                .filter(|told| told.starts_with(&line))
                .collect();
            assert_eq!(told.len(), tools.len(), "{output}");
            assert!(told.iter().all(|told| told.contains(words)), "{output}");
        }
    }
}

#[test]
fn a_folder_that_the_program_is_started_in_has_no_say_in_what_is_trusted_or_which_way_is_taken() {
    let (home, origin) = (with_tools(&["npm", "git", "sh"]), Origin::start(always_ok));
    let proxy = Origin::plain(tunnel_proxy);
    let (ca, port) = (origin.ca_file(), proxy.port);
    let project = home.path("project/below");
    fs::create_dir_all(project.join("../.git")).expect("a folder");
    home.file(
        "project/.git/config",
        &format!(
            "[http]\nsslCAInfo = {ca}\nproxy = http://127.0.0.1:{port}\n[remote \"a\"]\nproxy = b\n"
        ),
    );
    home.file(
        "project/below/.npmrc",
        &format!("cafile = {ca}\nhttps-proxy = http://127.0.0.1:{port}\n"),
    );
    let cmd = || {
        let path = std::env::var("PATH").expect("a PATH");
        let path = format!("{}:{path}", home.path("bin").display());
        run(&home, &origin)
            .env("PATH", path)
            .folder(project.clone())
    };
    let run = cmd().start();
    assert_eq!(run.env["GIT_CONFIG_KEY_0"], "http.proxy");
    assert_eq!(run.env["GIT_CONFIG_VALUE_0"], run.env["HTTPS_PROXY"]);
    assert_eq!(run.env["GIT_CONFIG_COUNT"], "1");
    assert_eq!(run.proxy.exchange(HOST, &get(HOST)).status(), 502);
    let output = run.stop();
    output.assert_stderr(&[
        ".npmrc names certificates",
        ".git/config names certificates",
        "a proxy of a remote",
        "leads to no trusted root",
    ]);
    assert_eq!(output.lines_with("warning: "), 4, "{output}");
    // If the user names the same file, no warning is needed.
    let run = cmd().env("CURL_CA_BUNDLE", &ca).start();
    assert_trusted(&run, &origin, "named");
    run.stop().assert_without("certificates");
    proxy.finish().assert_nothing();
}

#[test]
fn odd_files_of_settings_keep_no_run_from_starting() {
    let home = Home::new();
    let long = "[http]\nproxy=".repeat(100_000);
    put(
        &home,
        ".gitconfig",
        "[include]\npath = ~/.gitconfig\n[http \"\npath = \\",
    );
    put(&home, ".npmrc", &long);
    fs::create_dir(home.path("home/.curlrc")).expect("a folder");
    fs::write(home.path("home/.condarc"), b"\xff\xfe: \xff").expect("a file");
    let made = Command::new("mkfifo")
        .arg(home.path("home/.wgetrc"))
        .status();
    assert!(made.is_ok_and(|status| status.success()), "no pipe");
    symlink("/dev/zero", home.path("home/.gemrc")).expect("a link");
    let output = home.authsome(["run", "--", "true"]).run();
    output.assert_code(0).assert_quiet();
    // What the program is to read from standard input is not read for settings.
    let output = home
        .authsome(["run", "--", "cat"])
        .env("PIP_CONFIG_FILE", "/dev/stdin")
        .stdin(b"[global]\nproxy = a\n")
        .run();
    assert_eq!(output.stdout(), "[global]\nproxy = a\n");
}

#[test]
fn files_of_another_user_s_program_are_not_read() {
    if !is_root() {
        return;
    }
    let (home, origin) = (Home::new(), Origin::start(always_ok));
    put(
        &home,
        ".npmrc",
        &format!("cafile={}\nhttps-proxy={CORP}\n", origin.ca_file()),
    );
    put(&home, ".gitconfig", "[http]\nproxy = http://corp.test:1\n");
    home.open_up();
    let opened = fs::Permissions::from_mode(0o644);
    fs::set_permissions(home.path("home/.npmrc"), opened).expect("its mode");
    let run = run(&home, &origin)
        .args(["--user", "65534", "--admit-root"])
        .folder("/".into())
        .start();
    // Its own configuration can't be looked at: git gets the proxy in any case.
    assert_eq!(run.env["GIT_CONFIG_KEY_0"], "http.proxy");
    assert_eq!(run.proxy.exchange(HOST, &get(HOST)).status(), 502);
    run.stop()
        .assert_without("settings")
        .assert_without("names");
    origin.finish().assert_nothing();
}

#[test]
fn doctor_says_which_settings_count() {
    let (home, origin) = (with_tools(&["curl"]), Origin::start(always_ok));
    put(&home, ".curlrc", "proxy = corp.test:1\n");
    put(&home, ".npmrc", &format!("cafile={}\n", origin.ca_file()));
    let doctor = || {
        let cmd = home.authsome(["doctor"]).env("PATH", home.path("bin"));
        cmd.env("CURL_CA_BUNDLE", "/nowhere")
            .env("GIT_CONFIG_NOSYSTEM", "1")
    };
    let text = doctor().run().stdout();
    for words in [
        "warn  settings    ~/.curlrc names a proxy, which curl prefers to a run's; hint: run curl with -q",
        "ok    settings    origins are reached through the proxy that ~/.curlrc names",
        "warn  trust       CURL_CA_BUNDLE is not used: /nowhere",
        "~/.npmrc",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let text = doctor().env("PIP_PROXY", CORP).run().stdout();
    assert!(
        text.contains("warn  settings    PIP_PROXY, ~/.curlrc names"),
        "{text}"
    );
    assert!(!text.contains("corp-secret"), "{text}");
}

/// Returns whether a program is installed.
fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn git_itself_goes_through_the_proxy_whatever_its_configuration_says() {
    if !is_there("git") {
        return;
    }
    let (home, origin) = (Home::new(), Origin::start(always_ok));
    let project = home.path("project");
    let made = Command::new("git")
        .args(["init", "-q"])
        .arg(&project)
        .status();
    assert!(made.is_ok_and(|status| status.success()), "no repository");
    for (file, text) in [
        (
            home.path("home/.gitconfig"),
            "[http]\nproxy = http://127.0.0.1:1\n",
        ),
        (home.path("home/.gitconfig"), "[http]\nproxy =\n"),
        (
            home.path("home/.gitconfig"),
            "[http \"https://api.acme.test\"]\nproxy = http://127.0.0.1:1\n",
        ),
        (
            home.path("home/.gitconfig"),
            "[includeIf \"gitdir:**\"]\npath = more\n",
        ),
        (
            project.join(".git/config"),
            "[core]\nrepositoryformatversion = 0\n[http]\nproxy = http://127.0.0.1:1\n",
        ),
    ] {
        fs::write(
            home.path("home/more"),
            "[remote \"origin\"]\nproxy = http://127.0.0.1:1\nurl = https://api.acme.test/r.git\n",
        )
        .expect("a file");
        fs::write(&file, text).expect("a file");
        let before = origin.requests().len();
        let url = if text.contains("more") {
            "origin"
        } else {
            "https://api.acme.test/r.git"
        };
        let output = run(&home, &origin)
            .args(["--quiet", "--", "git", "ls-remote", url])
            .env("SSL_CERT_FILE", origin.ca_file())
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("NO_PROXY", "127.0.0.1,api.acme.test")
            .folder(project.clone())
            .run();
        let requests = origin.requests();
        assert!(requests.len() > before, "{text}\n{output}");
        assert!(requests[before].has("Authorization"), "{text}\n{output}");
        fs::remove_file(Path::new(&file)).expect("a file to remove");
    }
    origin.finish();
}
