import { RequestListener, ServerResponse } from 'node:http';
import { connect as connectTcp, Socket } from 'node:net';
import { runInThisContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { selfSigned, type Certificate } from '@countersign/testing';
import { addressCheck } from './addresses';
import { remoteRefusal } from './connector';
import { SafeHttp, SafeHttpError, SafeHttpOptions } from './index';
import { RunningServer, startHttp, startHttps, startTcp } from './servers.fixture';

const open: { close: () => Promise<void> }[] = [];
const uncaught: unknown[] = [];
const noteUncaught = (error: unknown): void => void uncaught.push(error);
let certificate: Certificate;

beforeAll(() => {
  certificate = selfSigned(['issuer.test']);
  process.on('uncaughtException', noteUncaught).on('unhandledRejection', noteUncaught);
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  expect(uncaught).toEqual([]);
});

afterAll(() => {
  process.off('uncaughtException', noteUncaught).off('unhandledRejection', noteUncaught);
});

async function keep<T extends { close: () => Promise<void> }>(starting: Promise<T> | T): Promise<T> {
  const one = await starting;
  open.push(one);
  return one;
}

async function client(changes: Partial<SafeHttpOptions> = {}): Promise<SafeHttp> {
  return keep(new SafeHttp({ allowLoopback: true, allowedPrivateCidrs: [], proxyUrl: null, ...changes }));
}

async function serve(listener: RequestListener): Promise<RunningServer & { url: string }> {
  const server = await keep(startHttp(listener));
  return { ...server, url: `http://127.0.0.1:${server.port}/` };
}

async function reasonOf(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    () => 'answered',
    (error: unknown) => (error instanceof SafeHttpError ? error.reason : `not ours: ${String(error)}`),
  );
}

/** Writes for ever, as fast as the reader reads. */
function writeEndlessly(response: ServerResponse): void {
  const chunk = Buffer.alloc(16 * 1024, ' ');
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more).on('error', () => undefined);
  more();
}

describe('an answer', () => {
  it('has status, headers and body as they were sent', async () => {
    const server = await serve((request, response) => {
      response.writeHead(418, { 'X-Echo': String(request.headers['x-say']), 'Set-Cookie': ['a=1', 'b=2'] });
      response.end(`${request.method} ${request.headers['accept-encoding']} é`);
    });
    const answer = await (await client()).get(server.url, { headers: { 'x-say': 'hi' } });
    expect(answer).toMatchObject({ status: 418, body: 'GET identity é', url: server.url });
    expect(answer.headers).toMatchObject({ 'x-echo': 'hi', 'set-cookie': 'a=1, b=2' });
  });

  it('to a post comes after the exact body was sent', async () => {
    const server = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => response.end(`${request.headers['content-type']} ${Buffer.concat(chunks).toString()}`));
    });
    const answer = await (
      await client()
    ).post(server.url, '{"é":1}', { headers: { 'content-type': 'application/json' } });
    expect(answer).toMatchObject({ status: 200, body: 'application/json {"é":1}' });
  });
});

describe('connections are kept', () => {
  it('for the next requests: a hundred posts, four at a time, take four', async () => {
    const server = await serve((request, response) => request.resume().on('end', () => response.writeHead(204).end()));
    const http = await client();
    let left = 100;
    const post = async (): Promise<void> => {
      while (left-- > 0) expect((await http.post(server.url, '{}', { headers: {} })).status).toBe(204);
    };
    await Promise.all([post(), post(), post(), post()]);
    expect(server.connections()).toBe(4);
  });

  it('where they were vetted; each new one is looked up and vetted again', async () => {
    const server = await keep(
      startHttps(certificate, (request, response) => {
        if (request.url === '/last') response.setHeader('connection', 'close');
        response.end('ok');
      }),
    );
    const answers = [['127.0.0.1'], ['10.0.0.5']];
    const http = await client({ resolve: async () => answers.shift() ?? [] });
    const get = (path: string) =>
      http.get(`https://issuer.test:${server.port}${path}`, { caCertificate: certificate.cert });
    for (const path of ['/', '/', '/last']) expect((await get(path)).body).toBe('ok');
    expect([server.connections(), answers.length]).toEqual([1, 1]);
    expect(await reasonOf(get('/'))).toBe('address');
  });
});

describe('redirects are not followed', () => {
  it.each([301, 302, 303, 307, 308])(
    '%d: an error for get, a status for post, and the target sees nobody',
    async (status) => {
      const target = await serve((_request, response) => response.end());
      const server = await serve((_request, response) => response.writeHead(status, { location: target.url }).end());
      const http = await client();
      expect(await reasonOf(http.get(server.url))).toBe('redirect');
      expect((await http.post(server.url, '', { headers: {} })).status).toBe(status);
      expect(target.connections()).toBe(0);
    },
  );
});

describe('size and time are bounded', () => {
  it.each([302, 200])('a refused answer (%d) ends the connection, whatever would still come', async (status) => {
    const ended: Promise<unknown>[] = [];
    const server = await serve((_request, response) => {
      ended.push(new Promise((resolve) => response.on('close', resolve)));
      response.writeHead(status, { 'content-encoding': 'gzip' });
      writeEndlessly(response);
    });
    await reasonOf((await client()).get(server.url));
    await Promise.all(ended);
    expect(ended).toHaveLength(1);
  });

  it('an endless body is refused for get, and cut for post', async () => {
    const server = await serve((_request, response) => writeEndlessly(response));
    const http = await client();
    expect(await reasonOf(http.get(server.url))).toBe('too_large');
    const answer = await http.post(server.url, '', { headers: {} });
    expect([answer.status, answer.body.length]).toEqual([200, 64 * 1024]);
  });

  it('a body of exactly the cap is read, one byte more is refused, whatever length was announced', async () => {
    const server = await serve((request, response) => response.end('x'.repeat(Number(request.url?.slice(1)))));
    const http = await client();
    expect((await http.get(`${server.url}100`, { maxBytes: 100 })).body).toHaveLength(100);
    expect(await reasonOf(http.get(`${server.url}101`, { maxBytes: 100 }))).toBe('too_large');
    const liar = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 10_000_000_000 });
      writeEndlessly(response);
    });
    expect(await reasonOf(http.get(liar.url))).toBe('too_large');
  });

  it('headers without end are refused', async () => {
    const server = await keep(
      startTcp((socket) =>
        socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(1_000_000)}\r\n\r\n`)),
      ),
    );
    expect(await reasonOf((await client()).get(`http://127.0.0.1:${server.port}/`))).toBe('too_large');
  });

  it.each(['gzip', 'br', 'deflate', 'zstd', 'identity, gzip'])('a body in %s is not unfolded', async (encoding) => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(gzipSync(Buffer.alloc(1_000_000)));
    });
    const http = await client();
    expect(await reasonOf(http.get(server.url))).toBe('encoding');
    expect(await http.post(server.url, '', { headers: {} })).toMatchObject({ status: 200, body: '' });
  });

  const headStart = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n';
  it.each<[string, (socket: Socket) => void]>([
    ['after accepting', () => undefined],
    ['within the headers', (socket) => socket.write(headStart)],
    ['before the body', (socket) => socket.write(`${headStart}\r\n`)],
    ['within the body', (socket) => socket.write(`${headStart}\r\n{`)],
  ])('a server that falls silent %s is given up at the deadline', async (_name, begin) => {
    const server = await keep(startTcp((socket) => socket.once('data', () => begin(socket))));
    const http = await client();
    const url = `http://127.0.0.1:${server.port}/`;
    expect(await reasonOf(http.get(url, { timeoutMs: 60 }))).toBe('timeout');
    expect(await reasonOf(http.post(url, '{}', { headers: {}, timeoutMs: 60 }))).toBe('timeout');
  });

  it('a body that drips does not move the deadline', async () => {
    const server = await serve((_request, response) => {
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(timer));
    });
    expect(await reasonOf((await client()).get(server.url, { timeoutMs: 80 }))).toBe('timeout');
  });

  it('a resolver that never answers is given up at the deadline', async () => {
    const http = await client({ resolve: () => new Promise(() => undefined) });
    expect(await reasonOf(http.get('https://issuer.test/', { timeoutMs: 60 }))).toBe('timeout');
  });
});

describe('a broken answer is one error and no crash', () => {
  it.each<[string, (socket: Socket) => void, string]>([
    ['a reset before the headers', (socket) => socket.resetAndDestroy(), 'connect'],
    ['an end before the headers', (socket) => socket.end(), 'connect'],
    ['an end within the body', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{'), 'connect'],
    [
      'a reset within the body',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{', () => socket.resetAndDestroy()),
      'connect',
    ],
    ['no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), 'protocol'],
    [
      'two lengths',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'),
      'protocol',
    ],
  ])('%s', async (_name, answer, reason) => {
    const server = await keep(startTcp((socket) => socket.once('data', () => answer(socket))));
    expect(await reasonOf((await client()).get(`http://127.0.0.1:${server.port}/`))).toBe(reason);
  });

  it('nobody listening', async () => {
    const server = await startTcp(() => undefined);
    await server.close();
    expect(await reasonOf((await client()).get(`http://127.0.0.1:${server.port}/`))).toBe('connect');
  });

  it('the message does not tell the path or the query', async () => {
    const server = await serve((request) => request.socket.destroy());
    const error: unknown = await (
      await client()
    )
      .post(`${server.url}hook/s3cret?k=s3cret`, '', { headers: {} })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SafeHttpError);
    expect(String(error)).toContain('127.0.0.1');
    expect(JSON.stringify([String(error), error])).not.toContain('s3cret');
  });
});

describe('TLS is always verified', () => {
  const serveTls = (one: Certificate) => keep(startHttps(one, (_request, response) => response.end('ok')));
  const local: Partial<SafeHttpOptions> = { resolve: async () => ['127.0.0.1'] };

  it('accepts a certificate of the authority given for the call, in that call only', async () => {
    const server = await serveTls(certificate);
    const http = await client(local);
    const url = `https://issuer.test:${server.port}/`;
    expect((await http.get(url, { caCertificate: certificate.cert })).body).toBe('ok');
    expect(await reasonOf(http.get(url))).toBe('tls');
    expect(await reasonOf(http.get(url, { caCertificate: selfSigned(['issuer.test']).cert }))).toBe('tls');
    expect((await http.get(`https://127.0.0.1:${server.port}/`, { caCertificate: certificate.cert })).body).toBe('ok');
  });

  it.each<[string, () => Certificate]>([
    ['an expired certificate', () => selfSigned(['issuer.test'], -2_000_000_000, -1_000_000_000)],
    ['a certificate of the future', () => selfSigned(['issuer.test'], 1_000_000_000, 2_000_000_000)],
    ['a certificate for another name', () => selfSigned(['other.test'])],
  ])('refuses %s', async (_name, make) => {
    const one = make();
    const server = await serveTls(one);
    const http = await client(local);
    expect(await reasonOf(http.get(`https://issuer.test:${server.port}/`, { caCertificate: one.cert }))).toBe('tls');
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('refuses a server that speaks %s at most (JWK-23)', async (maxVersion) => {
    const options = { ...certificate, minVersion: maxVersion, maxVersion, ciphers: 'DEFAULT:@SECLEVEL=0' };
    const server = await keep(startHttps(options, (_request, response) => response.end('ok')));
    const http = await client(local);
    const call = http.get(`https://issuer.test:${server.port}/`, { caCertificate: certificate.cert });
    expect(await reasonOf(call)).toBe('tls');
    expect(server.connections()).toBe(1);
  });

  it('even when the environment says otherwise', async () => {
    const server = await serveTls(certificate);
    // Jest gives tests a copy of the environment; TLS looks at the real one.
    const { env } = runInThisContext('process') as NodeJS.Process;
    const before = env['NODE_TLS_REJECT_UNAUTHORIZED'];
    env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      expect(await reasonOf((await client(local)).get(`https://issuer.test:${server.port}/`))).toBe('tls');
    } finally {
      if (before === undefined) delete env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  it('refuses a server that speaks no TLS, and a bundle that is none', async () => {
    const plain = await serve((_request, response) => response.end());
    const http = await client(local);
    expect(await reasonOf(http.get(`https://issuer.test:${plain.port}/`))).toBe('tls');
    const server = await serveTls(certificate);
    const url = `https://issuer.test:${server.port}/`;
    expect(await reasonOf(http.get(url, { caCertificate: 'no certificate' }))).toBe('tls');
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(await reasonOf(http.get(url, { caCertificate: broken }))).toBe('tls');
  });
});

describe('addresses are vetted before, at and after the lookup', () => {
  it('a literal that no lookup sees is refused without a connection', async () => {
    const server = await serve((_request, response) => response.end());
    const http = await client({ allowLoopback: false });
    for (const host of ['127.0.0.1', '0x7f.1', '2130706433', 'localhost']) {
      expect(await reasonOf(http.get(`https://${host}:${server.port}/`))).toBe('address');
    }
    expect(server.connections()).toBe(0);
  });

  it.each([
    [['10.0.0.5']],
    [['127.0.0.1']],
    [['198.18.0.1', '8.8.8.8']],
    [['8.8.8.8', '10.0.0.5']],
    [['::ffff:127.0.0.1']],
    [['fe80::1%lo']],
    [['64:ff9b::a9fe:a9fe']],
    [['2002:7f00:1::']],
    [['::ffff:0:127.0.0.1']],
    [['168.63.129.16']],
    [['0x7f.1']],
  ])('a name with the addresses %j is refused', async (addresses) => {
    const http = await client({ allowLoopback: false, resolve: async () => addresses });
    expect(await reasonOf(http.get('https://issuer.test/'))).toBe('address');
  });

  it.each<[string, () => Promise<string[]>]>([
    ['no address', async () => []],
    ['an error', () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' }))],
  ])('a name with %s is a DNS error', async (_name, resolve) => {
    expect(await reasonOf((await client({ resolve })).get('https://issuer.test/'))).toBe('dns');
  });

  it('connects to the very answer that was vetted, asking once', async () => {
    const server = await keep(startHttps(certificate, (_request, response) => response.end('ok')));
    let asked = 0;
    const resolve = async (): Promise<string[]> => (asked++ === 0 ? ['127.0.0.1'] : ['10.0.0.5']);
    const http = await client({ resolve });
    const answer = await http.get(`https://issuer.test:${server.port}/`, { caCertificate: certificate.cert });
    expect([answer.body, asked, server.connections()]).toEqual(['ok', 1, 1]);
  });

  it('tries the next vetted address when one does not answer', async () => {
    const server = await keep(startHttps(certificate, (_request, response) => response.end('ok')));
    const http = await client({ resolve: async () => ['::1', '127.0.0.1'] });
    const answer = await http.get(`https://issuer.test:${server.port}/`, { caCertificate: certificate.cert });
    expect(answer.body).toBe('ok');
  });

  it('a private range that the deployment allows can be reached by name', async () => {
    const server = await keep(startHttps(certificate, (_request, response) => response.end('ok')));
    const http = await client({
      allowLoopback: false,
      allowedPrivateCidrs: ['127.0.0.0/8'],
      resolve: async () => ['127.0.0.1'],
    });
    const answer = await http.get(`https://issuer.test:${server.port}/`, { caCertificate: certificate.cert });
    expect(answer.body).toBe('ok');
  });

  it('plain http does not reach a name that merely resolves to loopback', async () => {
    const server = await serve((_request, response) => response.end());
    const http = await client({ resolve: async () => ['127.0.0.1'] });
    expect(await reasonOf(http.get(`http://issuer.test:${server.port}/`))).toBe('scheme');
    expect(server.connections()).toBe(0);
  });

  it('the other end of an open connection is looked at', async () => {
    const server = await serve((_request, response) => response.end());
    const socket = connectTcp(server.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const rules = { allowedPrivateCidrs: [] };
    expect(remoteRefusal(socket, 'x', addressCheck({ ...rules, allowLoopback: false }))?.reason).toBe('address');
    expect(remoteRefusal(socket, 'x', addressCheck({ ...rules, allowLoopback: true }))).toBeNull();
    expect(remoteRefusal({ remoteAddress: undefined }, 'x', () => true)?.reason).toBe('address');
    socket.destroy();
  });
});

describe('with a proxy', () => {
  /** A forward proxy that only knows CONNECT, and connects every name to this port. */
  async function startProxy(targetPort: number): Promise<RunningServer & { asked: string[] }> {
    const asked: string[] = [];
    const server = await keep(
      startTcp((socket) => {
        socket.once('data', (head: Buffer) => {
          asked.push(head.toString().split('\r\n')[0] ?? '');
          const upstream = connectTcp(targetPort, '127.0.0.1', () => {
            socket.write('HTTP/1.1 200 OK\r\n\r\n');
            socket.pipe(upstream).pipe(socket);
          });
          upstream.on('error', () => socket.destroy());
          socket.on('close', () => upstream.destroy());
        });
      }),
    );
    return { ...server, asked };
  }

  it('requests go through its tunnel with TLS to the target, loopback goes direct, literals are vetted', async () => {
    const server = await keep(startHttps(certificate, (_request, response) => response.end('ok')));
    const proxy = await startProxy(server.port);
    const http = await client({
      proxyUrl: `http://127.0.0.1:${proxy.port}`,
      resolve: () => Promise.reject(new Error('asked')),
    });
    expect((await http.get('https://issuer.test/', { caCertificate: certificate.cert })).body).toBe('ok');
    expect(proxy.asked).toEqual(['CONNECT issuer.test:443 HTTP/1.1']);
    expect(await reasonOf(http.get('https://issuer.test/'))).toBe('tls');
    expect(await reasonOf(http.get('https://10.0.0.1/'))).toBe('address');
    const plain = await serve((_request, response) => response.end('direct'));
    expect((await http.get(plain.url)).body).toBe('direct');
    expect(proxy.asked).toHaveLength(2);
  });

  it('one that refuses is a failed connection', async () => {
    const proxy = await keep(
      startTcp((socket) => socket.once('data', () => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'))),
    );
    const http = await client({ proxyUrl: `http://127.0.0.1:${proxy.port}` });
    expect(await reasonOf(http.get('https://issuer.test/'))).toBe('connect');
  });
});

it('a client that closes waits for the call under way', async () => {
  const requests: ServerResponse[] = [];
  let arrived = (): void => undefined;
  const server = await serve((_request, response) => {
    requests.push(response);
    arrived();
  });
  const http = await client();
  const call = http.get(server.url);
  await new Promise<void>((resolve) => (arrived = resolve));
  const closing = http.close();
  requests[0]?.end('late');
  expect((await call).body).toBe('late');
  await closing;
});

it('a closed client refuses calls', async () => {
  const server = await serve((_request, response) => response.end());
  const http = await client();
  await http.get(server.url);
  await http.close();
  expect(await reasonOf(http.get(server.url))).toBe('closed');
});
