//! What Java and PHP get, which read no variable for certificates: options and a trust store, a file of settings.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::SECRET;
use crate::support::is_root;
use crate::support::origin::Origin;

/// What a child's JAVA_TOOL_OPTIONS is, if it has one. Nothing but /bin/sh is found by the child, and this Java.
fn options(home: &Home, cmd: Cmd) -> Option<String> {
    let script = "printf %s \"${JAVA_TOOL_OPTIONS-none}\"";
    let folder = home.path("bin");
    fs::create_dir_all(&folder).expect("a folder");
    let output = cmd
        .env("PATH", &folder)
        .args(["--", "/bin/sh", "-c", script])
        .run();
    output.assert_code(0).assert_quiet();
    Some(output.stdout()).filter(|options| options != "none")
}

/// A home in which the child's PATH has a Java; it is never started.
fn with_java() -> Home {
    let home = Home::new();
    fs::create_dir(home.path("bin")).expect("a folder");
    symlink("/bin/sh", home.path("bin/java")).expect("a link");
    home
}

#[test]
fn the_options_have_the_proxy_the_trust_store_and_what_goes_past_the_proxy() {
    let home = with_java();
    let cmd = home.authsome(["run"]).env(
        "NO_PROXY",
        "intranet.test,.below.test,10.0.0.0/8,host.test:8443",
    );
    let options = options(&home, cmd).expect("options");
    let words: Vec<&str> = options.split(' ').collect();
    let value = |name: &str| {
        let found = words.iter().find_map(|word| word.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name} in {options}"))
    };
    let store = value("-Djavax.net.ssl.trustStore=");
    assert!(
        store.starts_with(&home.temporary().display().to_string()),
        "{options}"
    );
    assert!(store.ends_with("/bundle.p12"), "{options}");
    assert_eq!(value("-Djavax.net.ssl.trustStoreType="), "PKCS12");
    assert_eq!(value("-Dhttps.proxyHost="), "127.0.0.1");
    assert_eq!(value("-Dhttp.proxyHost="), "127.0.0.1");
    assert_eq!(value("-Dhttps.proxyPort="), value("-Dhttp.proxyPort="));
    assert!(
        value("-Dhttps.proxyPort=")
            .parse::<u16>()
            .is_ok_and(|port| port > 0)
    );
    assert_eq!(
        value("-Dhttp.nonProxyHosts="),
        "*.intranet.test|intranet.test|*.below.test|127.0.0.1|*.localhost|localhost|[::1]"
    );
    assert_eq!(words.len(), 7, "{options}");
}

#[test]
fn where_there_is_no_java_the_variable_stays_as_it_is() {
    let home = Home::new();
    assert_eq!(options(&home, home.authsome(["run"])), None);
    let cmd = home.authsome(["run"]).env("JAVA_TOOL_OPTIONS", "-Xmx1g");
    assert_eq!(options(&home, cmd).as_deref(), Some("-Xmx1g"));
    // Nor is there a file that nobody reads.
    let script = "for file in \"${SSL_CERT_FILE%/*}\"/*; do echo \"${file##*/}\"; done";
    let output = home
        .authsome(["run", "--", "/bin/sh", "-c", script])
        .env("PATH", home.path("bin"))
        .run();
    assert_eq!(
        output.stdout(),
        "alive\nbundle.pem\nca.pem\nnode-preload.cjs\n",
        "{output}"
    );
}

#[test]
fn a_home_of_java_is_enough_and_the_parent_s_options_stay_in_front() {
    let home = Home::new();
    let cmd = home
        .authsome(["run"])
        .env("JAVA_HOME", "/opt/java")
        .env("JAVA_TOOL_OPTIONS", "-Da='b c' -Xmx1g");
    let options = options(&home, cmd).expect("options");
    assert!(
        options.starts_with("-Da='b c' -Xmx1g -Djavax.net.ssl.trustStore="),
        "{options}"
    );
}

#[test]
fn a_trust_store_of_the_parent_s_own_is_not_used_and_that_is_said() {
    let home = with_java();
    let cmd = home
        .authsome(["run", "--", "true"])
        .env("JAVA_HOME", "/opt/java")
        .env(
            "JAVA_TOOL_OPTIONS",
            "-Djavax.net.ssl.trustStore=/etc/own.jks",
        );
    let output = cmd.run();
    output.assert_code(0).assert_stderr(&["JAVA_TOOL_OPTIONS"]);
    assert_eq!(output.lines_with("trust store"), 1, "{output}");
    // A run within it has the outer one's, which is no loss.
    let inner = home
        .authsome(["run", "--", BINARY, "run", "--", "true"])
        .env("JAVA_HOME", "/opt/java")
        .run();
    inner.assert_code(0).assert_quiet();
}

#[test]
fn no_claimed_host_goes_past_the_proxy_and_no_password_is_in_the_options() {
    let home = with_java();
    home.acme("");
    let cmd = home
        .authsome(["run", "--quiet", "--proxy-auth"])
        .env("ACME_API_KEY", SECRET)
        .env("NO_PROXY", "acme.test,other.test");
    let options = options(&home, cmd).expect("options");
    assert!(!options.contains("acme.test"), "{options}");
    assert!(options.contains("*.other.test|other.test|"), "{options}");
    assert!(!options.contains('@'), "{options}");
    assert!(!options.contains("authsome:"), "{options}");
}

/// The certificates in a text, each as one line of base64.
fn certificates(text: &str) -> BTreeSet<String> {
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let bodies = blocks.filter_map(|block| block.split_once("-----END").map(|(body, _)| body));
    bodies
        .map(|body| body.split_whitespace().collect())
        .collect()
}

#[test]
fn what_the_jdk_s_own_tool_reads_of_the_trust_store_is_the_bundle() {
    // Only where there is one. It reads without a password, and with any.
    if Command::new("keytool").arg("-help").output().is_err() {
        return;
    }
    let home = Home::new();
    let origin = Origin::plain(|_| {});
    for password in ["", "-storepass changeit"] {
        let script = format!(
            "cat \"$SSL_CERT_FILE\"; echo =
             echo | keytool -list -rfc -keystore \"${{SSL_CERT_FILE%pem}}p12\" {password} 2>/dev/null"
        );
        let output = home
            .authsome(["run", "--", "sh", "-c", &script])
            .env("SSL_CERT_FILE", origin.ca_file())
            .run();
        output.assert_code(0);
        let text = output.stdout();
        let (bundle, store) = text.split_once("\n=\n").expect("two parts");
        // What this machine's tools trust is in it too.
        let count = certificates(bundle).len();
        assert!(count >= 2, "{output}");
        assert_eq!(certificates(store), certificates(bundle), "{output}");
        assert_eq!(store.matches("trustedCertEntry").count(), count, "{output}");
    }
}

#[test]
fn the_program_of_another_user_can_read_the_trust_store() {
    if !is_root() {
        return;
    }
    let home = with_java();
    for name in ["", "home", "tmp"] {
        let mode = fs::Permissions::from_mode(0o711);
        fs::set_permissions(home.path(name), mode).expect("its mode");
    }
    let script = "cat \"${SSL_CERT_FILE%pem}p12\" | wc -c";
    let output = home
        .authsome(["run", "--user", "65534", "--", "sh", "-c", script])
        .env("JAVA_HOME", "/opt/java")
        .folder("/".into())
        .run();
    output.assert_code(0);
    let size: usize = output.stdout().trim().parse().expect("a number");
    assert!(size > 1000, "{output}");
}

/// What a child's PHP_INI_SCAN_DIR is, and what is in the file that a run puts there; with a PHP that is never started.
fn php_settings(cmd: Cmd) -> String {
    let script = "printf '%s\n' \"$PHP_INI_SCAN_DIR\"; while read -r line; do echo \"$line\"; done <\"${PHP_INI_SCAN_DIR##*:}/authsome.ini\"";
    let output = cmd
        .args(["run", "--", "/bin/sh", "-c"])
        .arg(format!("{script}; echo \"$SSL_CERT_FILE\""))
        .run();
    output.assert_code(0).assert_quiet();
    output.stdout()
}

#[test]
fn php_gets_settings_that_name_the_bundle_beside_those_that_it_has() {
    let home = Home::new();
    fs::create_dir(home.path("bin")).expect("a folder");
    symlink("/bin/sh", home.path("bin/php")).expect("a link");
    let authsome = || Cmd::new(&home, BINARY).env("PATH", home.path("bin"));
    for (of_parent, start) in [(None, ":/"), (Some(""), "/"), (Some(":/own"), ":/own:/")] {
        let cmd = of_parent.map_or_else(authsome, |own| authsome().env("PHP_INI_SCAN_DIR", own));
        let text = php_settings(cmd);
        let lines: Vec<&str> = text.lines().collect();
        let [folders, curl, openssl, bundle] = lines[..] else {
            panic!("{text}");
        };
        assert!(folders.starts_with(start), "{text}");
        assert_eq!(curl, format!("curl.cainfo=\"{bundle}\""));
        assert_eq!(openssl, format!("openssl.cafile=\"{bundle}\""));
    }
}

#[test]
fn where_there_is_no_php_its_folders_stay_as_they_are() {
    let home = Home::new();
    fs::create_dir(home.path("bin")).expect("a folder");
    let script = "printf %s \"${PHP_INI_SCAN_DIR-none}\"";
    let cmd = || {
        let cmd = home.authsome(["run", "--", "/bin/sh", "-c", script]);
        cmd.env("PATH", home.path("bin"))
    };
    assert_eq!(cmd().run().stdout(), "none");
    assert_eq!(
        cmd().env("PHP_INI_SCAN_DIR", ":/own").run().stdout(),
        ":/own"
    );
}

/// Returns the file that a run names in apt's or wget's variable; the tool itself is never started.
fn downloader_settings(cmd: Cmd, variable: &str) -> String {
    let script = format!(
        "while read -r line; do echo \"$line\"; done <\"${variable}\"; echo \"$SSL_CERT_FILE\""
    );
    let output = cmd.args(["run", "--", "/bin/sh", "-c"]).arg(script).run();
    output.assert_code(0).assert_quiet();
    output.stdout()
}

#[test]
fn apt_and_wget_get_settings_that_name_the_bundle_beside_those_that_they_have() {
    let home = Home::new();
    fs::create_dir(home.path("bin")).expect("a folder");
    for program in ["apt-get", "wget"] {
        symlink("/bin/sh", home.path("bin").join(program)).expect("a link");
    }
    let own = home.path("own");
    fs::write(&own, "tries = 3\n").expect("a file");
    let authsome = |variable: &str| {
        let cmd = Cmd::new(&home, BINARY).env("PATH", home.path("bin"));
        downloader_settings(cmd.env(variable, &own), variable)
    };
    let text = authsome("APT_CONFIG");
    let [include, ca, user, bundle] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    assert_eq!(include, format!("#include \"{}\";", own.display()));
    assert_eq!(ca, format!("Acquire::https::CaInfo \"{bundle}\";"));
    assert_eq!(user, "APT::Sandbox::User \"root\";");
    let text = authsome("SYSTEM_WGETRC");
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let [tries, ca, bundle] = lines[..] else {
        panic!("{text}");
    };
    assert_eq!(tries, "tries = 3");
    assert_eq!(ca, format!("ca_certificate = {bundle}"));
}

#[test]
fn where_there_is_no_apt_and_no_wget_their_variables_stay_as_they_are() {
    let home = Home::new();
    fs::create_dir(home.path("bin")).expect("a folder");
    let script = "printf %s \"${APT_CONFIG-none} ${SYSTEM_WGETRC-none}\"";
    let cmd = || {
        let cmd = home.authsome(["run", "--", "/bin/sh", "-c", script]);
        cmd.env("PATH", home.path("bin"))
    };
    assert_eq!(cmd().run().stdout(), "none none");
    assert_eq!(cmd().env("APT_CONFIG", "/own").run().stdout(), "/own none");
}
