/** Runs git: never a prompt, never a transport that runs programs, and an error that says what git said. */
import { execFile } from 'node:child_process';

/** Of git's answer; refs of a large repository. */
const OUTPUT_BYTES_MAX = 64 * 1_048_576;

export class GitError extends Error {
  constructor(args: readonly string[], stderr: string) {
    super(`git ${args.find((word) => !word.startsWith('-'))}: ${stderr.trim().slice(-800)}`);
    this.name = 'GitError';
  }
}

export function git(directory: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      GIT_TERMINAL_PROMPT: '0',
      GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
      LC_ALL: 'C',
    };
    const options = { cwd: directory, env, maxBuffer: OUTPUT_BYTES_MAX, encoding: 'utf8' as const };
    execFile('git', args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim());
      else reject(new GitError(args, stderr === '' ? error.message : stderr));
    });
  });
}
