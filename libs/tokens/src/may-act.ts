import { isObject } from './strict-json';
import { VerifiedSubject } from './types';

/**
 * Whether the subject token lets the actor act for its subject (`may_act`, RFC 8693 section 4.4): the same `sub`, of
 * the issuer that it names, or of the subject's own when it names none. A token without `may_act` lets nobody.
 */
export function mayAct(subject: VerifiedSubject, actor: VerifiedSubject): boolean {
  const mayAct = subject.claims['may_act'];
  if (!isObject(mayAct) || mayAct['sub'] !== actor.sub) return false;
  return (mayAct['iss'] === undefined ? subject.iss : mayAct['iss']) === actor.iss;
}
