/** `cluster ca status` and `cluster ca rotate`. */
import type { CaView } from '@boi/core';
import { BoiError } from '@boi/core/errors';
import { displayName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { presentOne } from '../output/present.ts';
import { renderFields } from '../output/table.ts';
import { absolute, relative } from '../output/time.ts';
import type { Session } from '../session.ts';

const STEPS = ['plan', 'execute', 'finalize', 'abort'] as const;

export async function showCa(session: Session, _args: Args): Promise<number> {
  return present(session, await session.client.call('ca.show', {}));
}

export async function rotateCa(session: Session, args: Args): Promise<number> {
  const [step, ...more] = STEPS.filter((name) => args.switch(name));
  if (step === undefined || more.length > 0)
    throw new BoiError('bad-request', 'give one step: --plan, then --execute, then --finalize; or --abort');
  const trustWindowMs = args.number('trust-window');
  if (trustWindowMs !== undefined && step !== 'execute')
    throw new BoiError('bad-request', '--trust-window goes with --execute');
  if (args.switch('force') && step !== 'finalize') throw new BoiError('bad-request', '--force goes with --finalize');
  const view = await session.client.call('ca.rotate', {
    body: {
      step,
      ...(trustWindowMs === undefined ? {} : { trustWindowMs }),
      ...(args.switch('force') ? { force: true } : {}),
    },
  });
  session.note(`${step} is done`);
  return present(session, view);
}

async function present(session: Session, view: CaView): Promise<number> {
  const { out } = session;
  const now = session.io.now();
  const renewed = view.members.filter((member) => member.renewed).length;
  await presentOne(session, view, view.fingerprint, () =>
    renderFields(
      [
        ['Cluster', view.cluster],
        ['CA', view.fingerprint],
        ['Expires', absolute(view.notAfter, now)],
        ['Rotation', view.phase === 'stable' ? 'none' : out.yellow('going on')],
        ['Also trusted', view.previous],
        ['Trusted until', view.trustUntil === undefined ? undefined : absolute(view.trustUntil, now)],
        ['Nodes', `${renewed} of ${view.members.length} have a certificate of this CA`],
        [
          '',
          view.members
            .map((m) => {
              const whose = m.renewed ? 'this CA' : out.yellow('the old CA');
              return `${displayName(m.name, m.id)}: ${whose}, expires ${relative(m.notAfter, now)}`;
            })
            .join('\n'),
        ],
      ],
      out,
    ),
  );
  return 0;
}
