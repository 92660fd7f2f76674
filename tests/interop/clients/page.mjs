// Drives the page of `authsome login` in headless Chromium: as a person who enters a key, and as a website that would like to.
//
//     MODULES=node_modules WORK=FOLDER SCREENSHOTS=FOLDER node page.mjs AUTHSOME

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const { chromium } = createRequire(`${process.env.MODULES}/`)("playwright-core");
const [authsome] = process.argv.slice(2);
const { WORK: work, SCREENSHOTS: screenshots } = process.env;
mkdirSync(screenshots, { recursive: true });

const key = "sk-interop-0123456789abcdefghijklmnop";
// Anthropic's beginning: no key of OpenAI's.
const wrongKey = "sk-ant-api03-interop-wrong-0123456789";
// Longer than anything takes here, but for a browser on a busy machine.
const patience = 15_000;

// --- A login ---------------------------------------------------------------------------------------------------------------------

/** The environment of authsome: no browser and no terminal to be found by it. */
const environment = (home) => ({ PATH: process.env.PATH, HOME: work, AUTHSOME_HOME: home });

/** `authsome login` with nobody at a terminal, as an agent runs it: its page's URL, and its end. */
async function login(...words) {
  const home = mkdtempSync(join(work, "home-"));
  const child = spawn(authsome, ["login", ...words], { env: environment(home), stdio: ["ignore", "pipe", "pipe"] });
  started.add(child);
  let said = "";
  child.stdout.on("data", (data) => (said += data));
  const ended = new Promise((resolve) => child.on("close", resolve)).finally(() => started.delete(child));
  const url = await new Promise((resolve, reject) => {
    child.stderr.on("data", (data) => {
      said += data;
      const found = said.match(/http:\/\/127\.0\.0\.1:\d+\/\w+/);
      if (found) resolve(found[0]);
    });
    ended.then((code) => reject(new Error(`authsome ended with code ${code} before there was a page: ${said}`)));
  });
  const ask = (...args) => execFileSync(authsome, args, { env: environment(home), encoding: "utf8", stdio: "pipe" });
  return {
    url,
    origin: new URL(url).origin,
    said: () => said,
    /** The exit code; undefined while it runs. */
    exitCode: () => child.exitCode,
    ended: () => within(ended, "authsome ends"),
    connections: () => JSON.parse(ask("list", "--json")).connections,
    variables: () => JSON.parse(ask("export", "--format", "json")),
    get: (provider) => ask("get", provider),
  };
}

const started = new Set();

/** What is promised, or an error that says what didn't happen. */
function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${patience / 1000} s: ${what}`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// --- A browser -------------------------------------------------------------------------------------------------------------------

// Browsers do keep pages for the back button, so this one has to.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  ignoreDefaultArgs: ["--disable-back-forward-cache"],
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // A name of a website's that leads to this machine.
    "--host-resolver-rules=MAP evil.test 127.0.0.1",
  ],
});

/** A person's tab. What must never happen in one is noted, and is asked for by `clean`. */
async function tab(login, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 760 }, ...options });
  contexts.add(context);
  context.setDefaultTimeout(patience);
  const faults = [];
  context.on("request", (request) => {
    const isOurs = request.url() === login.url || request.url().startsWith("data:");
    if (!isOurs) faults.push(`asked for ${request.url()}`);
  });
  const open = async () => {
    const page = await context.newPage();
    page.on("pageerror", (error) => faults.push(`error: ${error}`));
    page.on("console", (message) => {
      // Chromium reports the status of a form with a mistake in it; it is meant to have one.
      if (!message.text().includes("status of 422")) faults.push(`console: ${message.text()}`);
    });
    await page.goto(login.url);
    return page;
  };
  return { open, context, clean: () => assert.deepEqual(faults, []) };
}

const contexts = new Set();

const keyField = (page) => page.getByLabel("Key or token");
/** What a function gives on the page: asked again where a navigation came in between, as one to an error page may. */
async function settled(page, ask) {
  for (let left = 20; ; left -= 1) {
    try {
      return await page.evaluate(ask);
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** What has the focus: its id, or the words on it. A browser gives it when it first draws the page, which may be after it was loaded. */
async function focused(page) {
  const ask = () => (document.activeElement === document.body ? "" : document.activeElement.id || document.activeElement.textContent);
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await settled(page, ask);
    if (found || Date.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Enters a key by the keyboard, which the field has at once. */
async function enter(page, text) {
  assert.equal(await focused(page), "key");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

const seesSuccess = (page) => page.getByRole("heading", { name: "is connected" }).waitFor();
const seesError = (page) => page.getByRole("alert").waitFor();

/** What a screen reader is told: role, name, description and state of each thing that has a role for it. */
async function spoken(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  return nodes
    .filter((node) => !node.ignored)
    .map((node) => ({
      role: node.role?.value,
      name: node.name?.value ?? "",
      description: node.description?.value ?? "",
      ...Object.fromEntries((node.properties ?? []).map(({ name, value }) => [name, value.value])),
    }));
}

/** The contrast of all text, buttons and placeholders with what is behind them (WCAG 2.2, 1.4.3), and of the field's frame (1.4.11). */
const contrasts = (page) =>
  page.evaluate(() => {
    const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
    const luminance = (colour) => {
      const [r, g, b] = channels(colour).map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (one, other) => {
      const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = getComputedStyle(at).backgroundColor;
        const alpha = channels(colour)[3] ?? 1;
        if (alpha === 1) return colour;
        if (alpha !== 0) throw new Error(`half-transparent: ${colour}`);
      }
      return "rgb(255, 255, 255)";
    };
    const found = [];
    const add = (what, least, colour, back) => found.push({ what, least, contrast: contrast(colour, back) });
    for (const element of document.querySelectorAll("body *")) {
      const style = getComputedStyle(element);
      const text = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if (text) add(element.textContent.trim().slice(0, 40), 4.5, style.color, behind(element));
      if (element.matches("input:not([type=hidden])")) {
        add(`what is typed into ${element.id}`, 4.5, style.color, behind(element));
        add(`placeholder of ${element.id}`, 4.5, getComputedStyle(element, "::placeholder").color, behind(element));
        add(`frame of ${element.id}`, 3, style.borderTopColor, behind(element.parentElement));
      }
    }
    return found;
  });

const screenshot = (page, name) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });

// --- A website -------------------------------------------------------------------------------------------------------------------

// Another origin on this machine: a site that is let in as far as one can be, since 127.0.0.1 is the same site at another port.
const website = http.createServer((_, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>Another page</title><p>Another page");
});
await new Promise((resolve) => website.listen(0, "127.0.0.1", resolve));
const websitePort = website.address().port;

// --- The checks ------------------------------------------------------------------------------------------------------------------

let passed = 0;
let failed = 0;

async function check(name, test) {
  try {
    await test();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}`);
    console.log(`${error.stack}`.replace(/^/gm, "    | "));
  }
  await Promise.all([...contexts].map((context) => context.close()));
  contexts.clear();
  for (const child of started) child.kill();
}

for (const javaScriptEnabled of [true, false]) {
  await check(`a key is entered and stored, JavaScript ${javaScriptEnabled ? "on" : "off"}`, async () => {
    const running = await login("openai");
    const { open, clean } = await tab(running, { javaScriptEnabled });
    const page = await open();
    assert.equal(await page.title(), "Connect OpenAI");
    await enter(page, key);
    await seesSuccess(page);
    assert.equal(await page.title(), "OpenAI is connected");
    assert.equal(await running.ended(), 0, running.said());
    assert.equal((await page.content()).includes(key), false);
    const [connection, ...others] = running.connections();
    assert.deepEqual([connection.provider, connection.connection, others], ["openai", "default", []]);
    assert.deepEqual(running.variables(), { OPENAI_API_KEY: key });
    assert.equal(running.said().includes(key), false);
    clean();
  });
}

await check("spaces that were copied along are no part of the key", async () => {
  const running = await login("openai");
  const page = await (await tab(running)).open();
  await enter(page, ` ${key} `);
  await seesSuccess(page);
  assert.equal(await running.ended(), 0);
  assert.deepEqual(running.variables(), { OPENAI_API_KEY: key });
});

await check("the keyboard is enough: focus, order, Space on a button", async () => {
  const running = await login("openai");
  const { open, clean } = await tab(running);
  const page = await open();
  const order = [await focused(page)];
  for (let count = 0; count < 3; count += 1) {
    await page.keyboard.press("Tab");
    order.push(await focused(page));
  }
  assert.deepEqual(order, ["key", "https://platform.openai.com/api-keys", "Store the key", "Cancel"]);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid");
  for (let count = 0; count < 3; count += 1) await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(page), "key");
  await page.keyboard.type(key);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await seesSuccess(page);
  assert.equal(await running.ended(), 0);
  clean();
});

await check("what a screen reader is told of the form", async () => {
  const running = await login("openai");
  const page = await (await tab(running)).open();
  const nodes = await spoken(page);
  const field = nodes.find(({ role }) => role === "textbox");
  assert.equal(field.name, "Key or token");
  assert.match(field.description, /^A key starts with sk-\./);
  assert.equal(field.required, true);
  assert.equal(field.invalid, "false");
  assert.equal(nodes.filter(({ role }) => role === "heading").length, 1);
  assert.equal(nodes.filter(({ role }) => role === "main").length, 1);
  const nameless = nodes.filter(({ role, name }) => ["textbox", "button", "link"].includes(role) && !name.trim());
  assert.deepEqual(nameless, []);
  assert.equal(await page.getAttribute("html", "lang"), "en");
});

await check("a wrong key: the reason is shown and told, the key is gone, and a right one is taken", async () => {
  const running = await login("openai");
  const { open, clean } = await tab(running);
  const page = await open();
  await enter(page, wrongKey);
  await seesError(page);
  assert.equal(await page.title(), "Error: Connect OpenAI");
  assert.match(await page.getByRole("alert").textContent(), /^This looks like a key of Anthropic .*not of OpenAI.*\.$/);
  assert.equal((await page.content()).includes(wrongKey), false);
  assert.equal(await keyField(page).inputValue(), "");
  const field = (await spoken(page)).find(({ role }) => role === "textbox");
  assert.equal(field.invalid, "true");
  assert.match(field.description, /^This looks like a key of Anthropic.*A key starts with sk-/);
  assert.equal(await focused(page), "key");
  assert.equal(running.exitCode(), null);
  assert.deepEqual(running.connections(), []);
  await enter(page, key);
  await seesSuccess(page);
  assert.equal(await running.ended(), 0);
  clean();
});

await check("an empty field is not sent", async () => {
  const running = await login("openai");
  const { open, clean } = await tab(running);
  const page = await open();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.querySelector(":invalid:not(form)").id), "key");
  assert.equal(await page.title(), "Connect OpenAI");
  clean();
});

await check("cancelling, with the field empty", async () => {
  const running = await login("openai");
  const { open, clean } = await tab(running);
  const page = await open();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "Cancelled" }).waitFor();
  assert.equal(await running.ended(), 1);
  assert.match(running.said(), /the person cancelled/);
  assert.deepEqual(running.connections(), []);
  clean();
  await screenshot(page, "cancelled");
});

await check("two tabs: both are good until one is used, then there is nothing", async () => {
  const running = await login("openai");
  const { open, context, clean } = await tab(running);
  const [first, second] = [await open(), await open()];
  await enter(second, wrongKey);
  await seesError(second);
  await enter(first, key);
  await seesSuccess(first);
  assert.equal(await running.ended(), 0);
  await assert.rejects((await context.newPage()).goto(running.url), /ERR_CONNECTION_REFUSED/);
  clean();
});

for (const mistakes of [0, 1]) {
  await check(`the back button after ${mistakes ? "a mistake and " : ""}success: nothing is sent, no key is shown`, async () => {
    const running = await login("openai");
    const { open, context } = await tab(running);
    const page = await open();
    if (mistakes) {
      await enter(page, wrongKey);
      await seesError(page);
    }
    await enter(page, key);
    await seesSuccess(page);
    assert.equal(await running.ended(), 0);
    // Whoever has the port next must get nothing of it.
    const heard = [];
    const next = http.createServer((request, response) => {
      heard.push(request.method);
      response.end("next");
    });
    await new Promise((resolve) => next.listen(new URL(running.url).port, "127.0.0.1", resolve));
    try {
      await page.goBack({ timeout: 5000 }).catch(() => {});
      assert.equal(await page.getByRole("heading", { name: "is connected" }).count(), 0);
      const left = await settled(page, () => [...document.querySelectorAll("input")].map((input) => input.value).join(" "));
      assert.equal(left.includes("sk-"), false, left);
      assert.equal(heard.includes("POST"), false, heard.join(" "));
    } finally {
      await context.close();
      next.closeAllConnections();
      await new Promise((resolve) => next.close(resolve));
    }
  });
}

await check("the browser's history and storage have nothing of the key", async () => {
  const running = await login("openai");
  const { open, context } = await tab(running);
  const page = await open();
  await enter(page, key);
  await seesSuccess(page);
  assert.equal(page.url(), running.url);
  assert.deepEqual(await context.storageState(), { cookies: [], origins: [] });
});

for (const colorScheme of ["light", "dark"]) {
  await check(`contrast, ${colorScheme}`, async () => {
    const faint = [];
    const judge = async (page, name) => {
      for (const found of await contrasts(page)) {
        if (found.contrast < found.least) faint.push(`${name}: ${found.what} ${found.contrast.toFixed(2)}`);
      }
      await screenshot(page, `${name}-${colorScheme}`);
    };
    const running = await login("openai");
    const page = await (await tab(running, { colorScheme })).open();
    await judge(page, "form");
    await enter(page, wrongKey);
    await seesError(page);
    await judge(page, "error");
    await enter(page, key);
    await seesSuccess(page);
    await judge(page, "success");
    // The one with most fields.
    const jira = await login("jira-token");
    await judge(await (await tab(jira, { colorScheme })).open(), "fields");
    assert.deepEqual(faint, []);
  });
}

// 320 pixels are a page of 1,280 at 400 % too (WCAG 2.2, 1.4.10).
await check("nothing is wider than a window of 320 pixels", async () => {
  const viewport = { width: 320, height: 640 };
  const isNarrow = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  for (const provider of ["openai", "jira-token", "azure-openai", "twilio"]) {
    const running = await login(provider);
    const page = await (await tab(running, { viewport })).open();
    assert.ok(await isNarrow(page), provider);
    await screenshot(page, `narrow-${provider}`);
    if (provider === "openai") {
      await enter(page, wrongKey);
      await seesError(page);
      assert.ok(await isNarrow(page), "the error");
      await screenshot(page, "narrow-error");
    }
  }
});

await check("the answer's fields: nothing is kept, framed, run or told to others", async () => {
  const running = await login("openai");
  const response = await fetch(running.url);
  assert.equal(response.status, 200);
  const field = (name) => response.headers.get(name);
  assert.equal(field("cache-control"), "no-store");
  assert.equal(field("referrer-policy"), "same-origin");
  assert.equal(field("x-content-type-options"), "nosniff");
  assert.equal(field("x-frame-options"), "DENY");
  assert.equal(field("cross-origin-opener-policy"), "same-origin");
  assert.equal(field("cross-origin-resource-policy"), "same-origin");
  const policy = field("content-security-policy");
  for (const part of ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    assert.ok(policy.includes(part), policy);
  }
  assert.equal(policy.includes("unsafe"), false);
  assert.equal((await fetch(`${running.origin}/`)).status, 404);
});

await check("the page can't be framed by another", async () => {
  const running = await login("openai");
  const page = await (await browser.newContext()).newPage();
  contexts.add(page.context());
  await page.goto(`http://127.0.0.1:${websitePort}/`);
  await page.evaluate((url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    document.body.append(frame);
    return new Promise((resolve) => (frame.onload = resolve));
  }, running.url);
  const texts = await Promise.all(page.frames().map((frame) => frame.locator("body").textContent()));
  assert.equal(texts.some((text) => text.includes("Connect OpenAI")), false);
});

// A site that has got hold of everything but the form's token, and one that has got that too: the same site as the page at another
// port, and a wholly other one.
for (const host of ["127.0.0.1", "evil.test"]) {
  await check(`a website at ${host} can't send the form, by form or by fetch`, async () => {
    const running = await login("openai");
    const token = (await (await fetch(running.url)).text()).match(/name="token" value="(\w+)"/)[1];
    const context = await browser.newContext();
    contexts.add(context);
    const page = await context.newPage();
    const statuses = [];
    page.on("response", (response) => {
      if (response.url().startsWith(running.origin)) statuses.push(response.status());
    });
    for (const url of [`${running.origin}/`, `${running.origin}/guessed`, running.url]) {
      await page.goto(`http://${host}:${websitePort}/`);
      const body = new URLSearchParams({ token, key, action: "store" }).toString();
      const read = await page.evaluate(
        async ([url, body]) => {
          const headers = { "Content-Type": "application/x-www-form-urlencoded" };
          const send = (mode) => fetch(url, { method: "POST", mode, headers, body }).then((answer) => answer.text());
          const plain = await send("no-cors").catch((error) => `${error}`);
          const cors = await send("cors").catch((error) => `${error}`);
          return [plain, cors];
        },
        [url, body],
      );
      for (const text of read) assert.match(text, /^(TypeError: Failed to fetch)?$/);
      const answer = page.waitForResponse((response) => response.url() === url);
      await page.evaluate(
        ([url, fields]) => {
          const form = document.createElement("form");
          form.method = "post";
          form.action = url;
          for (const [name, value] of Object.entries(fields)) {
            const input = document.createElement("input");
            [input.name, input.value] = [name, value];
            form.append(input);
          }
          document.body.append(form);
          form.submit();
        },
        [url, { token, key, action: "store" }],
      );
      assert.equal((await answer).status(), 403);
      await page.waitForLoadState();
      assert.match(await page.locator("body").textContent(), /another site/);
    }
    // Those that the browser itself has not held back were all refused.
    assert.ok(statuses.length >= 3 && statuses.every((status) => status === 403), statuses.join(" "));
    assert.equal(running.exitCode(), null);
    assert.deepEqual(running.connections(), []);
  });
}

await check("a name that was made to lead here (DNS rebinding) is refused", async () => {
  const running = await login("openai");
  const { port, pathname } = new URL(running.url);
  const context = await browser.newContext();
  contexts.add(context);
  const page = await context.newPage();
  const response = await page.goto(`http://evil.test:${port}${pathname}`);
  assert.equal(response.status(), 403);
  assert.equal((await page.content()).includes("token"), false);
  // From there, everything on that origin is the site's own: the browser holds back nothing.
  const sent = await page.evaluate(
    async ([path, body]) => (await fetch(path, { method: "POST", body })).status,
    [pathname, new URLSearchParams({ key })],
  ).catch((error) => `${error}`);
  assert.ok(sent === 403 || /Failed to fetch/.test(sent), `${sent}`);
  assert.deepEqual(running.connections(), []);
});

await check("a provider with a user name asks for it, and stores it", async () => {
  const running = await login("twilio");
  const { open, clean } = await tab(running);
  const page = await open();
  assert.equal(await focused(page), "username");
  const fields = (await spoken(page)).filter(({ role }) => role === "textbox");
  assert.deepEqual(fields.map(({ name }) => name), ["User name", "Key or token"]);
  assert.match(fields[0].description, /TWILIO_ACCOUNT_SID/);
  await page.keyboard.type("AC0123");
  await page.keyboard.press("Tab");
  await enter(page, "twilio-secret-0123456789");
  await seesSuccess(page);
  assert.equal(await running.ended(), 0);
  assert.deepEqual(running.variables(), { TWILIO_AUTH_TOKEN: "twilio-secret-0123456789" });
  const about = running.get("twilio");
  assert.match(about, /AC0123/);
  clean();
});

await check("a provider of one's own installation asks for its URL; a bad one is told at that field", async () => {
  const running = await login("azure-openai");
  const { open, clean } = await tab(running);
  const page = await open();
  assert.equal(await focused(page), "url");
  await page.keyboard.type("http://interop.openai.azure.com");
  await page.keyboard.press("Tab");
  await enter(page, "azure-secret-0123456789");
  await seesError(page);
  const [url, secret] = (await spoken(page)).filter(({ role }) => role === "textbox");
  assert.equal(await page.getByLabel("URL of your Azure OpenAI").inputValue(), "http://interop.openai.azure.com");
  assert.deepEqual([url.invalid, secret.invalid], ["true", "false"]);
  assert.equal(url.description, "This URL can't be used: a credential goes over https only.");
  assert.equal(await focused(page), "url");
  await screenshot(page, "error-url");
  await page.getByLabel("URL of your Azure OpenAI").fill("https://interop.openai.azure.com");
  await page.keyboard.press("Tab");
  await enter(page, "azure-secret-0123456789");
  await seesSuccess(page);
  assert.equal(await running.ended(), 0);
  assert.match(running.get("azure-openai"), /https:\/\/interop\.openai\.azure\.com/);
  clean();
});

await check("a form without the URL that is needed is refused, whatever sends it", async () => {
  const running = await login("azure-openai");
  const token = (await (await fetch(running.url)).text()).match(/name="token" value="(\w+)"/)[1];
  const body = new URLSearchParams({ token, key: "azure-secret-0123456789", action: "store" });
  const response = await fetch(running.url, { method: "POST", body });
  assert.equal(response.status, 422);
  assert.deepEqual(running.connections(), []);
});

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
// Whatever a check that failed has left open.
process.exit(failed ? 1 : 0);
