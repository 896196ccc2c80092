/** The command table: every command there is, in the order of the help. */
import type { Command } from '../command.ts';
import { DAEMON_COMMANDS } from './daemon.ts';
import { GROUP_COMMANDS } from './group.ts';
import { IDENTITY_COMMANDS } from './identity.ts';
import { LOCAL_COMMANDS } from './local.ts';
import { NODE_COMMANDS } from './node.ts';
import { PLUGIN_COMMANDS } from './plugin.ts';
import { SPEC_COMMANDS } from './spec.ts';
import { TASK_COMMANDS } from './task.ts';

export const TABLE: readonly Command[] = [
  ...DAEMON_COMMANDS,
  ...SPEC_COMMANDS,
  ...TASK_COMMANDS,
  ...NODE_COMMANDS,
  ...GROUP_COMMANDS,
  ...IDENTITY_COMMANDS,
  ...PLUGIN_COMMANDS,
  ...LOCAL_COMMANDS,
];
