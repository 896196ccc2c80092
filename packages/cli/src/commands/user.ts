/**
 * `user create|list|revoke|reissue`. A certificate's key is made here and goes into the bundle alone; what the cluster gets is
 * a signing request. A bundle is never written over a file, and nothing secret is ever printed.
 */
import { open, rm } from 'node:fs/promises';
import type { UserCredential, UserRole, UserView } from '@boi/core';
import { BoiError } from '@boi/core/errors';
import { compareNamed, displayName, escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { updateConfig } from '../config-file.ts';
import type { Bundle } from '../credential-file.ts';
import { presentList, renderData } from '../output/present.ts';
import { relative } from '../output/time.ts';
import type { Session } from '../session.ts';
import { changeEach } from './change-each.ts';

export async function createUser(session: Session, args: Args): Promise<number> {
  const name = args.one('name');
  const project = session.settings.get('project');
  const pair = args.switch('secret') ? undefined : await keyPair();
  const file = await reserve(args.text('out') ?? `${fileName(name)}.boi.json`);
  return file.keep(async () => {
    const made = await session.client.call('user.create', {
      body: {
        name,
        role: (args.text('role') ?? 'viewer') as UserRole,
        // Of the flag alone: a project in the environment is where the admin works, not a limit for others.
        ...(project?.source === 'flag' ? { project: String(project.value) } : {}),
        ...(pair === undefined ? {} : { csr: pair.csr }),
      },
    });
    await file.write(`${JSON.stringify(bundleOf(made, pair?.key), null, 2)}\n`);
    await present(
      session,
      made.user,
      `${file.path} has the bundle; there: boi-node context add NAME --bundle ${file.path}`,
    );
    return 0;
  });
}

export async function reissueUser(session: Session, args: Args): Promise<number> {
  const usr = args.one('user');
  const pair = args.switch('secret') ? undefined : await keyPair();
  const ask = () =>
    session.client.call('user.reissue', { params: { usr }, body: pair === undefined ? {} : { csr: pair.csr } });
  if (args.switch('save')) {
    if (args.text('out') !== undefined) throw new BoiError('bad-request', 'give one of --save and --out');
    return saveReissued(session, ask, pair?.key);
  }
  const file = await reserve(args.text('out') ?? `${fileName(usr)}.boi.json`);
  return file.keep(async () => {
    const made = await ask();
    await file.write(`${JSON.stringify(bundleOf(made, pair?.key), null, 2)}\n`);
    await present(session, made.user, `${file.path} has the new bundle; the old credential is refused from now on`);
    return 0;
  });
}

/**
 * Asked for under the lock of the configuration and with the credential that is in it then: of two at once the second asks
 * with what the first was given, so the file ends with the credential that was made last.
 */
async function saveReissued(
  session: Session,
  ask: () => Promise<UserCredential>,
  key: string | undefined,
): Promise<number> {
  const name = session.contextName;
  let user: UserView | undefined;
  await updateConfig(session.io.env, async (config, keep) => {
    const context = name === undefined ? undefined : config.contexts[name];
    if (name === undefined || context === undefined)
      throw new BoiError('config-invalid', '--save needs a context to save to; see `boi-node context list`');
    session.useConfig(config);
    const made = await ask();
    user = made.user;
    const credentials = await keep(name, bundleOf(made, key));
    return { ...config, contexts: { ...config.contexts, [name]: { ...context, credentials } } };
  });
  if (user !== undefined)
    await present(session, user, `context ${name} has the new credential; the old one is refused from now on`);
  return 0;
}

async function present(session: Session, user: UserView, note: string): Promise<void> {
  const { format } = session;
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, user));
  else await session.print(`${user.id}\n`);
  session.note(`${displayName(user.name, user.id)}, ${user.role}: ${note}`);
}

function bundleOf(made: UserCredential, key: string | undefined): Bundle {
  const { user, cluster, endpoints, ca, certificate, secret } = made;
  return {
    v: 1,
    cluster,
    user: { id: user.id, name: user.name },
    endpoints,
    ca,
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
    ...(secret === undefined ? {} : { secret }),
  };
}

async function keyPair(): Promise<{ readonly key: string; readonly csr: string }> {
  const { createKey, createSigningRequest } = await import('@boi/identity');
  const key = await createKey();
  return { key, csr: await createSigningRequest(key) };
}

/** Letters, digits and a few signs of the name; never a path. */
function fileName(name: string): string {
  const plain = name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+/, '');
  return plain === '' ? 'user' : plain.slice(0, 64);
}

/** The file, made empty and 0600 before anything is asked for: a credential that cannot be kept must not be made. */
async function reserve(path: string) {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'wx', 0o600);
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    const what = exists ? 'exists already; name another with --out' : (cause as Error).message;
    throw new BoiError('config-invalid', `${path}: ${what}`, { cause });
  }
  return {
    path,
    async write(text: string): Promise<void> {
      await handle.writeFile(text);
      await handle.sync();
    },
    /** Runs `work` and closes the file; removes it again when that fails. */
    async keep(work: () => Promise<number>): Promise<number> {
      try {
        return await work();
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      } finally {
        await handle.close();
      }
    },
  };
}

export async function listUsers(session: Session, args: Args): Promise<number> {
  const name = args.text('name');
  const { items } = await session.client.call('user.list', { query: name === undefined ? {} : { name } });
  const now = session.io.now();
  await presentList<UserView>(
    session,
    [...items].sort(compareNamed),
    [
      { title: 'NAME', cell: (u) => escapeName(u.name), widthMax: 32 },
      { title: 'ID', cell: (u) => u.id },
      { title: 'ROLE', cell: (u) => u.role },
      { title: 'PROJECT', cell: (u) => u.project ?? '' },
      { title: 'CREDENTIAL', cell: credentialText },
      {
        title: 'EXPIRES',
        cell: (u) => (u.certificateExpiresAt === undefined ? '' : relative(u.certificateExpiresAt, now)),
      },
      { title: 'MADE', cell: (u) => relative(u.createdAt, now), wide: true },
    ],
    'no users; `boi-node user create NAME --role ROLE` makes one',
  );
  return 0;
}

const credentialText = (user: UserView): string => (user.revokedAt === undefined ? user.credential : 'revoked');

export function revokeUsers(session: Session, args: Args): Promise<number> {
  return changeEach(session, args.many('user'), async (usr) => {
    const answer = await session.client.call('user.revoke', { params: { usr } });
    return { answer, id: answer.id, says: 'is revoked' };
  });
}
