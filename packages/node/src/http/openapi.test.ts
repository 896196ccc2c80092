import { ROUTES } from '@boi/core';
import { expect, test } from 'vitest';
import { openApiDocument } from './openapi.ts';

test('docs/openapi.json is what the route table says (`npx vitest run -u` writes it anew)', async () => {
  await expect(`${JSON.stringify(openApiDocument('0.1.0'), null, 2)}\n`).toMatchFileSnapshot(
    '../../../../docs/openapi.json',
  );
});

test('every route of the table is in the document under its own operation id', () => {
  const paths = openApiDocument('x').paths as Record<string, Record<string, { operationId: string }>>;
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map((m) => m.operationId));
  expect(ids.sort()).toEqual(Object.keys(ROUTES).sort());
});
