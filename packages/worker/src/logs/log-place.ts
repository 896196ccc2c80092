/**
 * Where a log lives: `<data>/logs/{spc}/{tsk}.{attempt}.{delivery}`, and beside each other
 *  - `.log`            the first part, raw bytes as they arrived, both streams together: byte n of the file is byte n of the log;
 *  - `.log.{offset}`   later parts, when the log grew beyond its cap, named by the offset of their first byte;
 *  - `.idx`            marks of 16 bytes: from which offset on which stream, and when (log-index.ts).
 * The only place that builds these names or takes them apart. Ids are checked here, so no path can be walked.
 */
import { join } from 'node:path';
import { BoiError, isId, type SpecId, specOf, type TaskId } from '@boi/core';

export interface LogPlace {
  readonly spec: SpecId;
  readonly task: TaskId;
  /** From 1. */
  readonly attempt: number;
  /** From 1. */
  readonly delivery: number;
}

const FILE = /^(tsk_[0-9a-hjkmnp-tv-z]{26})\.([1-9]\d{0,8})\.([1-9]\d{0,8})\.(?:(idx)|log(?:\.([1-9]\d{0,15}))?)$/;
const COUNT_MAX = 999_999_999;

export const logsRoot = (dataDir: string) => join(dataDir, 'logs');

/** Name of a log without its ending. Throws `bad-request` for anything that could not be a log's. */
export function logName(place: LogPlace): string {
  const wrong =
    !isId(place.spec, 'spec') || !isId(place.task, 'task') || specOf(place.task) !== place.spec
      ? 'the task is not of that spec'
      : !isCount(place.attempt) || !isCount(place.delivery)
        ? 'attempt and delivery are whole numbers from 1'
        : undefined;
  if (wrong !== undefined) throw new BoiError('bad-request', `there is no such log: ${wrong}`);
  return `${place.task}.${place.attempt}.${place.delivery}`;
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= COUNT_MAX;
}

export interface LogFile {
  readonly name: string;
  readonly task: TaskId;
  readonly attempt: number;
  readonly delivery: number;
  /** Offset of its first byte in the log; undefined for the index. */
  readonly start: number | undefined;
}

/** What a file in a spec's directory is; undefined for a stranger. */
export function parseLogFile(name: string): LogFile | undefined {
  const match = FILE.exec(name);
  if (match === null || !isId(match[1], 'task')) return undefined;
  const [, task, attempt, delivery, index, start] = match;
  return {
    name,
    task: task as TaskId,
    attempt: Number(attempt),
    delivery: Number(delivery),
    start: index === undefined ? Number(start ?? 0) : undefined,
  };
}
