'use strict';
// authsome's preload for Node. NODE_OPTIONS names this file in a run (`authsome run --no-node-preload` leaves it out).
//
// Connections to hosts that NO_PROXY doesn't name go through the run's proxy, by CONNECT, whatever library and agent make them, and
// the run's root is trusted where a program brings certificates of its own. Where HTTPS_PROXY names another proxy, or none, nothing
// changes. The syntax is old so that a Node before 16, which gets nothing from this file, can read it.
(function () {
  const PROXY = '@PROXY@';
  const env = process.env;
  const url = /^http:\/\/(?:(.*)@)?([^@\/]+)\/?$/.exec(env.https_proxy || env.HTTPS_PROXY || '');
  const isNode = !process.versions.bun && !process.versions.deno && parseInt(process.versions.node, 10) >= 16;
  if (!isNode || !url || url[2] !== PROXY) return;
  const password = url[1] && Buffer.from(decodeURIComponent(url[1])).toString('base64');
  const authorization = password ? `Proxy-Authorization: Basic ${password}\r\n` : '';
  const net = require('net');
  const tls = require('tls');

  // NO_PROXY, as authsome reads it: `*`, names with what lies below them, with a port or without, addresses and networks.
  const names = [];
  const networks = new net.BlockList();
  for (const entry of `${env.NO_PROXY || ''},${env.no_proxy || ''}`.split(/[\s,]+/)) {
    const [address, bits] = entry.replace(/[[\]]/g, '').split('/');
    const [, name, port] = /^\**(.*?)(?::(\d+))?$/.exec(entry);
    const family = net.isIP(address), width = family === 4 ? 32 : 128;
    if (family) networks.addSubnet(address, Math.min(Number(bits || width), width) || 0, `ipv${family}`);
    else if (entry) names.push({ name: entry === '*' ? '*' : name.replace(/^\.+|\.+$/g, '').toLowerCase(), port });
  }
  networks.addSubnet('127.0.0.0', 8, 'ipv4');
  for (const address of ['0.0.0.0', '::1', '::']) networks.addAddress(address, `ipv${net.isIP(address)}`);
  names.push({ name: 'localhost' });

  // Where a connection has to be asked for at the proxy; nothing where it goes directly, as sockets in files and this machine do.
  function targetOf(options) {
    const port = Number(options.port);
    if (options.path || options.onread || !(port > 0 && port < 65536)) return undefined;
    let host = options.host || 'localhost';
    if (/[^\0-\x7f]/.test(host)) host = require('url').domainToASCII(host);
    host = host.toLowerCase().replace(/\.$/, '');
    const family = net.isIP(host);
    if (family ? host.includes('%') || networks.check(host, `ipv${family}`) : !/^[\w.-]+$/.test(host)) return undefined;
    const isNamed = ({ name, port: only }) =>
      (!only || Number(only) === port) && (name === '*' || host === name || (!family && name && host.endsWith(`.${name}`)));
    return names.some(isNamed) ? undefined : `${family === 6 ? `[${host}]` : host}:${port}`;
  }

  // The arguments that connect functions take: options, a path, or a port and a host; for TLS with more options behind.
  function argumentsOf(list) {
    if (Array.isArray(list[0])) return list[0];
    const last = list[list.length - 1];
    const [first, second] = list;
    const isPath = typeof first === 'string' && !/^\d+$/.test(first);
    const plain = isPath ? { path: first } : { port: first, host: typeof second === 'string' ? second : undefined };
    const more = list.find((value) => value && typeof value === 'object');
    return [Object.assign(typeof first === 'object' ? {} : plain, more), typeof last === 'function' ? last : null];
  }

  // The error for an answer that opens no tunnel. Its code is the one that the program would have seen without a proxy.
  const CODES = { dns_error: 'ENOTFOUND', dns_timeout: 'EAI_AGAIN', connection_refused: 'ECONNREFUSED',
    connection_timeout: 'ETIMEDOUT', connection_terminated: 'ECONNRESET', destination_unavailable: 'EHOSTUNREACH' };
  function refusal(target, head, body) {
    const said = /^\{.*\}\s*$/.test(body) ? JSON.parse(body) : {};
    const why = said.message || (said.error && `${said.error}; ${said.hint}`) || head.split('\r\n')[0] || 'the proxy hung up';
    const [, token] = /^proxy-status:.*error=(\w+)/im.exec(head) || [];
    const code = CODES[token] || (head ? 'EACCES' : 'ECONNRESET');
    return Object.assign(new Error(`connect ${target}: ${why}`), { code, syscall: 'connect' });
  }

  // Connects to the proxy and asks for the target before anybody hears of the connection. What is written until then waits.
  const throughProxy = new WeakSet();
  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...list) {
    const [options, callback] = argumentsOf(list);
    const target = this.encrypted ? undefined : targetOf(options || {});
    if (!target) return connect.apply(this, list);
    const socket = this, { emit } = this;
    const own = ['emit', 'push'].map((name) => [name, Object.getOwnPropertyDescriptor(socket, name)]);
    const restore = () => own.forEach(([name, was]) => (was ? Object.defineProperty(socket, name, was) : delete socket[name]));
    let answer = Buffer.alloc(0);
    socket.emit = function (event, ...values) {
      if (event === 'close') restore();
      if (event !== 'connect' && event !== 'ready') return emit.call(socket, event, ...values);
      if (event === 'connect') {
        const request = `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`;
        socket._writeGeneric(false, request, 'latin1', (error) => error && socket.destroy(error));
        socket._read(0);
        socket.connecting = true;
      }
      return true;
    };
    socket.push = function (chunk) {
      if (chunk) answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf('\r\n\r\n');
      const head = end < 0 ? '' : answer.toString('latin1', 0, end);
      const rest = answer.subarray(end + 4);
      if (/^HTTP\/1\.\d 2/.test(head)) {
        restore();
        socket.connecting = false;
        socket.emit('connect');
        socket.emit('ready');
        return !rest.length || socket.destroyed || socket.push(rest);
      }
      const [, length] = /^content-length: *(\d+)/im.exec(head) || [];
      if (chunk && (head ? rest.length < Number(length) : answer.length < 65536)) return true;
      restore();
      socket.destroy(refusal(target, head, rest.toString()));
      return true;
    };
    throughProxy.add(socket);
    const [host, port] = PROXY.split(':');
    const here = { host, port, localAddress: undefined, localPort: undefined, family: undefined, lookup: undefined };
    return connect.call(socket, Object.assign({}, options, here), callback || undefined);
  };

  // Contexts that don't have the certificates that Node has read at its start, to which the run's root belongs.
  const root = () => require('fs').readFileSync(`${__dirname}/ca.pem`);
  const narrow = new WeakSet();
  const isExtra = (env.NODE_EXTRA_CA_CERTS || '').startsWith(__dirname);
  const createSecureContext = tls.createSecureContext;
  tls.createSecureContext = function (options) {
    const context = createSecureContext.apply(this, arguments);
    if (!isExtra || (options && (options.ca || options.pfx || options.crl))) narrow.add(context);
    return context;
  };

  // TLS over a socket that goes through the proxy: the program's own, or one that is made here.
  const connectTls = tls.connect;
  tls.connect = function (...list) {
    const [options, callback] = argumentsOf(list);
    const given = options.socket;
    const leadsThere = given && (throughProxy.has(given) || `${given.remoteAddress}:${given.remotePort}` === PROXY);
    if (given ? !leadsThere : !targetOf(options)) return connectTls.apply(this, list);
    const secureContext = options.secureContext || tls.createSecureContext(Object.assign({ singleUse: !options.keepAlive }, options));
    if (narrow.delete(secureContext)) secureContext.context.addCACert(root());
    const raw = given || new net.Socket({ allowHalfOpen: options.allowHalfOpen });
    const secure = connectTls.call(this, Object.assign({}, options, { secureContext, socket: raw }), callback);
    if (given) return secure;
    // The end of what is read must not end what TLS has to write.
    raw.allowHalfOpen = true;
    raw.once('ready', () => secure.emit('ready'));
    for (const name of ['ref', 'unref', 'setKeepAlive', 'setNoDelay']) secure[name] = (...values) => raw[name](...values) && secure;
    secure.address = () => raw.address();
    for (const name of ['remoteAddress', 'remotePort', 'remoteFamily', 'localAddress', 'localPort', 'localFamily']) {
      Object.defineProperty(secure, name, { configurable: true, get: () => raw[name] });
    }
    if (options.timeout) secure.setTimeout(options.timeout);
    raw.connect(options);
    return secure.setNoDelay(true);
  };
  require('module').syncBuiltinESMExports();
})();
