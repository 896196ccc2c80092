/** Figures worth keeping from a run, one line each on standard error: `figure: what: value`. They are reported, not asserted. */
export function figure(what: string, value: string): void {
  process.stderr.write(`figure: ${what}: ${value}\n`);
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
