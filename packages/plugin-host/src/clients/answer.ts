/** Checks of what a plugin answered: all that is wrong is collected, and thrown as one `invalid-answer`. */
import { PluginError } from '../errors.ts';

export class Answer {
  readonly #plugin: string;
  readonly #method: string;
  readonly #problems: string[] = [];

  constructor(plugin: string, method: string) {
    this.#plugin = plugin;
    this.#method = method;
  }

  holds(condition: boolean, field: string, right: string): void {
    // A few say enough; a hostile answer may have thousands.
    if (!condition && this.#problems.length < 10) this.#problems.push(`${field} must be ${right}`);
  }

  matches(field: string, value: string, pattern: RegExp, right: string): void {
    this.holds(pattern.test(value), field, right);
  }

  /** Text for a person or a log: bounded. */
  text(field: string, value: string, charsMax = 256): void {
    this.holds(value.length <= charsMax, field, `at most ${charsMax} characters`);
  }

  /** Text that goes on to a task, as an output and so as a variable of others: a zero byte would keep those from starting. */
  line(field: string, value: string, charsMax = 256): void {
    this.text(field, value, charsMax);
    this.holds(!/\p{Cc}/u.test(value), field, 'free of control characters');
  }

  /** Throws if anything was wrong. */
  done(): void {
    if (this.#problems.length > 0)
      throw new PluginError(this.#plugin, 'invalid-answer', `${this.#method}: ${this.#problems.join('; ')}`);
  }
}
