import { handshakeHeaders, readHandshake } from './index';

const request = { origin: 'sts.example.com', perSecond: 50 };
const answer = (origin?: string, rate?: string, status = 200) => ({
  status,
  headers: {
    ...(origin === undefined ? {} : { 'webhook-allowed-origin': origin }),
    ...(rate === undefined ? {} : { 'webhook-allowed-rate': rate }),
  },
});

it('asks with the host and the deliveries a minute', () => {
  expect(handshakeHeaders(request)).toEqual({
    'webhook-request-origin': 'sts.example.com',
    'webhook-request-rate': '3000',
  });
});

it.each<[string, ReturnType<typeof answer>, object]>([
  ['our name', answer('sts.example.com', '*'), { ok: true, perSecond: 50 }],
  ['our name in capitals', answer('STS.example.com'), { ok: true, perSecond: 50 }],
  ['everybody', answer('*', '*', 204), { ok: true, perSecond: 50 }],
  ['fewer a minute', answer('*', '125'), { ok: true, perSecond: 2 }],
  ['more than asked', answer('*', '999999'), { ok: true, perSecond: 50 }],
  ['fewer than one a second', answer('*', '59'), { ok: false, reason: 'rate_too_low' }],
  ['a rate that is none', answer('*', 'fast'), { ok: false, reason: 'rate_too_low' }],
  ['nobody', answer(), { ok: false, reason: 'origin_not_allowed' }],
  ['somebody else', answer('example.com'), { ok: false, reason: 'origin_not_allowed' }],
  ['us with an error', answer('*', '*', 405), { ok: false, reason: 'refused' }],
  ['us from elsewhere', answer('*', '*', 302), { ok: false, reason: 'refused' }],
])('a receiver that allows %s', (_, given, result) => {
  expect(readHandshake(given, request)).toEqual(result);
});
