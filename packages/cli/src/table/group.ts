/** Commands on groups of nodes, users and groups. */
import type { Command, Positional } from '../command.ts';

const GROUP: Positional = { name: 'group', summary: 'Group, by id or name.', completes: 'group' };
const MEMBERS: Positional = {
  name: 'member',
  summary: 'Node, group or user, by id or name.',
  many: true,
  completes: 'node',
};

export const GROUP_COMMANDS: readonly Command[] = [
  {
    path: ['group', 'create'],
    summary: 'Create a group. Names need not be unique.',
    positionals: [{ name: 'name', summary: 'Its name.', optional: true }],
    examples: [
      { line: 'boi-node group create builders', does: 'an empty group' },
      { line: 'boi-node group create builders -o name', does: 'print its id alone' },
    ],
    load: async () => (await import('../commands/group.ts')).createGroup,
  },
  {
    path: ['group', 'list'],
    summary: 'Groups.',
    flags: [{ name: 'name', kind: 'text', value: 'NAME', summary: 'Only those with exactly this name.' }],
    examples: [
      { line: 'boi-node group list', does: 'all of them' },
      { line: 'boi-node group list -o json', does: 'with their members, for a program' },
    ],
    load: async () => (await import('../commands/group.ts')).listGroups,
  },
  {
    path: ['group', 'show'],
    summary: 'One group: its members, and which live nodes are in it.',
    positionals: [GROUP],
    examples: [
      { line: 'boi-node group show builders', does: 'by name' },
      { line: 'boi-node group show admins', does: 'who has the role of an admin by a group' },
    ],
    load: async () => (await import('../commands/group.ts')).showGroup,
  },
  {
    path: ['group', 'add'],
    summary: 'Add members; those it has stay. Refused if the group would contain itself.',
    positionals: [GROUP, MEMBERS],
    examples: [
      { line: 'boi-node group add builders build-1 build-2', does: 'two nodes' },
      { line: 'boi-node group add linux builders', does: 'a group into a group' },
      { line: 'boi-node group add operators alice', does: 'a user into a group that carries authority' },
    ],
    load: async () => (await import('../commands/group.ts')).addToGroup,
  },
  {
    path: ['group', 'remove'],
    summary: 'Remove members; those it has not are not missed.',
    positionals: [GROUP, MEMBERS],
    examples: [
      { line: 'boi-node group remove builders build-2', does: 'one node' },
      { line: 'boi-node group remove linux builders', does: 'a group from a group' },
    ],
    load: async () => (await import('../commands/group.ts')).removeFromGroup,
  },
  {
    path: ['group', 'delete'],
    summary: 'Delete groups. `admins` and `operators` stay.',
    description: [
      'Groups that had it as a member keep its id, which is harmless. Tasks whose target it was wait until they are cancelled, or, if they name it, until there is another of its name.',
    ],
    positionals: [{ ...GROUP, many: true }],
    examples: [
      { line: 'boi-node group delete builders', does: 'one' },
      { line: 'boi-node group delete builders testers', does: 'two' },
    ],
    load: async () => (await import('../commands/group.ts')).deleteGroups,
  },
];
