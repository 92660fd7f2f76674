// Logs in by OAuth as a person does: `authsome login` says where to go, headless Chromium goes there, through the server's own pages
// (idp.mjs), and what comes back is used by `authsome run`.
//
//     MODULES=node_modules WORK=FOLDER SCREENSHOTS=FOLDER CA=FILE RECORD=FILE SPKI=HASH PORTS='{"idp": 1, "api": 2}' IDP=PID
//         OAUTH_SECONDS=15 node oauth.mjs AUTHSOME

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { createRequire } from "node:module";
import http from "node:http";
import https from "node:https";
import { join } from "node:path";

const { chromium } = createRequire(`${process.env.MODULES}/`)("playwright-core");
const [authsome] = process.argv.slice(2);
const { WORK: work, SCREENSHOTS: screenshots, CA: ca, RECORD: record, SPKI: spki, IDP: idp } = process.env;
const ports = JSON.parse(process.env.PORTS);
const seconds = Number(process.env.OAUTH_SECONDS);
mkdirSync(screenshots, { recursive: true });

// Longer than anything takes here, but for a browser on a busy machine; a device has to be asked for twice, five seconds apart.
const patience = 20_000;
const mcp = "https://api.test/mcp";
const oddSecret = 's:e%2Bc r+e/t=&"0123456789';

// --- The server's side -----------------------------------------------------------------------------------------------------------

/** What has happened there, of one kind. */
const happened = (event) =>
  readFileSync(record, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter((line) => line.event === event);

/** Waits until a function gives something. */
async function eventually(what, ask) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = ask();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ${patience / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Has the server forget a client, by the way that is for it (RFC 7592 section 2.3). */
function unregister({ place, token }) {
  const { pathname } = new URL(place);
  const headers = { Host: "idp.test", Authorization: `Bearer ${token}` };
  const options = { host: "127.0.0.1", port: ports.idp, path: pathname, method: "DELETE", servername: "idp.test", headers };
  return new Promise((resolve, reject) => {
    const request = https.request({ ...options, ca: readFileSync(ca) }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
    request.end();
  });
}

/** Has the server forget everything but what it started with. */
async function forget() {
  const before = happened("forgotten").length;
  process.kill(Number(idp), "SIGHUP");
  await eventually("the server forgets", () => happened("forgotten").length > before);
}

// --- authsome --------------------------------------------------------------------------------------------------------------------

const endpoints = {
  authorization_url: "https://idp.test/auth",
  token_url: "https://idp.test/token",
  device_authorization_url: "https://idp.test/device/auth",
  revocation_url: "https://idp.test/token/revocation",
};
// Without being asked for consent nobody gets a refresh token (OpenID Connect Core, section 11).
const usual = { scopes: ["openid", "offline_access"], authorization_params: { prompt: "consent" } };

/** The definitions: the flow of each, and what it says of OAuth. */
const providers = {
  acme: ["pkce", { ...endpoints, ...usual, issuer: "https://idp.test", client_id: "public" }],
  "acme-short": ["pkce", { ...endpoints, ...usual, client_id: "short" }],
  "acme-basic": ["pkce", { ...endpoints, ...usual, client_auth: "basic" }],
  "acme-post": ["pkce", { ...endpoints, ...usual, client_auth: "body" }],
  "acme-other": ["pkce", { ...endpoints, ...usual, issuer: "https://other.test", client_id: "public" }],
  "acme-bare": ["pkce", { ...endpoints, ...usual, pkce: false, client_id: "bare" }],
  "acme-plain": ["pkce", { ...endpoints, ...usual, pkce: false, client_id: "public" }],
  "acme-device": ["device_code", { ...endpoints, scopes: usual.scopes, client_id: "device" }],
  "acme-found": ["dcr_pkce", { ...usual, issuer: "https://idp.test" }],
  // Not even who gives the tokens: the API says it.
  "acme-mcp": ["dcr_pkce", { ...usual, scopes: [...usual.scopes, "mcp:use"] }],
};

const definitions = mkdtempSync(join(work, "definitions-"));
for (const [name, [flow, oauth]] of Object.entries(providers)) {
  const definition = {
    schema_version: 1,
    name,
    display_name: "Acme",
    auth_type: "oauth2",
    flow,
    api_url: name === "acme-mcp" ? "api.test/mcp" : "api.test",
    oauth,
    export: { ACME_TOKEN: "ACCESS_TOKEN" },
  };
  writeFileSync(join(definitions, `${name}.json`), JSON.stringify(definition));
}

const at = (host, port) => ["--connect-to", `${host}:443:127.0.0.1:${port}`];
const reach = ["--upstream-ca", ca, ...at("idp.test", ports.idp), ...at("api.test", ports.api)];

/** All that authsome and what it ran have said in all checks. */
let everything = "";
const started = new Set();
const homes = [];

/** A port that is free now, for the browser to come back to: 7999 is likely to be taken by whoever else tests on this machine. */
async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `${port}`;
}

/** A home of authsome's that knows the definitions. */
function newHome() {
  const home = mkdtempSync(join(work, "home-"));
  homes.push(home);
  const environment = { PATH: process.env.PATH, HOME: home, AUTHSOME_HOME: join(home, "authsome") };
  const ask = (...words) => execFileSync(authsome, words, { env: environment, encoding: "utf8", stdio: "pipe" });
  for (const name of Object.keys(providers)) ask("register", join(definitions, `${name}.json`), "--quiet");

  /** Starts authsome: what it says, and its end. */
  function start(words, more = {}) {
    const child = spawn(authsome, words, { env: { ...environment, ...more }, stdio: ["ignore", "pipe", "pipe"] });
    started.add(child);
    let out = "";
    let said = "";
    child.stdout.on("data", (data) => {
      out += data;
      said += data;
    });
    child.stderr.on("data", (data) => (said += data));
    const ended = new Promise((resolve) => child.on("close", resolve)).then((code) => {
      started.delete(child);
      everything += said;
      return code;
    });
    return {
      out: () => out,
      said: () => said,
      ended,
      /** What a pattern finds in what it says. */
      async says(pattern) {
        let code;
        ended.then((value) => (code = value));
        return eventually(`authsome says ${pattern}: ${said}`, () => {
          if (!pattern.test(said) && code !== undefined) throw new Error(`authsome ended with code ${code}: ${said}`);
          return said.match(pattern);
        });
      },
    };
  }

  return {
    ask: (...words) => ask(words[0], ...reach, ...words.slice(1)),
    login: (...words) => start(["login", ...reach, ...words]),
    loginWith: (more, ...words) => start(["login", ...reach, ...words], more),
    run: (...words) => start(["run", ...reach, "--", ...words]),
    connections: () => JSON.parse(ask("list", "--json")).connections,
    /** What the API says to a request of curl's, and what the child had in its hands. */
    async whoami(url = "https://api.test/whoami") {
      const running = this.run("sh", "-c", `curl -sS "$1"; echo "holds $ACME_TOKEN"`, "sh", url);
      assert.equal(await running.ended, 0, running.said());
      const [line, holds] = running.out().split("\n");
      assert.equal(holds, "holds authsome-proxy-managed");
      return JSON.parse(line);
    },
  };
}

// --- A browser -------------------------------------------------------------------------------------------------------------------

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // The server's pages want a font from elsewhere: nothing but this machine is to be asked.
    `--host-resolver-rules=MAP idp.test:443 127.0.0.1:${ports.idp}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    // No other certificate than the server's own is let through.
    `--ignore-certificate-errors-spki-list=${spki}`,
  ],
});
const contexts = new Set();

/** A person's tab: they have never been there. */
async function tab(url) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 760 } });
  contexts.add(context);
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** Signs in: the server takes any name and password. */
async function signIn(page, who = "alice") {
  await page.getByPlaceholder("Enter any login").fill(who);
  await page.getByPlaceholder("and password").fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("heading", { name: "Authorize" }).waitFor();
}

const press = (page, name) => page.getByRole("button", { name }).click();
const cancel = (page) => page.getByRole("link", { name: "Cancel" }).click();
const sees = (page, heading) => page.getByRole("heading", { name: heading, exact: true }).waitFor();
const screenshot = (page, name) => page.screenshot({ path: join(screenshots, `oauth-${name}.png`), fullPage: true });

/** The address that a login says: its start page. */
async function startPage(running) {
  const [url] = await running.says(/http:\/\/127\.0\.0\.1:\d+\/login\/\w+/);
  return url;
}

/** That page in a tab, which leads to the server. */
const opened = async (running) => tab(await startPage(running));

/** A whole login in the browser. */
async function agreed(running, who) {
  const page = await opened(running);
  await signIn(page, who);
  await press(page, "Continue");
  await sees(page, "Acme is connected");
  assert.equal(await running.ended, 0, running.said());
  return page;
}

// --- The checks ------------------------------------------------------------------------------------------------------------------

let passed = 0;
let failed = 0;

async function check(name, test) {
  try {
    const detail = await test();
    passed += 1;
    console.log(`ok    ${name}${detail ? `: ${detail}` : ""}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}`);
    console.log(`${error.stack}`.replace(/^/gm, "    | "));
    const last = readFileSync(record, "utf8").trimEnd().split("\n").slice(-4);
    console.log(last.map((line) => `    | at the server: ${line.slice(0, 200)}`).join("\n"));
  }
  await Promise.all([...contexts].map((context) => context.close()));
  contexts.clear();
  for (const child of started) child.kill();
}

const port = await freePort();
const back = ["--callback-port", port];

await check("pkce, a public client: the person agrees, and curl reaches the API with the token", async () => {
  const home = newHome();
  const running = home.login("acme", ...back);
  const page = await opened(running);
  const asked = new URL(page.url()).origin;
  assert.equal(asked, "https://idp.test");
  await signIn(page);
  assert.match(await page.locator("body").textContent(), /offline access/);
  await press(page, "Continue");
  await sees(page, "Acme is connected");
  assert.equal(new URL(page.url()).host, `127.0.0.1:${port}`);
  await screenshot(page, "connected");
  assert.equal(await running.ended, 0, running.said());
  const [connection, ...others] = home.connections();
  assert.deepEqual([connection.provider, connection.connection, others], ["acme", "default", []]);
  const about = await home.whoami();
  assert.deepEqual([about.active, about.sub, about.client_id], [true, "alice", "public"]);
  assert.deepEqual(about.scope.split(" ").sort(), ["offline_access", "openid"]);
});

await check("the start page: a fetch ahead of time and a frame leave it as it is, a second visit is told what to do", async () => {
  const home = newHome();
  const running = home.login("acme", ...back);
  const url = await startPage(running);
  const site = http.createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<p>a website"));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  try {
    const other = await tab(`http://127.0.0.1:${site.address().port}/`);
    const seen = [];
    other.on("response", (response) => response.url() === url && seen.push(response.status()));
    await other.evaluate(async (url) => {
      await fetch(url, { mode: "no-cors" }).catch(() => {});
      for (const [name, field] of [["iframe", "src"], ["img", "src"]]) {
        const part = document.createElement(name);
        part[field] = url;
        const over = new Promise((resolve) => (part.onload = part.onerror = resolve));
        document.body.append(part);
        await over;
      }
    }, url);
    assert.ok(seen.length > 0 && seen.every((status) => status === 403), seen.join(" "));
  } finally {
    site.closeAllConnections();
    await new Promise((resolve) => site.close(resolve));
  }
  const page = await tab(url);
  assert.equal(new URL(page.url()).origin, "https://idp.test");
  const again = await page.context().newPage();
  await again.goto(url);
  await sees(again, "This link has been used");
  await screenshot(again, "used");
  await signIn(page);
  await press(page, "Continue");
  await sees(page, "Acme is connected");
  assert.equal(await running.ended, 0, running.said());
  assert.equal(running.said().includes("state="), false);
});

await check("a client with neither PKCE nor a secret: another browser can't come back, that of the start page can", async () => {
  const home = newHome();
  const running = home.login("acme-bare", ...back);
  const page = await opened(running);
  const callback = `http://127.0.0.1:${port}/callback`;
  const cookies = await page.context().cookies(callback);
  assert.deepEqual(cookies.map(({ httpOnly, sameSite, path }) => [httpOnly, sameSite, path]), [[true, "Lax", "/callback"]]);
  // Another browser is one without the cookie.
  await page.context().clearCookies({ domain: "127.0.0.1" });
  await signIn(page, "olga");
  await press(page, "Continue");
  await sees(page, "This browser did not start the login");
  await screenshot(page, "other-browser");
  assert.deepEqual(home.connections(), []);
  const target = page.url();
  await page.context().addCookies(cookies);
  // Sent by a website, as the server would.
  await page.goto("https://idp.test/");
  await page.evaluate((url) => location.assign(url), target);
  await sees(page, "Acme is connected");
  assert.equal(await running.ended, 0, running.said());
  assert.equal((await home.whoami()).sub, "olga");
});

for (const name of ["basic", "post"]) {
  await check(`pkce, a client whose odd secret goes by ${name}`, async () => {
    const home = newHome();
    const words = [`acme-${name}`, "--client-id", name, "--client-secret-from", "env:SECRET", ...back];
    await agreed(home.loginWith({ SECRET: oddSecret }, ...words), "bob");
    const about = await home.whoami();
    assert.deepEqual([about.active, about.sub, about.client_id], [true, "bob", name]);
    // The client is kept: the next login asks for nothing.
    await agreed(home.login(`acme-${name}`, "--connection", "second", ...back), "carol");
    assert.equal(home.connections().length, 2);
  });
}

await check("logging out: the server takes the tokens back", async () => {
  const home = newHome();
  await agreed(home.login("acme", ...back));
  assert.equal((await home.whoami()).active, true);
  const token = home.ask("get", "acme", "--field", "credential", "--show-secret").trim();
  const answer = JSON.parse(home.ask("logout", "acme", "--json"));
  assert.deepEqual(answer.revocations, [{ connection: "default", revoked: true }]);
  assert.deepEqual(home.connections(), []);
  const words = ["-sS", "--cacert", ca, ...at("api.test", ports.api), "-H", `Authorization: Bearer ${token}`];
  const about = JSON.parse(execFileSync("curl", [...words, "https://api.test/whoami"], { encoding: "utf8" }));
  assert.equal(about.active, false);
});

await check("a wrong client secret: the page and the terminal say so, with what to do", async () => {
  const home = newHome();
  const words = ["acme-basic", "--client-id", "basic", "--client-secret-from", "env:SECRET", ...back];
  const running = home.loginWith({ SECRET: "wrong-secret-0123456789" }, ...words);
  const page = await opened(running);
  await signIn(page);
  await press(page, "Continue");
  await sees(page, "Acme is not connected");
  assert.match(await page.getByRole("alert").textContent(), /invalid_client/);
  await screenshot(page, "wrong-secret");
  assert.equal(await running.ended, 1);
  assert.match(running.said(), /cannot log in to acme-basic: .*invalid_client/);
  assert.match(running.said(), /hint: .*--new-client/);
  assert.deepEqual(home.connections(), []);
  // The wrong secret is not in the way of a right one.
  await agreed(home.loginWith({ SECRET: oddSecret }, ...words));
});

await check("the person declines on the page for consent", async () => {
  const home = newHome();
  const running = home.login("acme", ...back);
  const page = await opened(running);
  await signIn(page);
  await cancel(page);
  await sees(page, "Acme is not connected");
  assert.match(await page.getByRole("alert").textContent(), /denied/);
  await screenshot(page, "declined");
  assert.equal(await running.ended, 1);
  assert.match(running.said(), /access was denied/);
  assert.deepEqual(home.connections(), []);
});

await check("without PKCE, which the server insists on: its reason is told", async () => {
  const home = newHome();
  const running = home.login("acme-plain", ...back);
  const page = await opened(running);
  await sees(page, "Acme is not connected");
  assert.equal(await running.ended, 1);
  assert.match(running.said(), /invalid_request.*PKCE/);
});

await check("an answer of another server than the definition names is refused", async () => {
  const home = newHome();
  const before = happened("tokens").length;
  const running = home.login("acme-other", ...back);
  const page = await opened(running);
  await signIn(page);
  await press(page, "Continue");
  await sees(page, "Acme is not connected");
  assert.equal(await running.ended, 1);
  assert.match(running.said(), /comes from another server/);
  // The code was not redeemed.
  assert.equal(happened("tokens").length, before);
});

/** Enters the code that a login shows, and signs in. */
async function enteredCode(running) {
  const [, url] = await running.says(/\n\s+(https:\/\/idp\.test\/device\S*)\n/);
  const [, code] = await running.says(/^as (\S+)\. It is good/m);
  assert.match(code, /^[A-Z]{4}-[A-Z]{4}$/);
  const page = await tab(url);
  await page.getByPlaceholder("Enter code").fill(code);
  await press(page, "Continue");
  await sees(page, "Confirm Device");
  assert.match(await page.locator("body").textContent(), new RegExp(code));
  return page;
}

await check("device code: entered on the server's page while authsome waits", async () => {
  const home = newHome();
  const running = home.login("acme-device");
  const page = await enteredCode(running);
  await press(page, "Continue");
  await signIn(page, "dora");
  await press(page, "Continue");
  await sees(page, "Sign-in Success");
  assert.equal(await running.ended, 0, running.said());
  const about = await home.whoami();
  assert.deepEqual([about.active, about.sub, about.client_id], [true, "dora", "device"]);
  assert.ok(happened("tokens").at(-1).refresh, "no refresh token was given");
});

await check("device code: the person declines", async () => {
  const home = newHome();
  const running = home.login("acme-device");
  const page = await enteredCode(running);
  await press(page, "Abort");
  assert.equal(await running.ended, 1);
  assert.match(running.said(), /access was denied/);
  assert.deepEqual(home.connections(), []);
});

await check("dcr_pkce by the issuer alone: registers, uses the client again, and another when the server has forgotten it", async () => {
  const home = newHome();
  const log_in = (...words) => home.login("acme-found", ...back, ...words);
  const before = happened("registered").length;
  const registered = () => happened("registered").slice(before);
  await agreed(log_in(), "erin");
  assert.equal(registered().length, 1);
  const first = registered()[0];
  let about = await home.whoami();
  assert.deepEqual([about.active, about.sub, about.client_id], [true, "erin", first.client]);

  await agreed(log_in("--force"), "fred");
  assert.equal(registered().length, 1);
  about = await home.whoami();
  assert.deepEqual([about.sub, about.client_id], ["fred", first.client]);

  assert.equal(await unregister(first), 204);
  await agreed(log_in("--force"), "gina");
  assert.equal(registered().length, 2);
  const second = registered()[1];
  about = await home.whoami();
  assert.deepEqual([about.sub, about.client_id], ["gina", second.client]);
  assert.notEqual(first.client, second.client);

  // A client is registered for one address to come back to.
  await agreed(home.login("acme-found", "--callback-port", await freePort(), "--force"), "hugo");
  assert.equal(registered().length, 3);
});

for (const flow of ["dcr_pkce", "device_code"]) {
  await check(`${flow}, found by asking the API alone: the tokens are for that API, refreshed ones too`, async () => {
    const home = newHome();
    if (flow === "device_code") {
      const running = home.login("acme-mcp", "--flow", flow, "--client-id", "device");
      const page = await enteredCode(running);
      await press(page, "Continue");
      await signIn(page, "mona");
      await press(page, "Continue");
      await sees(page, "Sign-in Success");
      assert.equal(await running.ended, 0, running.said());
    } else {
      await agreed(home.login("acme-mcp", ...back), "mona");
    }
    const isRight = ({ active, sub, aud, scope }) =>
      assert.deepEqual([active, sub, aud, scope], [true, "mona", "https://api.test/mcp", "mcp:use"]);
    isRight(await home.whoami(mcp));
    const before = happened("tokens").length;
    const running = home.run("sh", "-c", `curl -sS "$1/spoil" >/dev/null; curl -sS "$1"`, "sh", mcp);
    assert.equal(await running.ended, 0, running.said());
    isRight(JSON.parse(running.out()));
    assert.deepEqual(happened("tokens").slice(before).map(({ grant }) => grant), ["refresh_token"]);
  });
}

await check("a token that the API refuses is replaced, and the request sent again", async () => {
  const home = newHome();
  await agreed(home.login("acme", ...back), "ivan");
  const before = happened("request").length;
  const running = home.run("sh", "-c", 'for at in spoil whoami whoami; do curl -sS -w "%{http_code}\\n" "https://api.test/$at"; done');
  assert.equal(await running.ended, 0, running.said());
  const statuses = happened("request").slice(before).map(({ url, status }) => `${url} ${status}`);
  assert.deepEqual(statuses, ["/spoil 200", "/whoami 401", "/whoami 200", "/whoami 200"]);
  assert.equal(running.out().match(/^200$/gm).length, 3);
});

await check("a token that the API refuses to 20 requests at once: one refresh, and all are sent again", async () => {
  const home = newHome();
  await agreed(home.login("acme", ...back), "nina");
  const before = { requests: happened("request").length, tokens: happened("tokens").length };
  const atOnce = 'curl -sS -o /dev/null -w "%{http_code}\\n" --parallel --parallel-immediate --parallel-max 20 "https://api.test/burst?[1-20]"';
  const running = home.run("sh", "-c", `curl -sS https://api.test/spoil >/dev/null; ${atOnce}`);
  assert.equal(await running.ended, 0, running.said());
  assert.deepEqual(running.out().trim().split("\n"), Array(20).fill("200"));
  const refused = happened("request").slice(before.requests).filter(({ status }) => status === 401).length;
  assert.ok(refused > 1, `${refused} were refused`);
  assert.deepEqual(happened("tokens").slice(before.tokens).map(({ grant }) => grant), ["refresh_token"]);
  return `${refused} were refused`;
});

await check("a server that has forgotten the tokens: the request fails with what to do, and a login mends it", async () => {
  const home = newHome();
  await agreed(home.login("acme-short", ...back), "jane");
  await forget();
  // The end of the access token.
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  const running = home.run("curl", "-sS", "-w", "\n%{http_code}\n", "https://api.test/whoami");
  await running.ended;
  assert.match(running.out(), /^\{"error":"no credential for acme-short: .*log in again"/);
  assert.match(running.out(), /\n502\n$/);
  assert.match(running.said(), /log in again with `authsome login acme-short --force`/);
  await agreed(home.login("acme-short", "--force", ...back), "kate");
  assert.equal((await home.whoami()).sub, "kate");
});

await check(`rotated refresh tokens, ${seconds} s: two runs of one connection, 20 requests a second each, in turn and at once`, async () => {
  const home = newHome();
  await agreed(home.login("acme-short", ...back), "liam");
  // The first requests find a token that has ended.
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  const count = 20 * seconds;
  const before = { requests: happened("request").length, tokens: happened("tokens").length, refused: happened("refused").length };
  const curl = (...more) => ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}\\n", ...more];
  const inTurn = curl("--rate", "20/s", `https://api.test/tick?[1-${count}]`);
  const atOnce = curl("--parallel", "--parallel-immediate", "--parallel-max", "20", "https://api.test/burst?[1-20]");
  const bursts = ["sh", "-c", `for burst in $(seq ${seconds}); do ("$@") & sleep 1; done; wait`, "sh", ...atOnce];
  const runs = [home.run(...inTurn), home.run(...bursts)];
  for (const running of runs) assert.equal(await running.ended, 0, running.said().slice(-2000));
  const requests = happened("request").slice(before.requests);
  const refreshes = happened("tokens").slice(before.tokens);
  const taken = (requests.at(-1).at - requests[0].at) / 1000;
  for (const running of runs) {
    const statuses = running.out().trim().split("\n");
    const others = statuses.filter((status) => status !== "200");
    assert.deepEqual([statuses.length, others], [count, []], running.said().slice(-2000));
  }
  assert.deepEqual(happened("refused").slice(before.refused), []);
  const again = requests.filter(({ status }) => status === 401).length;
  // One refresh serves both runs: a token is replaced when a third of its life is left, so no more than about one in two seconds.
  assert.ok(refreshes.length >= seconds / 3 - 1, `${refreshes.length} refreshes`);
  assert.ok(refreshes.length <= taken / 1.9 + 2, `${refreshes.length} refreshes in ${taken} s`);
  const different = new Set(refreshes.map(({ refresh }) => refresh)).size;
  assert.equal(different, refreshes.length);
  const figures = `${requests.length} requests in ${taken.toFixed(1)} s, ${refreshes.length} refreshes, no 401 at curl`;
  return `${figures}, ${again} at the API that were sent again`;
});

await check("no token and no client's secret is in the clear in a home, or in what was said", async () => {
  const secrets = new Set([oddSecret]);
  for (const { access, refresh } of happened("tokens")) for (const token of [access, refresh]) if (token) secrets.add(token);
  for (const { token } of happened("registered")) secrets.add(token);
  assert.ok(secrets.size > 20);
  const files = [];
  const look = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) look(path);
      else if (entry.isFile()) files.push(path);
    }
  };
  for (const home of homes) look(home);
  for (const path of files) {
    const bytes = readFileSync(path);
    for (const secret of secrets) assert.equal(bytes.includes(secret), false, path);
  }
  for (const secret of secrets) assert.equal(everything.includes(secret), false);
  return `${secrets.size} secrets, ${files.length} files`;
});

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
// Whatever a check that failed has left open.
process.exit(failed ? 1 : 0);
