// An authorization server, and an API that takes its tokens: what `tests/interop/oauth` logs in to.
//
//     MODULES=node_modules [TOKEN_SECONDS=3] node idp.mjs CERTIFICATE KEY CA RECORD
//
// The server is oidc-provider, a certified OpenID provider, with its own pages for people. The API asks it about every token that
// comes (RFC 7662), so what it takes are tokens that the server has really given. Both listen on a port of 127.0.0.1 that the system
// picks; a line of JSON says which. RECORD gets a line of JSON for what happens, tokens and all: the checks look for them where they
// must not be.
//
// HUP makes the server forget all clients and tokens that were not there when it started.

import { appendFileSync, readFileSync } from "node:fs";
import https from "node:https";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [certificate, key, ca, record] = process.argv.slice(2);
const path = createRequire(`${process.env.MODULES}/`).resolve("oidc-provider");
const { Provider, errors } = await import(pathToFileURL(path));

const issuer = "https://idp.test";
// A part of the API that says itself whose tokens it takes (RFC 9728), as MCP servers do, and takes no others (RFC 8707).
const resource = "https://api.test/mcp";
// How long tokens live that are to be replaced while something runs. Only those of one client: the other checks have time.
const tokenSeconds = Number(process.env.TOKEN_SECONDS ?? 3);

const note = (event, fields) => appendFileSync(record, `${JSON.stringify({ event, ...fields })}\n`);

// --- The server ------------------------------------------------------------------------------------------------------------------

// Signs that a secret may have (RFC 6749 appendix A.2), and that must arrive as what they are in a form and in a field.
const oddSecret = 's:e%2Bc r+e/t=&"0123456789';
const redirect_uris = ["http://127.0.0.1/callback"];
const native = { application_type: "native", redirect_uris };
const code = { ...native, grant_types: ["authorization_code", "refresh_token"] };

const configuration = {
  clients: [
    { client_id: "public", token_endpoint_auth_method: "none", ...code },
    { client_id: "bare", token_endpoint_auth_method: "none", ...code },
    { client_id: "short", token_endpoint_auth_method: "none", ...code },
    { client_id: "basic", client_secret: oddSecret, token_endpoint_auth_method: "client_secret_basic", ...code },
    { client_id: "post", client_secret: oddSecret, token_endpoint_auth_method: "client_secret_post", ...code },
    {
      client_id: "device",
      client_name: "Interop device",
      token_endpoint_auth_method: "none",
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
      redirect_uris: [],
      response_types: [],
      application_type: "native",
    },
    { client_id: "api", client_secret: "api-secret-0123456789", grant_types: [], redirect_uris: [], response_types: [] },
  ],
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, named) => {
        if (named !== resource) throw new errors.InvalidTarget();
        return { scope: "mcp:use", audience: resource, accessTokenFormat: "opaque" };
      },
    },
    revocation: { enabled: true },
  },
  // What may be asked for at all; "mcp:use" counts for `resource` only.
  scopes: ["openid", "offline_access", "mcp:use"],
  pkce: { required: (_, client) => client.clientId !== "bare" },
  rotateRefreshToken: true,
  // As large services have it for programs: what the person was asked is what counts, not the kind of client.
  issueRefreshToken: (_, client, source) =>
    client.grantTypeAllowed("refresh_token") && source.scopes.has("offline_access"),
  ttl: {
    AccessToken: (_, __, client) => (client.clientId === "short" ? tokenSeconds : 3600),
    DeviceCode: 600,
    Grant: 86400,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: 86400,
    Session: 86400,
  },
  cookies: { keys: ["interop"] },
};

/** What the way to a service takes that is not on this machine: long enough for others to come in between. */
const distance = () => new Promise((resolve) => setTimeout(resolve, 300));

/** A server that knows its clients and nothing else. */
function fresh() {
  const provider = new Provider(issuer, configuration);
  provider.use(async ({ path }, next) => {
    if (path === "/token") await distance();
    await next();
  });
  provider.on("grant.success", ({ oidc, body }) => {
    const { access_token: access, refresh_token: refresh } = body;
    note("tokens", { grant: oidc.params.grant_type, client: oidc.client.clientId, access, refresh });
  });
  provider.on("registration_create.success", ({ body }) => {
    note("registered", { client: body.client_id, place: body.registration_client_uri, token: body.registration_access_token });
  });
  provider.on("registration_delete.success", ({ oidc }) => note("deleted", { client: oidc.client.clientId }));
  for (const event of ["authorization.error", "grant.error", "registration_create.error", "revocation.error", "server_error"]) {
    provider.on(event, (_, error) => note("refused", { at: event, why: `${error.error}: ${error.error_detail ?? error.message}` }));
  }
  return provider;
}

let provider = fresh();
process.on("SIGHUP", () => {
  provider = fresh();
  note("forgotten", {});
});

const tls = { cert: readFileSync(certificate), key: readFileSync(key) };

const listening = (handler) =>
  new Promise((resolve) => {
    const server = https.createServer(tls, handler);
    server.keepAliveTimeout = 60_000;
    server.listen(0, "127.0.0.1", () => resolve(server.address().port));
  });

const idp = await listening((request, response) => provider.callback()(request, response));

// --- The API ---------------------------------------------------------------------------------------------------------------------

const agent = new https.Agent({ ca: readFileSync(ca), servername: "idp.test", keepAlive: true });

/** What the server says of a token. */
function introspect(token) {
  return new Promise((resolve, reject) => {
    const headers = {
      Host: "idp.test",
      Authorization: `Basic ${Buffer.from("api:api-secret-0123456789").toString("base64")}`,
      "Content-Type": "application/x-www-form-urlencoded",
    };
    const options = { host: "127.0.0.1", port: idp, path: "/token/introspection", method: "POST", agent, headers };
    const request = https.request(options, async (response) => {
      let body = "";
      for await (const part of response) body += part;
      resolve(JSON.parse(body));
    });
    request.on("error", reject);
    request.end(new URLSearchParams({ token }).toString());
  });
}

const api = await listening(async (request, response) => {
  const fields = { "Content-Type": "application/json" };
  if (request.url === "/.well-known/oauth-protected-resource/mcp") {
    response.writeHead(200, fields);
    response.end(JSON.stringify({ resource, authorization_servers: [issuer] }));
    return;
  }
  const [, token] = (request.headers.authorization ?? "").match(/^Bearer (\S+)$/) ?? [];
  const about = token ? await introspect(token) : { active: false };
  const isRight = about.active && (!request.url.startsWith("/mcp") || about.aud === resource);
  const status = isRight ? 200 : 401;
  // As from an API that is further away: others are under way with the same token before the first refusal is there.
  if (!isRight) await distance();
  // A way to spoil a token as only its server could.
  if (about.active && request.url.endsWith("/spoil")) await (await provider.AccessToken.find(token)).destroy();
  note("request", { url: request.url, status, client: about.client_id, at: Date.now() });
  if (!isRight) fields["WWW-Authenticate"] = 'Bearer error="invalid_token"';
  response.writeHead(status, fields);
  response.end(`${JSON.stringify(about)}\n`);
});

console.log(JSON.stringify({ idp, api }));
