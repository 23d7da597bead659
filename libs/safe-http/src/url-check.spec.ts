import { SafeHttp, SafeHttpOptions } from './index';

const client = (changes: Partial<SafeHttpOptions> = {}): SafeHttp =>
  new SafeHttp({ allowLoopback: false, allowedPrivateCidrs: [], proxyUrl: null, ...changes });

function verdict(url: string, changes: Partial<SafeHttpOptions> = {}): string {
  const result = client(changes).checkUrl(url);
  return result.ok ? 'ok' : result.reason;
}

const privateLiterals = [
  ...['127.0.0.1', '127.8.9.1', '0177.0.0.1', '0x7f.1', '127.1', '2130706433', '0x7f000001', '017700000001'],
  ...['①②⑦.⓪.⓪.①', '127。0。0。1', '127.0.0.1.', '%31%32%37.0.0.1'],
  ...['0.0.0.0', '0', '10.0.0.1', '100.64.0.1', '100.100.100.200', '169.254.169.254', '168.63.129.16'],
  ...['172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1'],
  ...['198.51.100.7', '203.0.113.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
  ...[
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:7f00:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:8.8.8.8]',
    '[::127.0.0.1]',
  ],
  ...[
    '[::ffff:0:127.0.0.1]',
    '[64:ff9b::a9fe:a9fe]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    '[2001:0:4136:e378::1]',
  ],
  ...['[fec0::1]', '[fc00::1]', '[fd00:ec2::254]', '[fe80::1]', '[ff02::1]', '[100::1]', '[2001:db8::1]', '[3fff::1]'],
  ...['[5f00::1]', '[4000::1]'],
];

it.each(privateLiterals)('the address %s is refused in a URL, however it is written', (host) => {
  expect(verdict(`https://${host}/x`)).toBe('address');
  expect(verdict(`https://${host}:8443/x`)).toBe('address');
});

it.each(['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'a.b.localhost.'])(
  'the name %s is loopback',
  (host) => {
    expect(verdict(`https://${host}/`)).toBe('address');
    expect(verdict(`http://${host}/`, { allowLoopback: true })).toBe('ok');
  },
);

it.each([
  ['HTTP://127.0.0.1/', 'address'],
  ['http://example.com/', 'scheme'],
  ['http://8.8.8.8/', 'scheme'],
  ['file:///etc/passwd', 'scheme'],
  ['gopher://example.com/', 'scheme'],
  ['data:application/json,{}', 'scheme'],
  ['javascript:alert(1)', 'scheme'],
  ['ws://example.com', 'scheme'],
  ['https://a@127.0.0.1', 'userinfo'],
  ['https://user:pass@example.com/', 'userinfo'],
  ['https://:pass@example.com/', 'userinfo'],
  ['https://127.0.0.1\\@x.test', 'url'],
  ['https:\\\\example.com', 'url'],
  ['https://[127.0.0.1]', 'url'],
  ['https://[fe80::1%25eth0]/', 'url'],
  ['https://exa\tmple.com/', 'url'],
  ['https://exa\u00admple.com/', 'url'],
  [' https://example.com/', 'url'],
  ['https://exam ple.com/', 'url'],
  ['https://', 'url'],
  ['//example.com/', 'url'],
  ['/relative', 'url'],
  ['', 'url'],
  [`https://example.com/${'a'.repeat(2048)}`, 'url'],
])('%s is refused: %s', (url, reason) => {
  expect(verdict(url)).toBe(reason);
});

it.each([
  'https://example.com/hook?x=1',
  'https://EXAMPLE.com:8443/',
  'https://8.8.8.8/',
  'https://[2606:4700:4700::1111]/',
  'https://localhost.example.com/',
  'https://xn--bcher-kva.example/a@b',
])('%s is fine', (url) => {
  expect(verdict(url)).toBe('ok');
});

describe('what the deployment opens', () => {
  it.each([
    ['http://127.0.0.1:8080/', { allowLoopback: true }, 'ok'],
    ['http://[::1]:8080/', { allowLoopback: true }, 'ok'],
    ['http://0x7f.1/', { allowLoopback: true }, 'ok'],
    ['https://localhost/', { allowLoopback: true }, 'ok'],
    ['http://10.0.0.1/', { allowLoopback: true }, 'scheme'],
    ['https://10.0.0.1/', { allowLoopback: true }, 'address'],
    ['https://[::ffff:127.0.0.1]/', { allowLoopback: true }, 'address'],
    ['https://10.1.2.3/', { allowedPrivateCidrs: ['10.0.0.0/8'] }, 'ok'],
    ['http://10.1.2.3/', { allowedPrivateCidrs: ['10.0.0.0/8'] }, 'scheme'],
    ['https://192.168.0.1/', { allowedPrivateCidrs: ['10.0.0.0/8'] }, 'address'],
    ['https://[fd12::1]/', { allowedPrivateCidrs: ['10.0.0.0/8', 'fd12::/16'] }, 'ok'],
    ['https://127.0.0.1/', { allowedPrivateCidrs: ['127.0.0.0/8'] }, 'ok'],
    ['http://127.0.0.1/', { allowedPrivateCidrs: ['127.0.0.0/8'] }, 'scheme'],
  ])('%s with %j: %s', (url, changes, wanted) => {
    expect(verdict(url, changes)).toBe(wanted);
  });

  it.each(['169.254.169.254', '169.254.170.2', '168.63.129.16', '100.100.100.200', '192.0.0.192', '[fd00:ec2::254]'])(
    'never includes the cloud metadata address %s',
    (host) => {
      expect(verdict(`https://${host}/`, { allowedPrivateCidrs: ['0.0.0.0/0', '::/0'] })).toBe('address');
    },
  );

  it.each(['10.0.0.0', '10.0.0.0/33', 'internal', ''])('is no range: %p, which is an error at once', (cidr) => {
    expect(() => client({ allowedPrivateCidrs: [cidr] })).toThrow();
  });
});
