/**
 * The mutation twins: what is switched off, where in the image, and which test must notice. Of each edit `find` is there exactly
 * once; what a version of the product changed there makes the build of its twin fail, not pass.
 */
const PACKAGES = '/opt/boi-node/node_modules/@boi';

const CLUSTER = `${PACKAGES}/cluster/dist`;
const HOOKS = `${PACKAGES}/plugin-host/dist/hooks`;

export const TWINS = [
  {
    name: 'fence',
    switchedOff: 'the compare of the fence when a result is committed',
    edits: [
      {
        file: `${CLUSTER}/commit/prepare-commit.js`,
        find: '[unchanged(held.key, held.revision), absent(resultKey)]',
        put: '[absent(resultKey)]',
      },
    ],
    test: ['tests/fencing.e2e.test.ts', '-t', 'new_claimant_unaffected'],
  },
  {
    name: 'exclusive',
    switchedOff: 'the end of exclusive tasks before the lease of their node can end',
    edits: [
      { file: `${CLUSTER}/membership/deadlines.js`, find: '(2 * ttlMs) / 3', put: '100 * ttlMs' },
      { file: `${CLUSTER}/node.js`, find: 'if (entry.exclusive)', put: 'if (false)' },
    ],
    test: ['tests/fencing.e2e.test.ts', '-t', 'exclusive_never_overlaps'],
  },
  {
    name: 'binding',
    switchedOff: 'the binding of a join token to the name of a node',
    edits: [
      {
        file: `${CLUSTER}/identity/admit.js`,
        find: 'bind.name !== undefined && bind.name !== name',
        put: 'false',
      },
    ],
    test: ['tests/bootstrap.e2e.test.ts', '-t', 'tampered_token_rejected'],
  },
  {
    name: 'wal-write',
    switchedOff: 'the writing of the audit log before an event is delivered',
    edits: [{ file: `${HOOKS}/wal.js`, find: 'await this.#write(Buffer.concat(records.map(encodeRecord)));', put: '' }],
    test: ['tests/hooks.e2e.test.ts', '-t', 'audit_wal_before_delivery'],
  },
  {
    name: 'wal-read',
    switchedOff: 'the reading of the audit log when a daemon starts',
    edits: [{ file: `${HOOKS}/audit-trail.js`, find: 'this.#replay(record, segment);', put: '' }],
    test: ['tests/hooks.e2e.test.ts', '-t', 'node_kill_no_loss'],
  },
  {
    name: 'redelivery',
    switchedOff: 'the delivery anew of what a plugin that died had not acknowledged',
    edits: [
      {
        file: `${HOOKS}/deliverer.js`,
        find: 'this.#sent = this.#acknowledged = options.source.acknowledged;',
        put: 'this.#sent = this.#acknowledged = options.source.last;',
      },
    ],
    test: ['tests/hooks.e2e.test.ts', '-t', 'plugin_crash_no_loss'],
  },
];
