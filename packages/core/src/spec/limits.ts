/**
 * Every limit of a spec, in one table: the parser, the schema, the messages and the reference take them from here.
 * They keep a hostile or mistaken file from costing a node more than a second of its event loop, and every record within
 * what the store takes in one request (1.5 MiB by default in etcd; bodies travel in chunks of 256 KiB).
 */
export const SPEC_LIMITS = {
  /** UTF-8 bytes of the file. */
  sourceBytesMax: 1_048_576,
  /** Above this a file is not even parsed to report what else is wrong with it. */
  sourceParsedBytesMax: 4_194_304,
  /** Nesting of lists and maps. */
  depthMax: 50,
  /** Pieces the YAML reader may cut the source into: about half a second of work. */
  yamlLexemesMax: 500_000,
  /** Brackets, commas and equal signs in TOML: about two seconds of work. */
  tomlSignsMax: 250_000,
  /** Entries of `tasks` in the file, before expansion. */
  taskEntriesMax: 50_000,
  /** Values an alias (`*name`) may add, all uses together: what stops a "billion laughs". */
  aliasedValuesMax: 100_000,
  /** Problems reported for one file. */
  issuesMax: 1_000,
  /** Tasks after expansion unless the caller says otherwise. The index of a task has four base32 characters: 1,048,575 at most. */
  tasksDefaultMax: 200_000,
  refLengthMax: 64,
  /** UTF-16 units; a name has at most 128 code points. */
  targetLengthMax: 256,
  /** With the coordinates of a matrix. */
  instanceRefLengthMax: 256,
  descriptionLengthMax: 2_000,
  matrixAxesMax: 16,
  matrixValuesMax: 10_000,
  matrixValueLengthMax: 64,
  /** Combinations of a matrix times entries of its `exclude`. */
  excludeWorkMax: 10_000_000,
  /** Needs with expressions, all instances together: each is put together and looked up for itself. */
  templatedNeedsMax: 1_000_000,
  /** Needs of one task, after expansion. */
  needsMax: 10_000,
  /** Needs of all tasks of a spec together. */
  edgesMax: 5_000_000,
  /** UTF-8 bytes of one task's definition as JSON: it travels in queue entries' reads and in memory of coordinators. */
  definitionBytesMax: 65_536,
  /** Of all tasks together: what a node holds in memory and the store keeps compressed. */
  definitionsBytesMax: 134_217_728,
  /** Characters of a shell command, or of all arguments together. */
  commandLengthMax: 32_768,
  argumentsMax: 1_000,
  verifyMax: 32,
  envCountMax: 500,
  envNameLengthMax: 128,
  /** Characters of all names and values together. */
  envLengthMax: 32_768,
  secretsMax: 64,
  outputsMax: 64,
  requirementsMax: 32,
  requirementValuesMax: 100,
  requirementLengthMax: 256,
  varsMax: 200,
  varLengthMax: 4_096,
  workdirLengthMax: 4_096,
  workspaceSourceLengthMax: 2_048,
  /** Of a workspace's ref and branch, and of each option of a plugin. */
  pluginTextLengthMax: 256,
  pluginOptionsMax: 32,
  slotsMax: 10_000,
  concurrencyMax: 1_048_575,
  keyNameLengthMax: 256,
  keyLimitMax: 1_000,
  retriesMax: 100,
  exitCodesMax: 255,
  priorityMax: 1_000,
  /** 30 days. */
  timeoutMsMax: 2_592_000_000,
  /** One hour. */
  graceMsMax: 3_600_000,
  /** One day. */
  backoffMsMax: 86_400_000,
} as const;
