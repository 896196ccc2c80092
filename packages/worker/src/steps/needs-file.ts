/** The file that `BOI_NEEDS` names: for a task that runs whatever happened, how each task it needs ended, and its outputs. */
import { writeFile } from 'node:fs/promises';
import type { Assignment } from '@boi/core';

/** JSON: `{"ref": {"outcome": "succeeded", "outputs": {…}}}`, in the order of the needs. */
export async function writeNeeds(path: string, { needs = {}, inputs }: Assignment): Promise<void> {
  const told = Object.entries(needs).map(([ref, outcome]) => [ref, { outcome, outputs: inputs[ref] ?? {} }]);
  // Readable for another user than the daemon's too: its directory is that user's own.
  await writeFile(path, `${JSON.stringify(Object.fromEntries(told), undefined, 1)}\n`, { flag: 'wx', mode: 0o644 });
}
