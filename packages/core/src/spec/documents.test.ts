import { expect, test } from 'vitest';
import { specJsonSchema, specReference } from './reference.ts';

test('docs/spec-reference.md is what the schema says (`npx vitest run -u` writes it anew)', async () => {
  await expect(specReference()).toMatchFileSnapshot('../../../../docs/spec-reference.md');
});

test('docs/spec-schema.json, for editors, is what the schema says', async () => {
  await expect(`${JSON.stringify(specJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(
    '../../../../docs/spec-schema.json',
  );
});
