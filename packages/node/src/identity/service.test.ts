/** What the desk refuses before anything is asked of the store or the CA. */
import { expect, test } from 'vitest';
import { IdentityService, type IdentityServiceOptions } from './service.ts';

/** Nothing of it may be touched. */
const desk = new IdentityService({} as IdentityServiceOptions);

test.each([
  ['\u001b[31m', 'invalid-name'],
  [' a', 'invalid-name'],
  ['x'.repeat(129), 'invalid-name'],
  ['admin', 'reserved-identifier'],
])('a token is not bound to %j, under which no node can join', async (bindName, code) => {
  await expect(desk.createToken({ bindName }, { kind: 'anyone' })).rejects.toMatchObject({
    code,
    issues: [{ path: '/body/bindName' }],
  });
});

test.each([2 ** 48, 1e20])('records since %d, which no id can tell, are not looked for', async (since) => {
  await expect(desk.audit({ since })).rejects.toMatchObject({
    code: 'bad-request',
    issues: [{ path: '/query/since' }],
  });
});
