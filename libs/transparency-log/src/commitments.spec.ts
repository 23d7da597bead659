import { createHash } from 'node:crypto';
import { memberAt, withCommitments, withMember } from './commitments';

const salt = Buffer.alloc(16, 7);
const event = {
  subject: 'corp:emily',
  data: { claims: { sub: 'emily', a: [1, null] }, sourceIp: null, kept: 'emily' },
};
const members = ['/subject', '/data/claims', '/data/sourceIp', '/data/missing', '/nothing/at/all', '/data/kept/length'];

const sha256 = (text: string): string => createHash('sha256').update(salt).update(text).digest('base64url');

describe('commitments', () => {
  it('stand for members and keep their type; what is null or not there stays as it is', () => {
    expect(withCommitments(event, { salt, members })).toEqual({
      subject: `sha256:${sha256('["/subject","corp:emily"]')}`,
      data: {
        claims: { sha256: sha256('["/data/claims",{"a":[1,null],"sub":"emily"}]') },
        sourceIp: null,
        kept: 'emily',
      },
    });
    expect(event.subject).toBe('corp:emily');
  });

  it('are others for another salt, another place, another value, and the same in another order of members', () => {
    const of = (value: object, changes: object = {}): unknown =>
      memberAt(withCommitments({ a: value, b: value }, { salt, members: ['/a', '/b'], ...changes }), '/a');
    const both = withCommitments({ a: 'x', b: 'x' }, { salt, members: ['/a', '/b'] });
    expect(both.a).not.toBe(both.b);
    expect(of({ x: 1, y: 2 })).toEqual(of({ y: 2, x: 1 }));
    expect(of({ x: 1 })).not.toEqual(of({ x: 2 }));
    expect(of({ x: 1 })).not.toEqual(of({ x: 1 }, { salt: Buffer.alloc(16, 8) }));
  });

  it('give way to the members again', () => {
    const committed = withCommitments(event, { salt, members });
    const opened = ['/subject', '/data/claims'].reduce(
      (part, at) => withMember(part, at, memberAt(event, at)),
      committed,
    );
    expect(opened).toEqual(event);
  });
});

it('a member of a prototype is no member', () => {
  expect(memberAt({}, '/constructor')).toBeUndefined();
});
