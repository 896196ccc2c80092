/**
 * Follows the audit: one JSON record a line, opened again on another address when cut. Each opening begins with the last
 * records, so what happened during a cut is there; what was seen before is dropped by its id, since ids grow.
 */
import type { IncomingMessage } from 'node:http';
import type { AuditView } from '@boi/core';
import type { BoiClient } from './client.ts';
import { type FollowOptions, followStream, type LinkEvent, lines } from './link.ts';

export type AuditRecord = AuditView;

export interface FollowAuditOptions extends FollowOptions {
  /** Only what this user or node did: its id. */
  readonly actor?: string | undefined;
  /** So many old records first. Default: the daemon's, 10. */
  readonly last?: number | undefined;
}

export type AuditItem = { readonly type: 'record'; readonly record: AuditRecord } | LinkEvent;

const LINE_BYTES_MAX = 64 * 1024;
/** Asked for after a cut: more than anybody changes by hand while a node restarts. */
const LAST_AFTER_CUT = 1_000;

/** Ends only by the signal, or when it is given up. */
export function followAudit(client: BoiClient, options: FollowAuditOptions): AsyncGenerator<AuditItem, void> {
  const { actor, last, signal } = options;
  let seen = '';
  return followStream<AuditItem>(
    () => {
      const count = seen === '' ? last : LAST_AFTER_CUT;
      const query = {
        ...(actor === undefined ? {} : { actor }),
        ...(count === undefined ? {} : { last: count }),
      };
      return client.open('audit.follow', { query, signal });
    },
    async function* (body: IncomingMessage) {
      for await (const line of lines(body, LINE_BYTES_MAX)) {
        if (line === '') continue;
        const record = JSON.parse(line) as AuditRecord;
        if (record.id <= seen) continue;
        seen = record.id;
        yield { type: 'record', record };
      }
      return 'cut';
    },
    options,
  );
}
