/** `cluster init`: founds a cluster from this host, and makes a context that is its first node. */
import type { Args } from '../args.ts';
import { updateConfig } from '../config-file.ts';
import { presentOne } from '../output/present.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';
import { readDaemonConfig } from './daemon-config.ts';

export async function initCluster(session: Session, args: Args): Promise<number> {
  const { config } = await readDaemonConfig(session, args);
  const [node, system] = await Promise.all([import('@boi/node'), import('@boi/system')]);
  const made = await node.initCluster(config, system.createLogger({ name: 'boi-node', level: 'warn' }));
  const context = args.switch('no-context') ? undefined : (args.text('context-name') ?? 'local');
  // Without a fixed port nobody can say where it will be.
  const known = !made.address.endsWith(':0');
  if (context !== undefined && known) {
    const entry = { endpoints: [made.address], credentials: made.identityDir };
    await updateConfig(session.io.env, (file) => ({
      ...file,
      current: context,
      contexts: { ...file.contexts, [context]: entry },
    }));
  }
  session.note(
    made.existing ? 'the cluster was founded from here before; nothing was written' : 'the cluster is founded',
  );
  await presentOne(session, made, made.cluster, () =>
    renderFields(
      [
        ['Cluster', made.cluster],
        ['First node', made.node],
        ['CA', made.caFingerprint],
        ['Address', known ? made.address : 'taken when the node starts, since --listen has port 0'],
        ['Credentials', made.identityDir],
        ['Context', known ? context : undefined],
      ],
      session.out,
    ),
  );
  session.note('next: `boi-node join` with the same settings; then `boi-node token create` for further nodes');
  return 0;
}
