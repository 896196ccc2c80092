import { TestCa } from '@boi/client/testing';
import type { CaView, UserView } from '@boi/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkCa, checkOwn, checkUsers } from './commands/doctor-certificates.ts';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 21);
const NODE_ID = 'nod_01kapz0vge5n3m8q2r7t4wabcd';

function view(over: Partial<CaView> = {}): CaView {
  return {
    cluster: '0'.repeat(32),
    fingerprint: 'a'.repeat(64),
    notAfter: NOW + 3000 * DAY_MS,
    phase: 'stable',
    since: NOW - 60_000,
    members: [member()],
    usersToRenew: [],
    ca: '',
    ...over,
  };
}

function member(over: Partial<CaView['members'][number]> = {}): CaView['members'][number] {
  const caFingerprint = 'a'.repeat(64);
  return {
    id: NODE_ID,
    name: 'b1',
    live: true,
    trusts: true,
    renewed: true,
    caFingerprint,
    notAfter: NOW + 20 * DAY_MS,
    ...over,
  };
}

const worst = (ca: CaView) => checkCa(ca, NOW).filter(({ level }) => level !== 'ok');

describe('of the cluster', () => {
  it('all is well when nothing expires soon', () => {
    expect(checkCa(view(), NOW).map(({ level, finding }) => `${level} ${finding}`)).toEqual([
      expect.stringMatching(/^ok the CA expires/),
      expect.stringMatching(/^ok 1 of nodes/),
    ]);
  });

  it.each([
    ['a CA with half a year', view({ notAfter: NOW + 100 * DAY_MS }), 'warning', 'boi-node cluster ca rotate --plan'],
    ['a CA with a month', view({ notAfter: NOW + 20 * DAY_MS }), 'error', 'boi-node cluster ca rotate --plan'],
    [
      'a live node with a week',
      view({ members: [member({ notAfter: NOW + 6 * DAY_MS })] }),
      'warning',
      'boi-node cluster admin list',
    ],
    [
      'a live node with hours',
      view({ members: [member({ notAfter: NOW + 1 })] }),
      'error',
      'boi-node cluster admin list',
    ],
    [
      'a node that is away and has a week',
      view({ members: [member({ live: false, notAfter: NOW + 6 * DAY_MS })] }),
      'warning',
      'boi-node join',
    ],
    [
      'a node that expired away',
      view({ members: [member({ live: false, notAfter: NOW - 1 })] }),
      'warning',
      'boi-node token create',
    ],
    [
      'a rotation that is planned',
      view({ phase: 'planned', next: 'b' }),
      'warning',
      'boi-node cluster ca rotate --execute',
    ],
    [
      'a rotation with nodes to renew',
      view({ phase: 'rotating', members: [member({ renewed: false })] }),
      'warning',
      'boi-node cluster ca status',
    ],
    [
      'a rotation with users to renew',
      view({ phase: 'rotating', usersToRenew: ['usr_1'] }),
      'warning',
      'boi-node context refresh',
    ],
    ['a rotation that can end', view({ phase: 'rotating' }), 'warning', 'boi-node cluster ca rotate --finalize'],
  ])('%s is told with the next command', (_, ca, level, next) => {
    expect(worst(ca)).toMatchObject([{ level, next: expect.stringContaining(next) }]);
  });

  it('users are told whose certificates end, but not those who were revoked or have a secret', () => {
    const user = (name: string, more: Partial<UserView>): UserView => {
      return { id: `usr_${name}`, name, role: 'viewer', createdAt: 0, credential: 'certificate', ...more };
    };
    const found = checkUsers(
      [
        user('young', { certificateExpiresAt: NOW + 60 * DAY_MS }),
        user('late', { certificateExpiresAt: NOW + 10 * DAY_MS }),
        user('over', { certificateExpiresAt: NOW - 1 }),
        user('gone', { certificateExpiresAt: NOW - 1, revokedAt: 1 }),
        user('script', { credential: 'secret' }),
      ],
      NOW,
    );
    expect(found.map(({ finding, next }) => `${finding}: ${next}`)).toEqual([
      expect.stringMatching(/late.*expires.*any command/),
      expect.stringMatching(/over.*expired.*user reissue usr_over/),
    ]);
  });
});

describe('of one’s own', () => {
  let certificate: string;
  const from = Math.floor(Date.now() / 1000) * 1000;
  beforeAll(async () => {
    const ca = await TestCa.create();
    ({ certificate } = await ca.issue('x', { notBefore: new Date(from), notAfter: new Date(from + 90 * DAY_MS) }));
  });

  it.each([
    ['a day', 1, 0, 'ok', 'expires'],
    ['two thirds of its life and a day', 61, 0, 'warning', 'was not renewed'],
    ['its life', 91, 0, 'error', 'expired'],
    ['nothing, where the nodes are behind', 0, -3_600_000, 'error', 'clocks differ'],
    ['nearly its life, where the nodes are ahead', 89, 2 * DAY_MS, 'error', 'expired'],
  ])('after %s', (_, days, skewMs, level, words) => {
    const [found] = checkOwn({ certificate, own: true }, from + days * DAY_MS, skewMs);
    expect(found).toMatchObject({ level, finding: expect.stringContaining(words) });
    expect(found?.next === undefined).toBe(level === 'ok');
  });

  it('of a node of this machine, that node renews', () => {
    const [found] = checkOwn({ certificate, own: false }, from + 80 * DAY_MS);
    expect(found?.next).toContain('boi-node join');
  });
});
