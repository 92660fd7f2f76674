'use strict';
// authsome's preload for Node. NODE_OPTIONS names this file in a run (`authsome run --no-node-preload` leaves it out).
//
// Connections to hosts that NO_PROXY doesn't name go through the run's proxy, by CONNECT, whatever library and agent make them, and
// the run's root is trusted where a program brings certificates of its own. Where HTTPS_PROXY names another proxy, or none, nothing
// changes. The syntax is old so that a Node before 16, which gets nothing from this file, can read it.
(function () {
  const PROXY = '@PROXY@', IS_RESTRICTED = '@IS_RESTRICTED@' !== 'no';
  const ROOT = `@ROOT@`;
  const { env, versions } = process;
  const url = /^http:\/\/(?:(.*)@)?([^@\/]+)\/?$/.exec(env.https_proxy || env.HTTPS_PROXY || '');
  const isNode = !versions.bun && !versions.deno && parseInt(versions.node, 10) >= 16;
  if (!isNode || /--build-snapshot/.test(process.execArgv.join(' ')) || !url || url[2] !== PROXY) return;
  const password = Buffer.from(decodeURIComponent(url[1] || '')).toString('base64');
  const authorization = password && `Proxy-Authorization: Basic ${password}\r\n`;
  const net = require('net'), tls = require('tls');

  // NO_PROXY, as authsome reads it: `*`, names with what lies below them, with a port or without, addresses and networks.
  const names = [{ name: 'localhost' }], networks = new net.BlockList();
  for (const entry of `${env.NO_PROXY || ''},${env.no_proxy || ''}`.split(/[\s,]+/)) {
    const [address, bits] = entry.replace(/[[\]]/g, '').split('/');
    const [, name, port] = /^\**(.*?)(?::(\d+))?$/.exec(entry);
    const family = /%/.test(address) ? 0 : net.isIP(address), width = family === 4 ? 32 : 128;
    if (family && /^\d+$/.test(bits || '0')) networks.addSubnet(address, Math.min(bits || width, width), `ipv${family}`);
    else if (entry) names.push({ name: entry === '*' ? '*' : name.replace(/^\.+|\.+$/g, '').toLowerCase(), port });
  }
  networks.addSubnet('127.0.0.0', 8, 'ipv4');
  for (const address of ['0.0.0.0', '::1', '::']) networks.addAddress(address, `ipv${net.isIP(address)}`);

  // Where a connection has to be asked for at the proxy; nothing where it goes directly, as sockets in files and this machine do.
  function targetOf(options) {
    let host = options.host || 'localhost', port = Number(options.port);
    if (options.path || options.onread || !(port > 0 && port < 65536) || typeof host !== 'string') return undefined;
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
    const [first, second] = list, last = list[list.length - 1];
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
  const throughProxy = new WeakSet(), asked = new WeakSet(), { connect } = net.Socket.prototype;
  net.Socket.prototype.connect = function (...list) {
    const [options, callback] = argumentsOf(list);
    const socket = this, { emit } = this, target = this.encrypted ? undefined : targetOf(options || {});
    if (!target) return connect.apply(this, list);
    if (typeof options.lookup === 'function' && !asked.delete(this)) {
      // A program's own lookup may refuse a host, or lead it to this machine. The address is the proxy's to find.
      socket.connecting = true;
      asked.add(socket);
      options.lookup(options.host, { family: options.family || 0, hints: options.hints || 0, all: true }, (error, found) => {
        if (error || socket.destroyed) return asked.delete(socket) && socket.destroy(error);
        socket.connecting = false;
        const isDirect = [].concat(found).some((one) => !targetOf({ host: one.address || one, port: options.port }));
        return isDirect ? connect.apply(socket, list) : socket.connect(options, callback);
      });
      return socket;
    }
    const own = ['emit', 'push'].map((name) => [name, Object.getOwnPropertyDescriptor(socket, name)]);
    const restore = () => own.forEach(([name, was]) => (was ? Object.defineProperty(socket, name, was) : delete socket[name]));
    let answer = Buffer.alloc(0);
    socket.emit = function (event, ...values) {
      if (event === 'close') restore();
      if (event !== 'connect') return event === 'ready' || emit.call(socket, event, ...values);
      if (!net.isIP(options.host)) emit.call(socket, 'lookup', null, options.host, undefined, options.host);
      const request = `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`;
      socket._writeGeneric(false, request, 'latin1', (error) => error && socket.destroy(error));
      socket._read(0);
      return (socket.connecting = true);
    };
    socket.push = function (chunk) {
      if (chunk) answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf('\r\n\r\n');
      const head = end < 0 ? '' : answer.toString('latin1', 0, end), rest = answer.subarray(end + 4);
      if (/^HTTP\/1\.\d 2/.test(head)) {
        restore();
        socket.connecting = false;
        for (const event of ['connect', 'ready']) socket.emit(event);
        return !rest.length || socket.destroyed || socket.push(rest);
      }
      const [, length] = /^content-length: *(\d+)/im.exec(head) || [];
      if (chunk && (head ? rest.length < Number(length) : answer.length < 65536)) return true;
      restore();
      const isOurs = IS_RESTRICTED || !/details="upstream proxy"/i.test(head) || /:(80|443)$/.test(target);
      if (isOurs) return Boolean(socket.destroy(refusal(target, head, rest.toString())));
      // A database, say, that the proxy behind authsome doesn't lead to: it is reached as it was without the preload.
      socket._handle.close();
      Object.assign(socket, { _handle: null, connecting: false });
      return Boolean(connect.call(socket, options));
    };
    throughProxy.add(socket);
    const none = undefined, [host, port] = PROXY.split(':'), here = { host, port, localAddress: none, localPort: none, family: none, lookup: none };
    return connect.call(socket, Object.assign({}, options, here), callback || undefined);
  };

  // Contexts that don't have the certificates that Node has read at its start, to which the run's root belongs.
  const narrow = new WeakSet(), { createSecureContext, connect: connectTls, setDefaultCACertificates } = tls;
  let isExtra = (env.NODE_EXTRA_CA_CERTS || '').startsWith(__dirname);
  if (setDefaultCACertificates) tls.setDefaultCACertificates = (list) => setDefaultCACertificates(list, (isExtra = false));
  tls.createSecureContext = function (options) {
    const context = createSecureContext.apply(this, arguments);
    if (!isExtra || (options && (options.ca || options.pfx || options.crl))) narrow.add(context);
    return context;
  };

  // TLS over a socket that goes through the proxy: the program's own, or one that is made here.
  tls.connect = function (...list) {
    const [options, callback] = argumentsOf(list), given = options.socket;
    const leadsThere = given && (throughProxy.has(given) || `${given.remoteAddress}:${given.remotePort}` === PROXY);
    if (given ? !leadsThere : !targetOf(options)) return connectTls.apply(this, list);
    const secureContext = options.secureContext || tls.createSecureContext(Object.assign({ singleUse: !options.keepAlive }, options));
    if (narrow.delete(secureContext)) secureContext.context.addCACert(ROOT);
    const raw = given || new net.Socket({ allowHalfOpen: options.allowHalfOpen });
    const secure = connectTls.call(this, Object.assign({}, options, { secureContext, socket: raw }), callback);
    if (given) return secure;
    // The end of what is read must not end what TLS has to write.
    raw.allowHalfOpen = true;
    for (const name of ['lookup', 'ready']) raw.once(name, (...values) => secure.emit(name, ...values));
    for (const name of ['ref', 'unref', 'setKeepAlive', 'setNoDelay']) secure[name] = (...values) => raw[name](...values) && secure;
    secure.address = () => raw.address();
    const ends = ['remoteAddress', 'remotePort', 'remoteFamily', 'localAddress', 'localPort', 'localFamily'];
    for (const name of ends) Object.defineProperty(secure, name, { configurable: true, get: () => raw[name] });
    if (options.timeout) secure.setTimeout(options.timeout);
    return raw.connect(options) && secure.setNoDelay(true);
  };
  require('module').syncBuiltinESMExports();
})();
