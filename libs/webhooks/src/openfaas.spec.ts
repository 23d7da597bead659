import { openFaasMessage } from './index';

it('is a list of one event, signed in hex over exactly these bytes with the whole secret', () => {
  const event = { type: 'dev.countersign.exchange.granted.v1', subject: 'ünïcödé' };
  expect(openFaasMessage({ id: 'd1', event, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' })).toEqual({
    body: '[{"type":"dev.countersign.exchange.granted.v1","subject":"ünïcödé"}]',
    headers: {
      'content-type': 'application/json',
      'x-openfaas-event': event.type,
      'x-openfaas-delivery': 'd1',
      // openssl dgst -sha256 -hmac "$secret"
      'x-openfaas-signature-256': 'sha256=5b03744e142fc00a473f081fbc611420410e06383a94287d5ab5d53ce902a449',
    },
  });
});
