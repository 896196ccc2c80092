/**
 * A store that has counted for long. In the file of a member that stands still the revision of its newest record is raised; the
 * member goes on counting from there when it starts. The number is all that is made up: what follows is etcd's own.
 *
 * The file is that of bbolt. It keeps the revision of a record, eight bytes, in front of the record, in the order of the
 * revisions, without a checksum over either; a newest one that is raised leaves the order as it is.
 */

/** The record that is raised; nobody else reads it. */
export const NEWEST = 'the newest';

const FILE = '/var/lib/etcd/data/member/snap/db';

/** A command of a host that has the member's disk. The member has stopped, and put {@link NEWEST} last. */
export function raiseTo(revision: bigint): string[] {
  // After the revision: its separator, the number within the transaction, and the beginning of the record, which is its key.
  const behind = Buffer.concat([Buffer.from([0x5f, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, NEWEST.length]), Buffer.from(NEWEST)]);
  const script = `
    const { readFileSync, writeFileSync } = require('node:fs');
    const file = readFileSync('${FILE}');
    const behind = Buffer.from('${behind.toString('hex')}', 'hex');
    let found = 0;
    for (let at = file.indexOf(behind); at >= 0; at = file.indexOf(behind, at + 1), found++)
      file.writeBigUInt64BE(${revision}n, at - 8);
    if (found === 0) throw new Error('the newest record is not in the file');
    writeFileSync('${FILE}', file);
  `;
  return ['node', '-e', script];
}
