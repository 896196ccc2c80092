import { closeSync, openSync } from 'node:fs';
import { inheritableDescriptors } from '@boi/system';
import koffi from 'koffi';
import { expect, test } from 'vitest';
import { keepDescriptors } from './keep-descriptors.ts';

test('a descriptor that this process was started with stays open here and is closed in what it starts', async () => {
  const file = openSync('/dev/null', 'r');
  // What Node opens closes on exec; a copy does not, as one that was inherited.
  const given = koffi.load(null).func('int dup(int fd)')(file) as number;
  try {
    expect(inheritableDescriptors()).toContain(given);
    expect(await keepDescriptors()).toEqual([]);
    expect(inheritableDescriptors()).toEqual([]);
  } finally {
    // Throws were it closed.
    closeSync(given);
    closeSync(file);
  }
});
