/** The handlers of the identity routes. A node that runs without identities refuses them all. */
import { BoiError, LOG_STREAM_TYPE, type RouteBody, type RouteQuery } from '@boi/core';
import type { NodeCaller } from '../access/caller.ts';
import type { IdentityDesk } from '../identity/desk.ts';
import type { Call, Handlers } from './server.ts';
import { HEARTBEAT_MS, onceDrainedOrClosed } from './sse.ts';

type IdentityRoute =
  | 'join'
  | `cert.${string}`
  | `ca.${string}`
  | `admin.${string}`
  | `token.${string}`
  | `user.${string}`
  | `audit.${string}`;
type IdentityHandlers = { readonly [K in keyof Handlers & IdentityRoute]: Handlers[K] };

export function createIdentityHandlers(desk: IdentityDesk | undefined): IdentityHandlers {
  const at = (): IdentityDesk => {
    if (desk !== undefined) return desk;
    throw new BoiError('wrong-state', 'This node runs with --insecure: it knows no identities, tokens or users.');
  };
  const param = (call: Call, name: string) => call.params[name] as string;
  return {
    join: async ({ body }) => at().join(body as RouteBody<'join'>),
    'cert.renew': async ({ body, caller }) => at().renew(asNode(caller), body as RouteBody<'cert.renew'>),
    'ca.show': async () => at().ca(),
    'ca.rotate': async ({ body, caller }) => at().rotateCa(body as RouteBody<'ca.rotate'>, caller),
    'admin.list': async () => at().admins(),
    'admin.grant': async (call) => at().grantAdmin(param(call, 'nod'), call.caller),
    'admin.revoke': async (call) => at().revokeAdmin(param(call, 'nod'), call.caller),
    'token.create': async ({ body, caller }) => at().createToken(body as RouteBody<'token.create'>, caller),
    'token.list': async () => at().tokens(),
    'token.revoke': async (call) => at().revokeToken(param(call, 'tok'), call.caller),
    'user.create': async ({ body, caller }) => at().createUser(body as RouteBody<'user.create'>, caller),
    'user.list': async ({ query }) => at().users(query as RouteQuery<'user.list'>),
    'user.revoke': async (call) => at().revokeUser(param(call, 'usr'), call.caller),
    'user.reissue': async (call) =>
      at().reissueUser(param(call, 'usr'), call.body as RouteBody<'user.reissue'>, call.caller),
    'user.renew': async ({ body, caller }) => at().renewUser(caller, body as RouteBody<'user.renew'>),
    'audit.list': async ({ query }) => at().audit(query as RouteQuery<'audit.list'>),
    'audit.follow': async (call) => {
      await streamLines(await at().followAudit(call.query as RouteQuery<'audit.follow'>, call.signal), call);
      return undefined;
    },
  };
}

function asNode(caller: Call['caller']): NodeCaller {
  if (caller.kind === 'node') return caller;
  throw new BoiError('wrong-state', 'Only a node with a certificate can renew it.');
}

/** One JSON document a line; the reader's pace is the source's. */
async function streamLines(source: AsyncIterable<unknown>, { reply, signal }: Call): Promise<void> {
  const raw = reply.raw;
  reply.hijack();
  raw.writeHead(200, { 'content-type': LOG_STREAM_TYPE, 'cache-control': 'no-store' });
  raw.flushHeaders();
  // An empty line: silence for longer means that this node is gone.
  const heartbeat = setInterval(() => raw.writableNeedDrain || raw.write('\n'), HEARTBEAT_MS);
  try {
    for await (const item of source) {
      if (raw.destroyed) break;
      if (!raw.write(`${JSON.stringify(item)}\n`)) await onceDrainedOrClosed(raw);
    }
    raw.end();
  } catch (error) {
    // The head is out: a cut says to the reader that more should have come, unless it left by itself.
    raw.destroy();
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(heartbeat);
  }
}
