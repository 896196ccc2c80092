/**
 * The mutation twins: what is switched off, where in the image, and which test must notice. `find` is there exactly once; what
 * a version of the product changed there makes the build of its twin fail, not pass.
 */
const PACKAGES = '/opt/boi-node/node_modules/@boi';

export const TWINS = [
  {
    name: 'fence',
    switchedOff: 'the compare of the fence when a result is committed',
    file: `${PACKAGES}/cluster/dist/commit/prepare-commit.js`,
    find: '[unchanged(held.key, held.revision), absent(resultKey)]',
    put: '[absent(resultKey)]',
    test: ['tests/fencing.e2e.test.ts', '-t', 'new_claimant_unaffected'],
  },
  {
    name: 'binding',
    switchedOff: 'the binding of a join token to the name of a node',
    file: `${PACKAGES}/cluster/dist/identity/admit.js`,
    find: 'bind.name !== undefined && bind.name !== name',
    put: 'false',
    test: ['tests/bootstrap.e2e.test.ts', '-t', 'tampered_token_rejected'],
  },
];
